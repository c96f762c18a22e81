//! Atomics and locks of the standard library, or of [loom](https://docs.rs/loom), which
//! runs every interleaving of threads.
//!
//! The cfg is not named `loom`, so that a program that is tested with loom does not switch
//! this crate as well. `tests/loom` sets it.

#[cfg(clock_skew_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(clock_skew_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(clock_skew_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(not(clock_skew_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

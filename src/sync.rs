//! What the shared state is made of: the standard library's, or
//! [loom](https://docs.rs/loom)'s, which tries every interleaving of threads.
//!
//! The cfg is not called `loom`, since whoever tests a program of his own with that
//! would get ours as well. `tests/loom` sets it.

#[cfg(clock_skew_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(clock_skew_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(clock_skew_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(not(clock_skew_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

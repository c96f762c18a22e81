//! Locking without poisoning.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic in another thread: each value behind a lock is consistent between any
/// two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

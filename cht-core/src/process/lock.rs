//! A mutex locked whether or not a thread panicked with it: what these mutexes guard is whole after
//! each statement, and a panic ends its own thread with a message.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, poisoned or not.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! [`TimeSource`] for [`SkewClock`]: everything in a client that asks the time.

use std::cell::Cell;
use std::time::SystemTime;

use aws_smithy_async::time::{SharedTimeSource, TimeSource};

use crate::clock::SkewClock;

/// The time that an SDK client signs with, judges its credentials by, and stamps
/// event-stream frames with.
impl TimeSource for SkewClock {
    fn now(&self) -> SystemTime {
        LAST_ASKED.set(self.address());
        Self::now(self)
    }
}

/// Returns whether `source` is this very clock, or asks it.
pub(crate) fn asks(source: &SharedTimeSource, clock: &SkewClock) -> bool {
    // A time source cannot be looked into, but it can be asked.
    LAST_ASKED.set(NOBODY);
    let _ = source.now();
    LAST_ASKED.get() == clock.address()
}

thread_local! {
    static LAST_ASKED: Cell<usize> = const { Cell::new(NOBODY) };
}

const NOBODY: usize = 0;

//! [`TimeSource`] for [`SkewClock`]: everything in a client that asks the time.

use std::cell::Cell;
use std::time::SystemTime;

use aws_smithy_async::time::{SharedTimeSource, TimeSource};

use crate::clock::SkewClock;

/// The time that an SDK client signs with, judges its credentials by, and stamps
/// event-stream frames with.
impl TimeSource for SkewClock {
    fn now(&self) -> SystemTime {
        let now = Self::now(self);
        // Reading the time can move it; its number comes after.
        LAST_ASKED.set(Some(Asked {
            address: self.address(),
            moves: self.moves(),
        }));
        now
    }
}

/// The clock behind a time source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    address: usize,
    /// How often it has moved.
    pub(crate) moves: u64,
}

impl Asked {
    /// Returns which clock this time source asks, or `None` if it is none of ours.
    pub(crate) fn by(source: &SharedTimeSource) -> Option<Self> {
        // A time source cannot be looked into, but it can be asked.
        LAST_ASKED.set(None);
        let _ = source.now();
        LAST_ASKED.get()
    }

    pub(crate) fn is(self, clock: &SkewClock) -> bool {
        self.address == clock.address()
    }
}

thread_local! {
    static LAST_ASKED: Cell<Option<Asked>> = const { Cell::new(None) };
}

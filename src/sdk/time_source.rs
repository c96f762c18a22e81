//! [`TimeSource`] for [`SkewClock`]: everything in a client that asks the time.

use std::cell::Cell;
use std::time::SystemTime;

use aws_smithy_async::time::{SharedTimeSource, TimeSource};

use crate::clock::SkewClock;

/// The time that an SDK client signs with, judges its credentials by, and stamps
/// event-stream frames with.
impl TimeSource for SkewClock {
    fn now(&self) -> SystemTime {
        if IS_ASKING.get() {
            return answer(self);
        }
        Self::now(self)
    }
}

#[cold]
fn answer(clock: &SkewClock) -> SystemTime {
    let now = clock.now();
    // Reading the time can move it; its number comes after.
    ANSWER.set(Some(Asked {
        address: clock.address(),
        moves: clock.moves(),
    }));
    now
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
        ANSWER.set(None);
        IS_ASKING.set(true);
        let _ = source.now();
        IS_ASKING.set(false);
        ANSWER.get()
    }

    pub(crate) fn is(self, clock: &SkewClock) -> bool {
        self.address == clock.address()
    }
}

thread_local! {
    /// Somebody on this thread wants to know which clock answers.
    static IS_ASKING: Cell<bool> = const { Cell::new(false) };
    static ANSWER: Cell<Option<Asked>> = const { Cell::new(None) };
}

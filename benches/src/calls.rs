//! Accepted calls, one after the other.

use std::time::Duration;

use aws_clock_skew::{ClockOffset, SkewClock};
use tokio::runtime::{Builder, Runtime};

use crate::{Integration, Wire, accepted_call, client};

/// A client that has already made calls.
#[derive(Debug)]
pub struct Calls {
    runtime: Runtime,
    client: aws_sdk_sqs::Client,
}

impl Calls {
    /// Returns a client with an integration. Its clock and its endpoint are ahead by `offset`
    /// milliseconds.
    ///
    /// # Panics
    ///
    /// If a runtime cannot be built.
    #[expect(clippy::unwrap_used, reason = "there is nothing to measure without")]
    #[must_use]
    pub fn new(integration: Integration, offset: i64) -> Self {
        let wire = Wire::ahead(Duration::from_millis(offset.unsigned_abs()));
        let calls = Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            client: client(integration, &clock(offset), wire),
        };
        // Values that are built once are built here, and the endpoint confirms the clock.
        calls.make(5, || ());
        calls
    }

    /// Makes calls, and runs `before` before each.
    pub fn make(&self, number: usize, mut before: impl FnMut()) {
        self.runtime.block_on(async {
            for _ in 0..number {
                before();
                accepted_call(&self.client).await;
            }
        });
    }
}

/// Returns a clock that is ahead of the local clock by `offset` milliseconds.
#[must_use]
pub fn clock(offset: i64) -> SkewClock {
    SkewClock::builder()
        .initial_offset(ClockOffset::from_millis(offset))
        .build()
}

//! Accepted calls, one after the other.

use std::time::Duration;

use aws_clock_skew::{ClockOffset, SkewClock};
use tokio::runtime::{Builder, Runtime};

use crate::{Integration, Wire, accepted_call, client};

/// A client that has called before.
#[derive(Debug)]
pub struct Calls {
    runtime: Runtime,
    client: aws_sdk_sqs::Client,
}

impl Calls {
    /// Returns a client with an integration, whose clock is ahead by so many milliseconds, as
    /// its endpoint is.
    ///
    /// # Panics
    ///
    /// If there is no runtime to be had.
    #[expect(clippy::unwrap_used, reason = "there is nothing to measure without")]
    #[must_use]
    pub fn new(integration: Integration, offset: i64) -> Self {
        let wire = Wire::ahead(Duration::from_millis(offset.unsigned_abs()));
        let calls = Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            client: client(integration, &clock(offset), wire),
        };
        // What is built once is built now, and the endpoint has confirmed the clock.
        calls.make(5, || ());
        calls
    }

    /// Makes calls, and something else before each.
    pub fn make(&self, number: usize, mut before: impl FnMut()) {
        self.runtime.block_on(async {
            for _ in 0..number {
                before();
                accepted_call(&self.client).await;
            }
        });
    }
}

/// Returns a clock that is ahead of the local clock by so many milliseconds.
#[must_use]
pub fn clock(offset: i64) -> SkewClock {
    SkewClock::builder()
        .initial_offset(ClockOffset::from_millis(offset))
        .build()
}

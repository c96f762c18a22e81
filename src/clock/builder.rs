//! How a [`SkewClock`] comes to be.

use std::env;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Shared, SkewClock, State};
use crate::correction::ClockState;
use crate::ledger::Ledger;
use crate::local_clock::{LocalClock, MachineClock, Reading, SystemClock};
use crate::offset::ClockOffset;
use crate::sync::{AtomicBool, AtomicU64, Mutex};
use crate::trust::Limits;

/// Builds a [`SkewClock`] that differs from the default.
#[derive(Debug)]
pub struct SkewClockBuilder {
    local: MachineClock,
    limits: Limits,
    initial_offset: Option<ClockOffset>,
    observe_only: bool,
}

impl SkewClockBuilder {
    /// Sets the machine's clocks; [`SystemClock`] if not called.
    #[must_use]
    pub fn local_clock(mut self, clock: impl LocalClock + 'static) -> Self {
        self.local = MachineClock::Other(Box::new(clock));
        self
    }

    /// Sets how far a correction may go.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts corrected by a known offset, server − machine; what other SDKs call
    /// `systemClockOffset`. Evidence replaces it like any other estimate. An
    /// offset of 30 s or less is none.
    #[must_use]
    pub const fn initial_offset(mut self, offset: ClockOffset) -> Self {
        self.initial_offset = Some(offset);
        self
    }

    /// Learns and reports, shifts and retries nothing, and leaves the SDK's own
    /// correction as it is set.
    #[must_use]
    pub const fn observe_only(mut self) -> Self {
        self.observe_only = true;
        self
    }

    /// Returns the clock.
    ///
    /// With `AWS_DISABLE_CLOCK_SKEW_CORRECTION=true` in the environment (the
    /// variable that switches off the SDK's own correction) it only observes.
    pub fn build(self) -> SkewClock {
        let mut state = ClockState::new(self.limits);
        if let Some(offset) = self.initial_offset {
            state.start_at(offset, Reading::take(&self.local));
        }
        let clock = SkewClock(Arc::new(Shared {
            local: self.local,
            observe_only: self.observe_only || is_switched_off(),
            is_corrected: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            has_host_times: AtomicBool::new(false),
            wants_accepted: AtomicBool::new(false),
            next_confirmation: AtomicU64::new(0),
            state: Mutex::new(State {
                clock: state,
                ledger: Ledger::default(),
                unreported: Vec::new(),
                version: 0,
            }),
            changes: watch::Sender::new(0),
            #[cfg(feature = "sdk")]
            has_http_client: AtomicBool::new(false),
            #[cfg(feature = "sdk")]
            recent: crate::recent::RecentCredentials::default(),
        }));
        clock.publish(&clock.lock());
        clock
    }
}

impl Default for SkewClockBuilder {
    fn default() -> Self {
        Self {
            local: MachineClock::System(SystemClock::new()),
            limits: Limits::default(),
            initial_offset: None,
            observe_only: false,
        }
    }
}

fn is_switched_off() -> bool {
    env::var("AWS_DISABLE_CLOCK_SKEW_CORRECTION")
        .is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

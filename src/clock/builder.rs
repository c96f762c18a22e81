//! [`SkewClockBuilder`]: the settings of a [`SkewClock`].

use std::borrow::Cow;
use std::env;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::announce::gauges_of;
use super::{Listener, Shared, SkewClock, State};
use crate::correction::ClockState;
use crate::event::{Label, Mode, SkewEvent};
use crate::local_clock::{LocalClock, LocalClocks, Reading};
use crate::offset::ClockOffset;
use crate::report::{self, Origin};
use crate::sync::{AtomicBool, AtomicU64, Mutex};
use crate::trust::Limits;

/// Builds a [`SkewClock`] with other settings than the default.
///
/// ```
/// use aws_clock_skew::{ClockOffset, SkewClock};
///
/// let clock = SkewClock::builder()
///     .name("orders")
///     .initial_offset(ClockOffset::from_millis(1_200_000))
///     .build();
/// assert!(clock.status().is_correcting());
/// assert_eq!(clock.status().offset().to_string(), "20 min behind");
/// ```
#[derive(Default)]
pub struct SkewClockBuilder {
    local: LocalClocks,
    limits: Limits,
    initial_offset: Option<ClockOffset>,
    observe_only: bool,
    name: Option<Label>,
    on_event: Option<Listener>,
}

impl SkewClockBuilder {
    /// Sets the local clock; the default is [`SystemClock`](crate::SystemClock). Tests use a
    /// `ManualClock` (feature `test-util`).
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use aws_clock_skew::{ManualClock, SkewClock};
    ///
    /// let local = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    /// let clock = SkewClock::builder().local_clock(ManualClock::new(local)).build();
    /// assert_eq!(clock.now(), local);
    /// # }
    /// ```
    #[must_use]
    pub fn local_clock(mut self, clock: impl LocalClock + 'static) -> Self {
        self.local = LocalClocks::Other(Box::new(clock));
        self
    }

    /// Sets how far forward a correction may go; the default is [`Limits::default`].
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets an offset (server time − local time) that is already known when the clock is
    /// built. The AWS SDK for JavaScript calls it `systemClockOffset`. The first sample
    /// replaces it like any other correction. An offset of 30 s or less is ignored.
    #[must_use]
    pub const fn initial_offset(mut self, offset: ClockOffset) -> Self {
        self.initial_offset = Some(offset);
        self
    }

    /// Sets whether the clock only observes; the default is `false`. An observe-only clock
    /// reports clock skew. It corrects and re-signs nothing, and does not change whether
    /// the SDK's own correction is on.
    ///
    /// If the environment variable `AWS_DISABLE_CLOCK_SKEW_CORRECTION` is `true`, the clock
    /// only observes, whatever is set here.
    ///
    /// ```
    /// use aws_clock_skew::SkewClock;
    ///
    /// let clock = SkewClock::builder().observe_only(true).build();
    /// assert!(clock.is_observe_only() && !clock.status().is_correcting());
    /// ```
    #[must_use]
    pub const fn observe_only(mut self, observe_only: bool) -> Self {
        self.observe_only = observe_only;
        self
    }

    /// Sets the clock's name, which its log events and metrics carry in the field `clock`.
    /// The default is `default`. The name is cut to 64 visible ASCII characters.
    ///
    /// If a process has several clocks, name each of them: otherwise their metrics fall
    /// into one series.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Label::new(&name.into());
        self
    }

    /// Sets a listener that is called with each event that
    /// [`SkewStatus`](crate::SkewStatus) counts, including events that the log leaves out
    /// because there were too many of their kind.
    ///
    /// The listener runs in the task whose call caused the event, outside any lock. That
    /// call waits until the listener returns; other calls do not. A panic in the listener
    /// is caught and fails no call.
    ///
    /// ```
    /// use aws_clock_skew::SkewClock;
    ///
    /// let clock = SkewClock::builder().on_event(|event| eprintln!("{event}")).build();
    /// # assert!(!clock.is_observe_only());
    /// ```
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&SkewEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(listener));
        self
    }

    /// Builds the clock.
    ///
    /// If the environment variable `AWS_DISABLE_CLOCK_SKEW_CORRECTION` is `true`, the clock
    /// only observes; that variable also switches off the SDK's own correction.
    ///
    /// Install the `tracing` subscriber before this call, which sets the counters to 0 and
    /// logs a line if the clock only observes.
    pub fn build(self) -> SkewClock {
        let observed_by = match (self.observe_only, is_switched_off()) {
            (_, true) => Some(SWITCH),
            (true, false) => Some("builder"),
            (false, false) => None,
        };
        let mut state = ClockState::new(self.limits);
        let reading = Reading::take(&self.local);
        if let Some(offset) = self.initial_offset {
            state.start_at(offset, reading);
        }
        let (offset, uncertainty) = gauges_of(&state, reading);
        let clock = SkewClock(Arc::new(Shared {
            local: self.local,
            is_corrected: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            has_host_times: AtomicBool::new(false),
            wants_accepted: AtomicBool::new(false),
            checked_at: AtomicU64::new(u64::MAX),
            origin: Origin {
                clock: self.name.unwrap_or_else(Label::unnamed_clock),
                mode: if observed_by.is_some() {
                    Mode::Observe
                } else {
                    Mode::Correct
                },
            },
            on_event: self.on_event,
            is_refreshing: AtomicBool::new(false),
            state: Mutex::new(State {
                clock: state,
                ..State::default()
            }),
            changes: watch::Sender::new(0),
            #[cfg(feature = "sdk")]
            recent: crate::recent::RecentCredentials::default(),
            #[cfg(feature = "sdk")]
            has_other_signers: AtomicBool::new(false),
        }));
        clock.publish(&clock.lock());
        report::start(&clock.0.origin, observed_by);
        report::gauges(offset, uncertainty, &clock.0.origin);
        clock
    }
}

impl fmt::Debug for SkewClockBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewClockBuilder")
            .field("local", &self.local)
            .field("limits", &self.limits)
            .field("initial_offset", &self.initial_offset)
            .field("observe_only", &self.observe_only)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

const SWITCH: &str = "AWS_DISABLE_CLOCK_SKEW_CORRECTION";

fn is_switched_off() -> bool {
    env::var(SWITCH).is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

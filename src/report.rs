//! Emits events, outcomes and gauges with `tracing`. No other file uses it.
//!
//! Of the data in requests and responses, only the fields in `event/details.rs` are
//! emitted: no body, no credentials and no signature.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tracing::Level;

use crate::event::{EventKind, Label, Mode, SkewEvent, SkipReason, each_detail};
use crate::evidence::Evidence;
use crate::offset::ClockOffset;
use crate::throttle::Notice;

/// The name and the mode of a clock, which are labels of each of its metrics.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) clock: Label,
    pub(crate) mode: Mode,
}

/// The outcome of a resend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ResendOutcome {
    Accepted,
    /// The server rejected the request because of its time.
    Rejected,
    /// The server rejected the request for another reason, such as a wrong key or a missing
    /// permission.
    Denied,
    Failed,
}

impl ResendOutcome {
    const ALL: [Self; 4] = [Self::Accepted, Self::Rejected, Self::Denied, Self::Failed];

    /// Returns the outcome of a resend from its response.
    pub(crate) fn of(evidence: &Evidence) -> Self {
        if evidence.clock_skew_error().is_some() {
            Self::Rejected
        } else if evidence.is_possible_clock_skew_error() || evidence.other_cause().is_some() {
            Self::Denied
        } else if evidence.accepted() || evidence.passed_timestamp_check() {
            Self::Accepted
        } else {
            Self::Failed
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Emits a metric event with the labels of a clock.
macro_rules! metric {
    ($origin:ident, $($fields:tt)*) => {
        tracing::event!(
            target: METRICS,
            Level::INFO,
            $($fields)*,
            mode = $origin.mode.as_str(),
            clock = $origin.clock.as_str(),
        )
    };
}

/// Emits an event as one log event, unless the throttle leaves it out, and as metric
/// events.
pub(crate) fn event(notice: &Notice, origin: &Origin) {
    guarded(|| {
        let event = &notice.event;
        if let Some(suppressed) = notice.log {
            log(event, suppressed);
        }
        if !event.is_counted() {
            return;
        }
        let service = notice.service.as_ref().map(Label::as_str);
        count_events(1, event.name(), service, origin);
        if let EventKind::ResendSkipped { reason } = event.kind() {
            count_skipped(1, reason, origin);
        }
    });
}

/// Emits the outcome of a resend.
pub(crate) fn resend(outcome: ResendOutcome, origin: &Origin) {
    guarded(|| count_resends(1, outcome, origin));
}

/// Sets the counters of a new clock to 0, so that the first event shows as an increase. If
/// the clock only observes, logs the reason.
pub(crate) fn start(origin: &Origin, observed_by: Option<&'static str>) {
    guarded(|| {
        for name in EventKind::NAMES {
            count_events(0, name, None, origin);
        }
        for outcome in ResendOutcome::ALL {
            count_resends(0, outcome, origin);
        }
        for reason in SkipReason::ALL {
            count_skipped(0, reason, origin);
        }
        if let Some(reason) = observed_by {
            tracing::event!(
                target: LOG,
                Level::INFO,
                event = "observe_only",
                reason,
                mode = origin.mode.as_str(),
                clock = origin.clock.as_str(),
                "this clock only observes: clock skew is reported and not corrected"
            );
        }
    });
}

/// Logs a line that shows that an integration is installed.
#[cfg(any(feature = "sdk", feature = "tower"))]
#[cold]
pub(crate) fn installed(integration: &'static str, service: Option<&Label>, origin: &Origin) {
    guarded(|| {
        tracing::event!(
            target: LOG,
            Level::DEBUG,
            {
                event = "installed",
                integration,
                "rpc.service" = service.map(Label::as_str),
                mode = origin.mode.as_str(),
                clock = origin.clock.as_str()
            },
            "first signed request through this integration of aws-clock-skew"
        );
    });
}

/// Emits the offset and its uncertainty.
#[expect(
    clippy::float_arithmetic,
    reason = "a gauge is a float; no time is computed from it"
)]
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of any real offset fit into 53 bits"
)]
pub(crate) fn gauges(offset: ClockOffset, uncertainty: Duration, origin: &Origin) {
    guarded(|| {
        metric!(
            origin,
            gauge.aws_clock_skew.offset_seconds = offset.as_millis() as f64 / 1_000.0,
            gauge.aws_clock_skew.uncertainty_seconds = uncertainty.as_secs_f64()
        );
    });
}

fn count_events(by: u64, event: &str, service: Option<&str>, origin: &Origin) {
    metric!(
        origin,
        monotonic_counter.aws_clock_skew.events = by,
        event,
        aws_service = service
    );
}

fn count_resends(by: u64, outcome: ResendOutcome, origin: &Origin) {
    metric!(
        origin,
        monotonic_counter.aws_clock_skew.resends = by,
        outcome = outcome.as_str()
    );
}

fn count_skipped(by: u64, reason: SkipReason, origin: &Origin) {
    metric!(
        origin,
        monotonic_counter.aws_clock_skew.resends_skipped = by,
        reason = reason.as_str()
    );
}

macro_rules! log_at {
    (($level:ident, $event:ident, $suppressed:ident)
     $($(#[$doc:meta])* $field:ident: $type:ty => $($name:literal: $form:expr),+;)*) => {{
        let [reason, cause, missing] = $event.kind().fields();
        tracing::event!(
            target: LOG,
            Level::$level,
            {
                event = $event.name(),
                reason,
                cause,
                missing,
                $($($name = $event.details().$field.as_ref().map($form),)+)*
                suppressed = $suppressed
            },
            "{}",
            $event.message()
        )
    }};
}

fn log(event: &SkewEvent, suppressed: u64) {
    match level_of(event) {
        Level::WARN => each_detail!(log_at!(WARN, event, suppressed)),
        Level::INFO => each_detail!(log_at!(INFO, event, suppressed)),
        _ => each_detail!(log_at!(DEBUG, event, suppressed)),
    }
}

const fn level_of(event: &SkewEvent) -> Level {
    match event.kind() {
        EventKind::CorrectionCleared { .. } => Level::INFO,
        EventKind::TrialRejected | EventKind::ResendSkipped { .. } => Level::DEBUG,
        EventKind::NotClockSkew { .. } if !event.is_counted() => Level::DEBUG,
        EventKind::SkewDetected
        | EventKind::ExpiredInTransit
        | EventKind::HostsDisagree
        | EventKind::ResendRejected
        | EventKind::OffsetLimitExceeded
        | EventKind::NotClockSkew { .. }
        | EventKind::IncompleteInstallation { .. } => Level::WARN,
    }
}

/// Calls a subscriber or a listener, and catches its panic, so that it fails no call of the
/// program.
pub(crate) fn guarded(emit: impl FnOnce()) {
    // The closure borrows nothing of this crate mutably, so a panic leaves no broken state.
    drop(catch_unwind(AssertUnwindSafe(emit)));
}

const LOG: &str = "aws_clock_skew";
const METRICS: &str = "aws_clock_skew::metrics";

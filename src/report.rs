//! From an incident to `tracing`: the only file that speaks to it.
//!
//! No header value is emitted but the request id, no body, no credential and no
//! signature.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::evidence::{Evidence, OtherCause};
use crate::incident::{Fields, Incident};
use crate::ledger::Notice;
use crate::offset::ClockOffset;

/// What became of a request that was signed again, or could not be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RetryOutcome {
    Accepted,
    Rejected,
    Failed,
    NotResigned,
}

impl RetryOutcome {
    /// Returns what the answer to a second send says.
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let is_refused = evidence.rejection().is_some()
            || evidence.is_suspect()
            || evidence.other_cause().is_some();
        if is_refused {
            Self::Rejected
        } else if evidence.accepted() || evidence.let_through() {
            Self::Accepted
        } else {
            Self::Failed
        }
    }
}

/// Emits an incident as one log event, if the log has room, and one metric event.
pub(crate) fn incident(notice: &Notice) {
    guarded(|| {
        if let Some(suppressed) = notice.log {
            log(&notice.incident, suppressed);
        }
        if notice.incident.is_counted() {
            tracing::event!(
                target: METRICS,
                tracing::Level::INFO,
                monotonic_counter.aws_clock_skew.incidents = 1_u64,
                incident = notice.incident.name(),
                source = notice.incident.facts().source.map(|source| source.as_str()),
                service = notice.service.as_ref().map(|service| service.as_str()),
            );
        }
    });
}

/// Emits the outcome of a second send as a metric event.
pub(crate) fn retry(outcome: RetryOutcome) {
    let outcome = match outcome {
        RetryOutcome::Accepted => "accepted",
        RetryOutcome::Rejected => "rejected",
        RetryOutcome::Failed => "failed",
        RetryOutcome::NotResigned => "not_resigned",
    };
    guarded(|| {
        tracing::event!(
            target: METRICS,
            tracing::Level::INFO,
            monotonic_counter.aws_clock_skew.retries = 1_u64,
            outcome,
        );
    });
}

/// Emits where the clock stands now as metric events.
#[expect(
    clippy::float_arithmetic,
    reason = "a gauge is a float; nothing is computed with it"
)]
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of any real offset fit into 53 bits"
)]
pub(crate) fn gauges(offset: ClockOffset, uncertainty: Duration) {
    guarded(|| {
        tracing::event!(
            target: METRICS,
            tracing::Level::INFO,
            gauge.aws_clock_skew.offset_seconds = offset.as_millis() as f64 / 1_000.0,
            gauge.aws_clock_skew.uncertainty_seconds = uncertainty.as_secs_f64(),
        );
    });
}

macro_rules! event {
    ($level:expr, $message:literal, $incident:expr, $suppressed:expr $(, $name:ident = $value:expr)*) => {{
        let incident: &Incident = $incident;
        let fields = Fields::of(incident.facts());
        tracing::event!(
            target: LOG,
            $level,
            incident = incident.name(),
            $($name = $value,)*
            offset_ms = fields.offset_ms,
            previous_offset_ms = fields.previous_offset_ms,
            uncertainty_ms = fields.uncertainty_ms,
            age_ms = fields.age_ms,
            source = fields.source,
            signed_at = fields.signed_at.as_deref(),
            server_time = fields.server_time.as_deref(),
            service = fields.service,
            operation = fields.operation,
            host = fields.host,
            other_host = fields.other_host,
            request_id = fields.request_id,
            error_code = fields.error_code,
            suppressed = $suppressed,
            $message
        );
    }};
}

fn log(incident: &Incident, suppressed: u64) {
    use tracing::Level;
    match incident {
        Incident::Skew(_) => event!(
            Level::WARN,
            "this machine's clock is wrong; signatures are corrected from now on",
            incident,
            suppressed
        ),
        Incident::StaleSignature(_) => event!(
            Level::WARN,
            "a signature grew too old on its way; this machine's clock is right",
            incident,
            suppressed
        ),
        Incident::Healed(_) => event!(
            Level::INFO,
            "this machine's clock is right again; signatures follow it",
            incident,
            suppressed
        ),
        Incident::Withdrawn(_) => event!(
            Level::DEBUG,
            "a correction by a Date header was not confirmed, and is taken back",
            incident,
            suppressed
        ),
        Incident::HostsDisagree(_) => event!(
            Level::WARN,
            "two servers disagree about the time; give the one that the clock does not follow a SkewClock of its own",
            incident,
            suppressed
        ),
        Incident::NotResigned(_, reason) => event!(
            Level::DEBUG,
            "a request was rejected because of its time and cannot be signed again",
            incident,
            suppressed,
            reason = reason.as_str()
        ),
        Incident::RetryFailed(_) => event!(
            Level::ERROR,
            "a request was signed again and rejected again because of its time",
            incident,
            suppressed
        ),
        Incident::Refused(_) => event!(
            Level::WARN,
            "a server states a time too far ahead to be followed; nothing is corrected",
            incident,
            suppressed
        ),
        Incident::NotTheClock(facts, cause) => {
            let cause = cause.map(OtherCause::as_str);
            if facts.is_conspicuous {
                event!(
                    Level::WARN,
                    "this error is not the clock's",
                    incident,
                    suppressed,
                    cause = cause
                );
            } else {
                event!(
                    Level::DEBUG,
                    "this error is not the clock's",
                    incident,
                    suppressed,
                    cause = cause
                );
            }
        }
        Incident::HalfInstalled(_, missing) => event!(
            Level::WARN,
            "the client has the interceptor of aws-clock-skew and not all of its parts; nothing is corrected",
            incident,
            suppressed,
            missing = missing.as_str()
        ),
    }
}

/// A subscriber that panics must not fail a call.
fn guarded(emit: impl FnOnce()) {
    // Nothing of ours is borrowed mutably inside, so nothing is left half done.
    drop(catch_unwind(AssertUnwindSafe(emit)));
}

const LOG: &str = "aws_clock_skew";
const METRICS: &str = "aws_clock_skew::metrics";

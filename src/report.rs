//! From an incident to `tracing`: the only file that speaks to it.
//!
//! No header value is emitted but the request id, no body, no credential and no
//! signature.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::evidence::{Evidence, OtherCause};
use crate::incident::{Facts, Incident};
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
            "two servers disagree about the time; give the endpoint that is not AWS a SkewClock of its own",
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
            let cause = cause.map(name_of);
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

/// A fact's fields, as tracing takes them: absent where they are not known.
struct Fields<'a> {
    offset_ms: Option<i64>,
    previous_offset_ms: Option<i64>,
    uncertainty_ms: Option<u64>,
    age_ms: Option<u64>,
    source: Option<&'static str>,
    signed_at: Option<String>,
    server_time: Option<String>,
    service: Option<&'a str>,
    operation: Option<&'a str>,
    host: Option<&'a str>,
    other_host: Option<&'a str>,
    request_id: Option<&'a str>,
    error_code: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(facts: &'a Facts) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            offset_ms: facts.offset.map(ClockOffset::as_millis),
            previous_offset_ms: facts.previous_offset.map(ClockOffset::as_millis),
            uncertainty_ms: facts.uncertainty.map(millis),
            age_ms: facts.age.map(millis),
            source: facts.source.map(|source| source.as_str()),
            signed_at: facts.signed_at.and_then(iso_8601),
            server_time: facts.server_time.and_then(iso_8601),
            service: facts.service.as_ref().map(|label| label.as_str()),
            operation: facts.operation.as_ref().map(|label| label.as_str()),
            host: facts.host.as_ref().map(|label| label.as_str()),
            other_host: facts.other_host.as_ref().map(|label| label.as_str()),
            request_id: facts.request_id.as_ref().map(|label| label.as_str()),
            error_code: facts.error_code.as_ref().map(|label| label.as_str()),
        }
    }
}

const fn name_of(cause: OtherCause) -> &'static str {
    match cause {
        OtherCause::WrongKey => "wrong_key",
        OtherCause::ExpiredCredentials => "expired_credentials",
        OtherCause::ExpiredUrl => "expired_url",
        OtherCause::CredentialScope => "credential_scope",
        OtherCause::UnknownCredentials => "unknown_credentials",
        OtherCause::MissingAuthentication => "missing_authentication",
        OtherCause::MalformedDate => "malformed_date",
        OtherCause::MalformedSignature => "malformed_signature",
        OtherCause::Denied => "denied",
    }
}

/// `2026-11-23T08:15:00.250Z`, or `None` before 1970.
fn iso_8601(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let seconds = since.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, by 400-year eras that begin on 1 March
    // (https://howardhinnant.github.io/date_algorithms.html).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60,
        since.subsec_millis()
    ))
}

/// A subscriber that panics must not fail a call.
fn guarded(emit: impl FnOnce()) {
    // Nothing of ours is borrowed mutably inside, so nothing is left half done.
    drop(catch_unwind(AssertUnwindSafe(emit)));
}

const LOG: &str = "aws_clock_skew";
const METRICS: &str = "aws_clock_skew::metrics";

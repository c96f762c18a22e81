//! What the scenarios have met: a fault that never happens finds nothing.

use super::excuses::MOST;
use super::net::Sent;
use super::play::{CANCELLED, Played};
use super::scenario::{End, Host, Keys, Line, Scenario, Setting};
use crate::fate::{DateFault, Reply};
use crate::site::Verdict;
use crate::tally::Tally;

/// Counts what the calls of one scenario have met.
pub(super) fn count(tally: &mut Tally, scenario: &Scenario, played: &[Played]) {
    let has = |wanted: fn(Setting) -> bool| scenario.settings().any(wanted);
    let is_adaptive = has(|setting| setting == Setting::Adaptive);
    let is_rotating = has(|setting| matches!(setting, Setting::Keys(Keys::Rotating { .. })));
    let is_once = has(|setting| matches!(setting, Setting::Keys(Keys::Once { .. })));
    let is_closed = scenario
        .0
        .iter()
        .any(|line| matches!(line, Line::NoNewKeys));
    for call in played {
        let cancelled = |outcome: &Result<(), String>| outcome == &Err(CANCELLED.to_owned());
        let line = scenario.call(call.line);
        for (happened, what) in [
            (call.outcomes.iter().any(cancelled), "cancelled"),
            (call.sent.iter().any(|sent| sent.is_for_session), SESSION),
            (line.has_tenants, "of many tenants"),
        ] {
            tally.count_if(happened, what);
        }
        for sent in &call.sent {
            let was_throttled = matches!(sent.fate.reply, Reply::Throttled(_));
            for (happened, what) in [
                (was_throttled && is_adaptive, "throttled in adaptive mode"),
                (is_rotating, "with rotating credentials"),
                (is_once, "with credentials that are given out once"),
                (is_closed, "with a provider that may be closed"),
            ] {
                tally.count_if(happened, what);
            }
            for (happened, what) in sent.met() {
                tally.count_if(happened, what);
            }
        }
    }
}

impl Sent {
    fn met(&self) -> impl Iterator<Item = (bool, &'static str)> {
        let is_rejected = self.verdict == Verdict::Rejected;
        let is_plain = self.host.is_plain();
        let is_express = self.host == Host::Express;
        let is_with_session = is_express && !self.is_for_session;
        let by_minute = self.tolerance.as_secs() == 60;
        let has_date_fault = self.date != DateFault::None;
        let reply = self.fate.reply;
        [
            (is_rejected, "rejected for the time"),
            (is_rejected && is_plain, "rejected over plain http"),
            (is_rejected && self.is_for_session, "rejected CreateSession"),
            (is_rejected && is_with_session, "rejected with a session"),
            (is_rejected && self.is_stream, "rejected with a stream"),
            (is_rejected && by_minute, "rejected by a tolerance of 1 min"),
            (
                is_rejected && has_date_fault,
                "rejected without a usable Date",
            ),
            (self.is_odd, "answered by the odd server of a host"),
            (
                is_rejected && self.is_odd && self.apart > 0,
                "rejected by a server with a false clock",
            ),
            (self.is_late(), "late"),
            (self.is_disturbed, "suspended or set on the way"),
            (self.has_expired, "with credentials that have ended"),
            (self.fate.is_lost, "lost response"),
            (!self.fate.work.is_zero(), "slow service"),
            (matches!(reply, Reply::Throttled(_)), "throttled"),
            (matches!(reply, Reply::Nobody), "answered by nobody"),
            (matches!(reply, Reply::Unavailable { .. }), "proxy's 503"),
            (matches!(reply, Reply::Forbidden { .. }), "proxy's 403"),
            (matches!(reply, Reply::WithDateAhead(_)), "wrong Date"),
            (self.end == End::Denied, "denied"),
            (self.end == End::NotFound, "not found"),
            (self.end == End::WrongKey, "with a wrong key"),
            (self.end == End::Quotes, "quoting error"),
            (self.end == End::Cached, "cached error"),
        ]
        .into_iter()
    }
}

/// Fails if any fault has not happened, or if an exception applies too often.
#[track_caller]
pub(super) fn assert_all(tally: &Tally, scenarios: u64) {
    for what in tally.names() {
        tally.happened(&[what]);
    }
    for (excuse, most) in MOST {
        let count = tally.get(excuse);
        // Five more, for few scenarios.
        assert!(count <= most * scenarios / 1_000 + 5, "{count} {excuse}");
    }
}

const SESSION: &str = "with a new session of S3 Express";

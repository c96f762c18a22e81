//! What "worse" means: the same scenario, call by call.

use std::collections::BTreeMap;
use std::fmt;

use super::net::Sent;
use super::play::{Correction, Played};
use super::scenario::{Cancel, End, Host, Line, Method, Scenario, Setting};
use super::seen;
use crate::clocks::{DAY, MINUTE, SECOND};
use crate::fate::DateFault;
use crate::site::Verdict;
use crate::tally::Tally;

/// How an integration was worse.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: (Correction, Worse),
    line: usize,
    ours: Played,
    other: (Correction, Played),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Worse {
    /// A call is lost that the SDK alone keeps.
    Lost,
    /// A call has more than one request rejected for its time, and the SDK alone fewer.
    RejectedTwice,
    /// A call has more than one request signed by a worse time than the local clock's.
    LocalClockIsBetter,
    /// A signature is wrong, and the SDK alone signs correctly.
    WrongSignature,
}

/// Returns the first way in which one of these is worse than it may be, if any is, and counts
/// what ours meet.
pub(super) fn failure_of(
    scenario: &Scenario,
    of: &[Correction],
    tally: &mut Tally,
) -> Option<Failure> {
    let mut alone = BTreeMap::new();
    of.iter().find_map(|correction| {
        let ours = scenario.play(*correction);
        seen::count(tally, scenario, &ours);
        correction.alone().iter().find_map(|other| {
            let play = || scenario.play(*other);
            let theirs = alone.entry(*other).or_insert_with(play);
            worse(scenario, (*correction, &ours), (*other, theirs))
        })
    })
}

pub(super) fn worse(
    scenario: &Scenario,
    (correction, ours): (Correction, &[Played]),
    (other, theirs): (Correction, &[Played]),
) -> Option<Failure> {
    ours.iter()
        .zip(theirs)
        .enumerate()
        .find_map(|(call, (our, their))| {
            let call_of = scenario.call(our.line);
            // What S3 Express signs is left to the SDK's own correction, whatever that does.
            let is_the_sdks = call_of.host == Host::Express && other == Correction::Sdk;
            if call_of.host == Host::Express && other == Correction::None {
                return None;
            }
            let has_wrong_key = call_of.end == End::WrongKey;
            let is_worse = |count: fn(&Played) -> usize| count(our) > count(their).max(1);
            let allowed = if is_the_sdks {
                their.worse_than_local().max(1)
            } else {
                1
            };
            let worse = if our.lost() > their.lost() && !is_excused(scenario, ours, call) {
                Worse::Lost
            } else if is_worse(Played::rejected) {
                Worse::RejectedTwice
            } else if !has_wrong_key && is_worse(Played::wrong_signatures) {
                Worse::WrongSignature
            } else if our.worse_than_local() > allowed {
                Worse::LocalClockIsBetter
            } else {
                return None;
            };
            Some(Failure {
                kind: (correction, worse),
                line: our.line,
                ours: our.clone(),
                other: (other, their.clone()),
            })
        })
}

/// Returns whether one of the named exceptions lets a call be lost.
pub(super) fn is_excused(scenario: &Scenario, ours: &[Played], call: usize) -> bool {
    let sent = &ours[call].sent;
    if sent.iter().any(Sent::is_excepted) {
        return true;
    }
    // No time satisfies both servers of its host, and the resend meets the other one.
    if sent.iter().any(Sent::is_by_a_false_clock) {
        return true;
    }
    // After a resend that took long the credentials may end earlier in the scenario.
    let mut earlier = ours[..call].iter().flat_map(|played| &played.sent);
    let mut settings = scenario.settings();
    if settings.any(|setting| matches!(setting, Setting::Keys(_)))
        && earlier.any(|sent| sent.is_late && sent.is_rejected())
    {
        return true;
    }
    let line = scenario.call(ours[call].line);
    if let Some(Cancel::AfterPolls(_)) = line.cancel {
        return true;
    }
    // A time-out that leaves no time for the second round trip, or a body that cannot be
    // replayed: the call is lost that meets the first clock skew error of its host, and no
    // other until the clock is wrong again.
    let mut settings = scenario.settings();
    let has_one_round_trip = line.method == Method::Stream
        || line.cancel.is_some()
        || settings.any(|setting| matches!(setting, Setting::AttemptTimeout(_)));
    has_one_round_trip && sent.iter().any(Sent::is_rejected) && !knew_the_time(scenario, ours, call)
}

/// Returns whether an earlier call to the same host had a response that states the time, and
/// nothing has happened to the clock since.
fn knew_the_time(scenario: &Scenario, ours: &[Played], call: usize) -> bool {
    let host = scenario.call(ours[call].line).host;
    let mut until = ours[call].line;
    for earlier in ours[..call].iter().rev() {
        let changes = |line: &Line| matches!(line, Line::Clock(_) | Line::Slew(_) | Line::Host(..));
        if scenario.0[earlier.line..until].iter().any(changes) {
            return false;
        }
        until = earlier.line;
        // Another host, with another time, may have changed the clock.
        let contradicts = |sent: &Sent| {
            let mut ours = ours[call].sent.iter();
            let differs = |our: &Sent| (our.local_error - sent.local_error).abs() > 2 * MINUTE;
            sent.is_rejected() && ours.any(differs)
        };
        let is_false =
            |sent: &Sent| sent.is_disturbed || sent.is_by_a_false_clock() || contradicts(sent);
        if earlier.sent.iter().any(is_false) {
            return false;
        }
        let line = scenario.call(earlier.line);
        let is_whole = !matches!(line.cancel, Some(Cancel::AfterPolls(_)));
        if is_whole && line.host == host && earlier.sent.iter().any(Sent::states_the_time) {
            return true;
        }
    }
    false
}

impl Sent {
    fn is_rejected(&self) -> bool {
        self.verdict == Verdict::Rejected
    }

    /// It was rejected by a server whose clock differs from that of its host's other servers
    /// by more than they tolerate.
    fn is_by_a_false_clock(&self) -> bool {
        self.is_rejected() && self.is_contradicted
    }

    /// Its clock skew error states the time.
    fn states_the_time(&self) -> bool {
        let has_date = self.date == DateFault::None;
        self.is_rejected() && self.is_delivered && (has_date || !self.has_date_only)
    }

    fn is_excepted(&self) -> bool {
        // The machine was suspended, or its clock was set, between sending and the
        // response, and its clock is wrong as well (guarantee 2).
        let is_wrong = self.error.abs().max(self.local_error_after.abs()) > 2 * MINUTE;
        // The clock does not follow a `Date`, nor a message without TLS, more than 7 days
        // forward, and no message more than 400.
        let limit = if self.has_date_only || self.host.is_plain() {
            7 * DAY
        } else {
            400 * DAY
        };
        let is_beyond_limit = self.local_error < -limit + MINUTE;
        // Neither the message nor a usable `Date` states the time, and the local clock is as
        // wrong. The SDK takes the first of two `Date`s, and that of a proxy's page.
        let has_no_time = !self.states_the_time() && self.is_local_rejected;
        // The correction is the time of a host that is not AWS, and the credentials' end is
        // judged by it.
        let has_expired = self.has_expired && self.error.abs() > 2 * MINUTE;
        // What a session signs is left to the SDK's own correction, which has followed other
        // responses than in a client without us.
        //
        // The time in a response is as old as the response when it comes: if that and the next
        // request take longer than the service tolerates, the next is rejected as well.
        let is_rejected = self.is_rejected();
        (is_rejected && self.has_session)
            || (self.is_disturbed && is_wrong)
            || has_expired
            || (is_rejected && (is_beyond_limit || has_no_time || self.is_late))
    }
}

impl Played {
    /// Returns how many requests of one call, at most, were rejected because they were
    /// signed by a wrong time. A clock that is set again meanwhile is wrong again.
    fn rejected(&self) -> usize {
        self.most_of(|sent| {
            sent.states_the_time()
                && !sent.is_contradicted
                && !sent.is_late
                && !sent.is_disturbed
                && sent.error.abs() > 2 * MINUTE
        })
    }

    fn wrong_signatures(&self) -> usize {
        self.most_of(|sent| sent.verdict == Verdict::WrongSignature)
    }

    fn worse_than_local(&self) -> usize {
        self.most_of(|sent| {
            let is_answered = sent.verdict != Verdict::Unseen && sent.is_delivered;
            let is_wrong = sent.error.abs() > 2 * MINUTE;
            is_answered
                && is_wrong
                && !sent.is_contradicted
                && sent.error.abs() > sent.local_error.abs() + 5 * SECOND
        })
    }

    fn most_of(&self, counts: impl Fn(&Sent) -> bool) -> usize {
        let counted: Vec<_> = self.sent.iter().filter(|sent| counts(sent)).collect();
        // The SDK makes a client for each session, and those that are made in one call draw the
        // same id.
        let operations = |sent: &Sent| {
            if sent.is_for_session {
                self.outcomes.len()
            } else {
                1
            }
        };
        let of = |one: &Sent| {
            let same = counted
                .iter()
                .filter(|sent| sent.operation == one.operation);
            same.count().div_ceil(operations(one))
        };
        counted.iter().map(|sent| of(sent)).max().unwrap_or(0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} in line {}", self.kind, self.line)?;
        write!(f, "  ours: {}", self.ours)?;
        let (other, played) = &self.other;
        write!(f, "\n  {other:?}: {played}")
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            match outcome {
                Ok(()) => write!(f, "kept; ")?,
                Err(error) => write!(f, "lost, {:.90}; ", error)?,
            }
        }
        for sent in &self.sent {
            write!(f, "\n    {sent}")?;
        }
        Ok(())
    }
}

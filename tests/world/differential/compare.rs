//! What "worse" means: the same scenario, call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::excuses::{
    CACHED, Case, Excuse, MISDATED, NO_TIME, OLD, OTHER_EVENTS, SERVERS, SESSION, SUSPENDED,
    UNCOUNTED,
};
use super::net::Sent;
use super::play::{Correction, Played};
use super::scenario::{End, Scenario};
use super::seen;
use crate::clocks::{DAY, MINUTE, SECOND, millis};
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
/// what ours meet and which exceptions apply.
pub(super) fn failure_of(
    scenario: &Scenario,
    of: &[Correction],
    tally: &mut Tally,
) -> Option<Failure> {
    let mut alone = BTreeMap::new();
    let mut excuses = BTreeSet::new();
    let failure = of.iter().find_map(|correction| {
        let ours = scenario.play(*correction);
        seen::count(tally, scenario, &ours);
        correction.alone().iter().find_map(|other| {
            let play = || scenario.play(*other);
            let theirs = alone.entry(*other).or_insert_with(play);
            worse(
                scenario,
                (*correction, &ours),
                (*other, theirs),
                &mut excuses,
            )
        })
    });
    for excuse in excuses {
        tally.count(excuse);
    }
    failure
}

/// Returns the first way in which ours is worse than the other, and inserts the exceptions
/// that apply before it.
pub(super) fn worse(
    scenario: &Scenario,
    (correction, ours): (Correction, &[Played]),
    (other, theirs): (Correction, &[Played]),
    excuses: &mut BTreeSet<Excuse>,
) -> Option<Failure> {
    let mut pairs = ours.iter().zip(theirs).enumerate();
    pairs.find_map(|(call, (our, their))| {
        let case = Case::of(scenario, ours, call);
        let mut excused = |excuse: Option<Excuse>| excuse.map(|excuse| excuses.insert(excuse));
        let excuse = |excuse| {
            met_other_events(&ours[..=call], &theirs[..=call])
                .then_some(OTHER_EVENTS)
                .or(excuse)
        };
        let has_wrong_key = scenario.call(our.line).end == End::WrongKey;
        let is_worse = |count: usize, their_count: usize| count > their_count.max(1);
        let is_lost = our.lost() > their.lost();
        let is_wrong =
            || !has_wrong_key && is_worse(our.wrong_signatures(), their.wrong_signatures());
        let paused = || case.is_paused().then_some(UNCOUNTED);
        let by_time = || worse_times(scenario, correction, ours, call);
        let worse = if is_lost && excused(excuse(case.excuse(correction))).is_none() {
            Worse::Lost
        } else if is_worse(our.rejected(correction), their.rejected(correction))
            && excused(excuse(paused())).is_none()
        {
            Worse::RejectedTwice
        } else if is_wrong() {
            Worse::WrongSignature
        } else if let Some(reason) = by_time()
            && excused(excuse(reason)).is_none()
        {
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

/// Returns whether the clock was set in an attempt that only one of them has made.
fn met_other_events(ours: &[Played], theirs: &[Played]) -> bool {
    let disturbed = |played: &Played| played.sent.iter().filter(|sent| sent.is_disturbed).count();
    let mut pairs = ours.iter().zip(theirs);
    pairs.any(|(our, their)| disturbed(our) != disturbed(their))
}

/// Returns `Some` if more than one request of a call was signed by a worse time than the
/// local clock's, with the exception for that, if there is one.
fn worse_times(
    scenario: &Scenario,
    correction: Correction,
    ours: &[Played],
    call: usize,
) -> Option<Option<Excuse>> {
    let our = &ours[call];
    let case = Case::of(scenario, ours, call);
    let is_cached = case.follows_cached();
    let excuse = |index: usize| {
        let sent = &our.sent[index];
        let earlier = our.sent[..index].iter();
        let mut earlier_of_same = earlier.filter(|one| one.operation == sent.operation);
        let first = earlier_of_same.clone().next().is_none();
        if sent.is_the_sdks(correction) {
            Some(SESSION)
        } else if sent.is_disturbed {
            Some(SUSPENDED)
        } else if sent.is_rejected() && !sent.states_the_time() && !sent.is_misdated() {
            Some(NO_TIME)
        } else if case.is_paused() {
            Some(UNCOUNTED)
        } else if sent.is_misdated() {
            Some(MISDATED)
        } else if sent.is_within(millis(sent.apart)) {
            Some(SERVERS)
        } else if earlier_of_same.any(|one| one.is_rejected() && sent.is_late_by(one)) {
            Some(OLD)
        } else {
            (first && is_cached).then_some(CACHED)
        }
    };
    let counts = |count: &dyn Fn(usize) -> bool| {
        our.most_of(|index, sent| sent.is_worse_than_local() && count(index))
    };
    if counts(&|_| true) <= 1 {
        return None;
    }
    if counts(&|index| excuse(index).is_none()) > 1 {
        return Some(None);
    }
    let worse = (0..our.sent.len()).filter(|index| our.sent[*index].is_worse_than_local());
    Some(worse.filter_map(excuse).next())
}

impl Sent {
    pub(super) fn is_rejected(&self) -> bool {
        self.verdict == Verdict::Rejected
    }

    /// It was rejected by a server whose clock differs from that of its host's other servers
    /// by more than they tolerate.
    pub(super) fn is_by_a_false_clock(&self) -> bool {
        self.is_rejected() && self.is_odd && self.apart > tolerated(self)
    }

    /// It and its response were on their way for longer than its host tolerates.
    pub(super) fn is_late(&self) -> bool {
        self.took > self.tolerance
    }

    /// It is signed by the time in the response to an earlier request, which was that long on
    /// its way.
    pub(super) fn is_late_by(&self, earlier: &Self) -> bool {
        self.error < 0 && self.is_within(earlier.took)
    }

    /// Its clock skew error states the time.
    pub(super) fn states_the_time(&self) -> bool {
        let has_date = self.date == DateFault::None;
        self.is_rejected() && self.is_delivered && (has_date || !self.has_date_only)
    }

    /// Its clock skew error states the time, and by that it was off by more than its way, and
    /// the clocks of its host, explain. A message that states only a bound leaves three
    /// minutes.
    pub(super) fn proves_its_error(&self) -> bool {
        let explained = self.took + millis(self.apart + 3 * MINUTE);
        self.states_the_time() && !self.is_within(explained)
    }

    /// The clock does not follow a `Date`, nor a message without TLS, more than 7 days
    /// forward, and no message more than 400.
    pub(super) fn is_beyond_limit(&self) -> bool {
        let limit = if self.has_date_only || self.host.is_plain() {
            7 * DAY
        } else {
            400 * DAY
        };
        self.local_error < -limit + MINUTE
    }

    /// The SDK's own correction signs it: with a session, or to get one from a client that
    /// has no HTTP client of ours.
    pub(super) fn is_the_sdks(&self, correction: Correction) -> bool {
        self.has_session || (self.is_for_session && correction == Correction::Install)
    }

    /// Its error is explained by so much time.
    pub(super) fn is_within(&self, time: Duration) -> bool {
        u128::from(self.error.unsigned_abs()) <= (time + millis(5 * SECOND)).as_millis()
    }

    fn is_worse_than_local(&self) -> bool {
        let is_answered = self.verdict != Verdict::Unseen && self.is_delivered;
        let is_wrong = self.error.abs() > 2 * MINUTE;
        is_answered && is_wrong && self.error.abs() > self.local_error.abs() + 5 * SECOND
    }

    pub(super) fn has_wrong_date(&self) -> bool {
        matches!(self.date, DateFault::Wrong(_))
    }

    /// The time of a cached error, or of another host, is rejected, and the `Date` of this
    /// host is wrong as well.
    pub(super) fn is_misdated(&self) -> bool {
        let is_by_another_time = (self.error - self.local_error).abs() > 2 * MINUTE;
        self.is_rejected() && self.has_date_only && self.has_wrong_date() && is_by_another_time
    }
}

pub(super) fn tolerated(sent: &Sent) -> i64 {
    i64::try_from(sent.tolerance.as_millis()).expect("is short")
}

impl Played {
    /// Returns how many requests of one call, at most, were rejected because they were
    /// signed by a wrong time. A clock that is set again meanwhile is wrong again.
    fn rejected(&self, correction: Correction) -> usize {
        self.most_of(|_, sent| {
            sent.proves_its_error() && !sent.is_disturbed && !sent.is_the_sdks(correction)
        })
    }

    fn wrong_signatures(&self) -> usize {
        self.most_of(|_, sent| sent.verdict == Verdict::WrongSignature)
    }

    fn most_of(&self, counts: impl Fn(usize, &Sent) -> bool) -> usize {
        let counted = self.sent.iter().enumerate();
        let counted = counted.filter(|(index, sent)| counts(*index, sent));
        let counted: Vec<_> = counted.map(|(_, sent)| sent).collect();
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

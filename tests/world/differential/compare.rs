//! What "worse" means: the same scenario, call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::net::Sent;
use super::play::{self, Correction, Played};
use super::scenario::{Cancel, End, Keys, Line, Method, ROUND_TRIP, Scenario, Setting};
use super::seen;
use crate::clocks::{DAY, Event, MINUTE, SECOND, millis};
use crate::fate::{DateFault, Reply};
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
        let paused = || is_paused(scenario, our.line).then_some(UNCOUNTED);
        let by_time = || worse_times(scenario, correction, ours, call);
        let worse =
            if is_lost && excused(excuse(excuse_of(scenario, correction, ours, call))).is_none() {
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

/// An exception that [Limits](../../../docs/verification.md) names, or one of the comparison.
pub(super) type Excuse = &'static str;

const SUSPENDED: Excuse = "excused: suspended or set on the way, and the clock is wrong";
const LATE: Excuse = "excused: longer on its way than its host tolerates";
const OLD: Excuse = "excused: signed by the time of a response that was long on its way";
const LIMIT: Excuse = "excused: further ahead than the limit";
const NO_TIME: Excuse = "excused: nothing states the time";
const EXPIRED: Excuse = "excused: credentials that end by another time";
const SESSION: Excuse = "excused: signed by the SDK with a session of S3 Express";
const SERVERS: Excuse = "excused: servers of a host with different clocks";
const CANCELLED: Excuse = "excused: cancelled after fewer polls than it needs";
const ONE_ROUND_TRIP: Excuse = "excused: time or body for one round trip only";
const ONE_LOAD: Excuse = "excused: no time to load credentials again";
const CACHED: Excuse = "excused: signed by the time of a cached error";
const MISDATED: Excuse = "excused: signed by a wrong time, and the `Date` is wrong as well";
const ADAPTIVE: Excuse = "excused: cancelled while the SDK's rate limiter waits";
const UNCOUNTED: Excuse = "excused: a pause that no clock counts, and nothing states the time";
const AT_THE_TOLERANCE: Excuse = "excused: off by just what its host tolerates";
/// Fates are of attempts: with fewer attempts, the clock is not set in one of them.
const OTHER_EVENTS: Excuse = "excused: another number of attempts meets other events";

/// Each of them, and in how many of a thousand scenarios it applies at most.
pub(super) const MOST: [(Excuse, u64); 17] = [
    (SUSPENDED, 10),
    (LATE, 8),
    (OLD, 2),
    (LIMIT, 20),
    (NO_TIME, 10),
    (EXPIRED, 4),
    (SESSION, 40),
    (SERVERS, 20),
    (CANCELLED, 4),
    (ONE_ROUND_TRIP, 10),
    (ONE_LOAD, 2),
    (CACHED, 1),
    (UNCOUNTED, 1),
    (ADAPTIVE, 1),
    (MISDATED, 2),
    (AT_THE_TOLERANCE, 1),
    (OTHER_EVENTS, 8),
];

/// Returns whether the clock was set in an attempt that only one of them has made.
fn met_other_events(ours: &[Played], theirs: &[Played]) -> bool {
    let disturbed = |played: &Played| played.sent.iter().filter(|sent| sent.is_disturbed).count();
    let mut pairs = ours.iter().zip(theirs);
    pairs.any(|(our, their)| disturbed(our) != disturbed(their))
}

/// Returns why a call may be lost that the SDK alone keeps, if it may.
pub(super) fn excuse_of(
    scenario: &Scenario,
    correction: Correction,
    ours: &[Played],
    call: usize,
) -> Option<Excuse> {
    let our = &ours[call];
    let sent = &our.sent;
    if let Some(excuse) = sent.iter().find_map(|sent| sent.excuse(correction)) {
        return Some(excuse);
    }
    // No time satisfies both servers of its host, and the resend meets the other one.
    let rejects_both = |false_clock: &Sent| {
        let same = sent
            .iter()
            .filter(|one| one.operation == false_clock.operation);
        same.filter(|one| one.is_rejected()).count() > 1
    };
    let mut by_false_clock = sent.iter().filter(|one| one.is_by_a_false_clock());
    if by_false_clock.any(rejects_both) {
        return Some(SERVERS);
    }
    // Its `Date` was tried for the host's other servers.
    let is_of_this_host =
        |played: &&Played| scenario.call(played.line).host == scenario.call(our.line).host;
    let earlier = ours[..call].iter().filter(is_of_this_host);
    let mut earlier = earlier.flat_map(|played| &played.sent);
    let misdates = |sent: &Sent| {
        sent.is_odd && sent.has_wrong_date() && sent.is_rejected() && sent.has_date_only
    };
    if sent.iter().any(Sent::is_rejected) && earlier.any(misdates) {
        return Some(SERVERS);
    }
    // The machine was suspended after the credentials were loaded.
    let is_disturbed = sent.iter().any(|sent| sent.is_disturbed);
    if is_disturbed && sent.iter().any(|sent| sent.has_expired) {
        return Some(SUSPENDED);
    }
    // After a resend that took long, the credentials may end earlier in the scenario.
    let mut earlier = ours[..call].iter().flat_map(|played| &played.sent);
    let keys = scenario.settings().find_map(|setting| match setting {
        Setting::Keys(keys) => Some(keys),
        _ => None,
    });
    if keys.is_some()
        && !sent.iter().any(Sent::is_rejected)
        && earlier.any(|sent| sent.took > Duration::from_secs(120))
    {
        return Some(EXPIRED);
    }
    let is_undated = |sent: &Sent| sent.is_rejected() && !sent.states_the_time();
    let rejections = sent.iter().filter(|sent| sent.is_rejected()).count();
    if is_paused(scenario, our.line) && (rejections > 1 || sent.iter().any(is_undated)) {
        return Some(UNCOUNTED);
    }
    let line = scenario.call(our.line);
    let is_cancelled = our
        .outcomes
        .iter()
        .any(|outcome| outcome == &Err(play::CANCELLED.to_owned()));
    if let Some(Cancel::AfterPolls(_)) = line.cancel
        && is_cancelled
    {
        return Some(CANCELLED);
    }
    let of_attempt = scenario.settings().find_map(|setting| match setting {
        Setting::AttemptTimeout(time) => Some(time),
        _ => None,
    });
    let time = match line.cancel {
        Some(Cancel::After(time)) if is_cancelled => Some(time),
        _ => of_attempt,
    };
    let has_session = sent.iter().any(|sent| sent.is_for_session);
    let is_cut = sent.iter().any(|sent| sent.took.is_zero());
    let took: Duration = sent.iter().map(|sent| sent.took).sum();
    let new_session = match has_session {
        true if is_cut => Duration::MAX,
        true => took,
        false => Duration::ZERO,
    };
    // `SkewLayer` loads its own credentials, and S3 Express has a session for each of them. Of
    // calls at once, one may wait for the loads of another.
    let loads = match keys {
        Some(Keys::Rotating { takes, .. }) if our.outcomes.len() > 1 => 3 * (takes + ROUND_TRIP),
        Some(Keys::Rotating { takes, .. }) => 2 * (takes + ROUND_TRIP),
        _ => Duration::ZERO,
    };
    let is_rejected = sent.iter().any(Sent::is_rejected);
    if !is_rejected && time.is_some_and(|time| time < loads.max(new_session)) {
        return Some(ONE_LOAD);
    }
    // The SDK's rate limiter has counted other requests.
    if !is_rejected
        && is_cancelled
        && scenario
            .settings()
            .any(|setting| setting == Setting::Adaptive)
    {
        return Some(ADAPTIVE);
    }
    // A time-out that leaves no time for the second round trip, or a body that cannot be
    // replayed: the call is lost that meets the first clock skew error of its host, and no
    // other until the clock is wrong again.
    let has_one_round_trip = line.method == Method::Stream || time.is_some();
    let earlier = || ours[..call].iter().flat_map(|played| &played.sent);
    let mut rejected = sent.iter().filter(|sent| sent.is_rejected());
    if has_one_round_trip
        && is_rejected
        && rejected.all(|sent| earlier().any(|earlier| sent.is_late_by(earlier)))
    {
        return Some(OLD);
    }
    // After a clock skew error that states no time, the `Date` of its host is ignored for a
    // minute. And if a host has stated a time, nothing states that its clock is right again.
    let is_ignored = |earlier: &Sent| {
        let mut ours = sent.iter();
        let is_by_old_time = |our: &Sent| {
            let is_ignored = !earlier.states_the_time() && our.has_date_only;
            our.is_rejected() && (is_ignored || !our.states_the_time())
        };
        earlier.is_rejected() && ours.any(|our| our.host == earlier.host && is_by_old_time(our))
    };
    if earlier().any(is_ignored) {
        return Some(NO_TIME);
    }
    let is_first = has_one_round_trip && is_rejected && !knew_the_time(scenario, ours, call);
    is_first.then_some(ONE_ROUND_TRIP)
}

/// Returns whether the machine was paused before a line, and no clock counted that.
fn is_paused(scenario: &Scenario, line: usize) -> bool {
    let is_pause = |event: &Event| {
        matches!(
            event,
            Event::Pauses(_)
                | Event::Suspends {
                    is_counted: false,
                    ..
                }
        )
    };
    let has_pause = |line: &Line| match line {
        Line::Clock(event) => is_pause(event),
        Line::Call(call) => call
            .fates
            .iter()
            .any(|fate| fate.there.iter().chain(&fate.back).any(is_pause)),
        _ => false,
    };
    scenario.0[..line].iter().any(has_pause)
}

/// Returns whether a cache answered an earlier call to the same host.
fn follows_cached(scenario: &Scenario, ours: &[Played], call: usize) -> bool {
    let host = scenario.call(ours[call].line).host;
    let mut earlier = ours[..call].iter().map(|played| scenario.call(played.line));
    earlier.any(|call| call.host == host && call.end == End::Cached)
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
        let is_of_odd_clock = |sent: &Sent| {
            sent.is_odd && (sent.apart > 2 * MINUTE || sent.has_wrong_date())
                || matches!(sent.fate.reply, Reply::WithDateAhead(_))
        };
        let is_false =
            |sent: &Sent| sent.is_disturbed || is_of_odd_clock(sent) || contradicts(sent);
        let line = scenario.call(earlier.line);
        let is_cached = line.host == host && line.end == End::Cached;
        if is_cached || earlier.sent.iter().any(is_false) {
            return false;
        }
        let is_whole = !matches!(line.cancel, Some(Cancel::AfterPolls(_)));
        let states_it = |sent: &Sent| sent.proves_its_error() && !sent.is_beyond_limit();
        if is_whole && line.host == host && earlier.sent.iter().any(states_it) {
            return true;
        }
    }
    false
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
    let is_cached = follows_cached(scenario, ours, call);
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
        } else if is_paused(scenario, our.line) {
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
    fn is_rejected(&self) -> bool {
        self.verdict == Verdict::Rejected
    }

    /// It was rejected by a server whose clock differs from that of its host's other servers
    /// by more than they tolerate.
    fn is_by_a_false_clock(&self) -> bool {
        self.is_rejected() && self.is_odd && self.apart > tolerated(self)
    }

    /// It and its response were on their way for longer than its host tolerates.
    pub(super) fn is_late(&self) -> bool {
        self.took > self.tolerance
    }

    /// It is signed by the time in the response to an earlier request, which was that long on
    /// its way.
    fn is_late_by(&self, earlier: &Self) -> bool {
        self.error < 0 && self.is_within(earlier.took)
    }

    /// Its clock skew error states the time.
    fn states_the_time(&self) -> bool {
        let has_date = self.date == DateFault::None;
        self.is_rejected() && self.is_delivered && (has_date || !self.has_date_only)
    }

    /// Its clock skew error states the time, and by that it was off by more than its way, and
    /// the clocks of its host, explain. A message that states only a bound leaves three
    /// minutes.
    fn proves_its_error(&self) -> bool {
        let explained = self.took + millis(self.apart + 3 * MINUTE);
        self.states_the_time() && !self.is_within(explained)
    }

    /// The clock does not follow a `Date`, nor a message without TLS, more than 7 days
    /// forward, and no message more than 400.
    fn is_beyond_limit(&self) -> bool {
        let limit = if self.has_date_only || self.host.is_plain() {
            7 * DAY
        } else {
            400 * DAY
        };
        self.local_error < -limit + MINUTE
    }

    /// The SDK's own correction signs it: with a session, or to get one from a client that
    /// has no HTTP client of ours.
    fn is_the_sdks(&self, correction: Correction) -> bool {
        self.has_session || (self.is_for_session && correction == Correction::Install)
    }

    /// Its error is explained by so much time.
    fn is_within(&self, time: Duration) -> bool {
        u128::from(self.error.unsigned_abs()) <= (time + millis(5 * SECOND)).as_millis()
    }

    fn is_worse_than_local(&self) -> bool {
        let is_answered = self.verdict != Verdict::Unseen && self.is_delivered;
        let is_wrong = self.error.abs() > 2 * MINUTE;
        is_answered && is_wrong && self.error.abs() > self.local_error.abs() + 5 * SECOND
    }

    fn has_wrong_date(&self) -> bool {
        matches!(self.date, DateFault::Wrong(_))
    }

    /// The time of a cached error, or of another host, is rejected, and the `Date` of this
    /// host is wrong as well.
    fn is_misdated(&self) -> bool {
        let is_by_another_time = (self.error - self.local_error).abs() > 2 * MINUTE;
        self.is_rejected() && self.has_date_only && self.has_wrong_date() && is_by_another_time
    }

    fn excuse(&self, correction: Correction) -> Option<Excuse> {
        let is_rejected = self.is_rejected();
        let is_wrong = self.error.abs().max(self.local_error_after.abs()) > 2 * MINUTE;
        let tolerated = tolerated(self);
        let is_off = self.error.abs() > 2 * MINUTE;
        let took = i64::try_from(self.took.as_millis()).expect("within a lifetime");
        let is_local_rejected = self.local_error.abs() + took > tolerated;
        [
            // The machine was suspended, or its clock was set, between sending and the
            // response, and its clock is wrong as well (guarantee 2).
            (self.is_disturbed && is_wrong, SUSPENDED),
            (is_rejected && self.is_beyond_limit(), LIMIT),
            // Neither the message nor a usable `Date` states the time, and the local clock is
            // as wrong. The SDK takes the first of two `Date`s, and that of a proxy's page.
            (
                is_rejected && !self.states_the_time() && is_local_rejected,
                NO_TIME,
            ),
            // It is signed by the time of the other server of its host, and nothing states the
            // time of this one.
            (
                is_rejected && !self.states_the_time() && self.is_within(millis(self.apart)),
                SERVERS,
            ),
            // The correction is the time of a host that is not AWS, and the credentials' end
            // is judged by it.
            (self.has_expired && (is_off || self.host_is_wrong), EXPIRED),
            // What a session signs is left to the SDK's own correction, with its faults. It has
            // followed other responses than in a client without us.
            (self.is_the_sdks(correction) && is_rejected, SESSION),
            // It judges the session's end by the local clock.
            (self.has_session && self.has_expired, SESSION),
            // The time in a response is as old as the response when it comes: if that and the
            // next request take longer than the service tolerates, the next is rejected too.
            // If its way explains its error, nothing shows that the clock is wrong.
            (
                is_rejected && (self.is_late() || (is_off && self.is_within(self.took))),
                LATE,
            ),
            (self.is_misdated(), MISDATED),
            // Whether the service accepts it is a matter of milliseconds.
            (
                is_rejected && (self.error.abs() - tolerated).abs() < 3 * SECOND,
                AT_THE_TOLERANCE,
            ),
        ]
        .into_iter()
        .find_map(|(applies, excuse)| applies.then_some(excuse))
    }
}

fn tolerated(sent: &Sent) -> i64 {
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

//! The exceptions: why an integration may be worse than the SDK alone.

use std::time::Duration;

use super::compare::tolerated;
use super::net::Sent;
use super::play::{self, Correction, Played};
use super::scenario::{self, Cancel, End, Keys, Line, Method, ROUND_TRIP, Scenario, Setting};
use crate::clocks::{Event, MINUTE, SECOND, millis};
use crate::fate::Reply;

/// An exception that [Limits](../../../docs/verification.md) names, or one of the comparison.
pub(super) type Excuse = &'static str;

pub(super) const SUSPENDED: Excuse = "excused: suspended or set on the way, and the clock is wrong";
pub(super) const LATE: Excuse = "excused: longer on its way than its host tolerates";
pub(super) const OLD: Excuse = "excused: signed by the time of a response that was long on its way";
pub(super) const LIMIT: Excuse = "excused: further ahead than the limit";
pub(super) const NO_TIME: Excuse = "excused: nothing states the time";
pub(super) const EXPIRED: Excuse = "excused: credentials that end by another time";
pub(super) const SESSION: Excuse = "excused: signed by the SDK with a session of S3 Express";
pub(super) const SERVERS: Excuse = "excused: servers of a host with different clocks";
pub(super) const CANCELLED: Excuse = "excused: cancelled after fewer polls than it needs";
pub(super) const ONE_ROUND_TRIP: Excuse = "excused: time or body for one round trip only";
pub(super) const ONE_LOAD: Excuse = "excused: no time to load credentials again";
pub(super) const CACHED: Excuse = "excused: signed by the time of a cached error";
pub(super) const MISDATED: Excuse =
    "excused: signed by a wrong time, and the `Date` is wrong as well";
pub(super) const ADAPTIVE: Excuse = "excused: cancelled while the SDK's rate limiter waits";
pub(super) const UNCOUNTED: Excuse =
    "excused: a pause that no clock counts, and nothing states the time";
pub(super) const AT_THE_TOLERANCE: Excuse = "excused: off by just what its host tolerates";
/// Fates are of attempts: with fewer attempts, the clock is not set in one of them.
pub(super) const OTHER_EVENTS: Excuse = "excused: another number of attempts meets other events";

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

/// An exception, and whether it applies.
type Rule<'a> = (fn(&Case<'a>) -> bool, Excuse);

/// A call and those before it.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    scenario: &'a Scenario,
    earlier: &'a [Played],
    our: &'a Played,
}

impl<'a> Case<'a> {
    pub(super) fn of(scenario: &'a Scenario, ours: &'a [Played], call: usize) -> Self {
        let (earlier, our) = (&ours[..call], &ours[call]);
        Self {
            scenario,
            earlier,
            our,
        }
    }

    /// Returns why the call may be lost that the SDK alone keeps, if it may.
    pub(super) fn excuse(&self, correction: Correction) -> Option<Excuse> {
        // The first that applies is counted.
        let of_call: [Rule<'a>; 12] = [
            (Self::meets_both_servers, SERVERS),
            (Self::follows_a_tried_date, SERVERS),
            (Self::is_suspended_with_ended_credentials, SUSPENDED),
            (Self::follows_a_slow_resend, EXPIRED),
            (Self::is_paused_without_a_time, UNCOUNTED),
            (Self::is_cancelled_after_polls, CANCELLED),
            (Self::needs_a_session_that_an_earlier_call_has_lost, SESSION),
            (Self::has_no_time_to_load, ONE_LOAD),
            (Self::waits_for_the_rate_limiter, ADAPTIVE),
            (Self::is_signed_by_an_old_time, OLD),
            (Self::follows_an_error_without_a_time, NO_TIME),
            (Self::is_the_first_rejection, ONE_ROUND_TRIP),
        ];
        let mut of_requests = self.our.sent.iter();
        let of_request = of_requests.find_map(|sent| sent.excuse(correction));
        let mut of_call = of_call.into_iter();
        of_request.or_else(|| of_call.find_map(|(applies, excuse)| applies(self).then_some(excuse)))
    }

    /// No time satisfies both servers of its host, and the resend meets the other one.
    fn meets_both_servers(&self) -> bool {
        let sent = &self.our.sent;
        let rejects_both = |false_clock: &Sent| {
            let same = sent
                .iter()
                .filter(|one| one.operation == false_clock.operation);
            same.filter(|one| one.is_rejected()).count() > 1
        };
        let mut by_false_clock = sent.iter().filter(|one| one.is_by_a_false_clock());
        by_false_clock.any(rejects_both)
    }

    /// The `Date` of one server of its host was tried for the others.
    fn follows_a_tried_date(&self) -> bool {
        let host = self.line().host;
        let mut of_this_host = self
            .earlier
            .iter()
            .filter(|played| self.scenario.call(played.line).host == host)
            .flat_map(|played| &played.sent);
        let misdates = |sent: &Sent| {
            sent.is_odd && sent.has_wrong_date() && sent.is_rejected() && sent.has_date_only
        };
        self.is_rejected() && of_this_host.any(misdates)
    }

    /// The machine was suspended after the credentials were loaded.
    fn is_suspended_with_ended_credentials(&self) -> bool {
        self.sends(|sent| sent.is_disturbed) && self.sends(|sent| sent.has_expired)
    }

    /// After a resend that took long, the credentials may end earlier in the scenario.
    fn follows_a_slow_resend(&self) -> bool {
        let is_slow = |sent: &Sent| sent.took > Duration::from_secs(120);
        self.keys().is_some() && !self.is_rejected() && self.earlier_requests().any(is_slow)
    }

    fn is_paused_without_a_time(&self) -> bool {
        let rejected = self.our.sent.iter().filter(|sent| sent.is_rejected());
        let is_undated = |sent: &Sent| sent.is_rejected() && !sent.states_the_time();
        self.is_paused() && (rejected.count() > 1 || self.sends(is_undated))
    }

    fn is_cancelled_after_polls(&self) -> bool {
        matches!(self.line().cancel, Some(Cancel::AfterPolls(_))) && self.is_cancelled()
    }

    /// The SDK signed the request for a session by the `Date` of another response, in vain.
    fn needs_a_session_that_an_earlier_call_has_lost(&self) -> bool {
        let is_lost = |sent: &Sent| sent.is_for_session && sent.is_rejected();
        self.sends(|sent| sent.is_for_session) && self.earlier_requests().any(is_lost)
    }

    /// Its time-out is shorter than loads of credentials take, or a new session.
    fn has_no_time_to_load(&self) -> bool {
        let sent = &self.our.sent;
        let is_cut = self.sends(|sent| sent.took.is_zero());
        let new_session = match self.sends(|sent| sent.is_for_session) {
            true if is_cut => Duration::MAX,
            true => sent.iter().map(|sent| sent.took).sum(),
            false => Duration::ZERO,
        };
        // `SkewLayer` loads its own credentials, and S3 Express has a session for each of
        // them. Of calls at once, one may wait for the loads of another.
        let is_at_once = self.our.outcomes.len() > 1;
        let loads = match self.keys() {
            Some(Keys::Rotating { takes, .. }) => {
                (if is_at_once { 3 } else { 2 }) * (takes + ROUND_TRIP)
            }
            _ => Duration::ZERO,
        };
        let is_short = |time| time < loads.max(new_session);
        !self.is_rejected() && self.timeout().is_some_and(is_short)
    }

    /// The SDK's rate limiter has counted other requests.
    fn waits_for_the_rate_limiter(&self) -> bool {
        let mut settings = self.scenario.settings();
        !self.is_rejected()
            && self.is_cancelled()
            && settings.any(|setting| setting == Setting::Adaptive)
    }

    fn is_signed_by_an_old_time(&self) -> bool {
        let is_late = |sent: &Sent| {
            self.earlier_requests()
                .any(|earlier| sent.is_late_by(earlier))
        };
        let mut rejected = self.our.sent.iter().filter(|sent| sent.is_rejected());
        self.has_one_round_trip() && self.is_rejected() && rejected.all(is_late)
    }

    /// After a clock skew error that states no time, the `Date` of its host is ignored for a
    /// minute. And if a host has stated a time, nothing states that its clock is right again.
    fn follows_an_error_without_a_time(&self) -> bool {
        let is_ignored = |earlier: &Sent| {
            let is_by_old_time = |our: &Sent| {
                let is_ignored = !earlier.states_the_time() && our.has_date_only;
                our.is_rejected() && (is_ignored || !our.states_the_time())
            };
            let of_its_host = |our: &Sent| our.host == earlier.host && is_by_old_time(our);
            earlier.is_rejected() && self.sends(of_its_host)
        };
        self.earlier_requests().any(is_ignored)
    }

    /// With one round trip only, the call is lost that meets the first clock skew error of its
    /// host, and no other until the clock is wrong again.
    fn is_the_first_rejection(&self) -> bool {
        self.has_one_round_trip() && self.is_rejected() && !self.knew_the_time()
    }

    /// A time-out leaves no time for the second round trip, or the body cannot be replayed.
    fn has_one_round_trip(&self) -> bool {
        self.line().method == Method::Stream || self.timeout().is_some()
    }

    fn timeout(&self) -> Option<Duration> {
        match self.line().cancel {
            Some(Cancel::After(time)) if self.is_cancelled() => Some(time),
            _ => self.scenario.settings().find_map(|setting| match setting {
                Setting::AttemptTimeout(time) => Some(time),
                _ => None,
            }),
        }
    }

    fn keys(&self) -> Option<Keys> {
        self.scenario.settings().find_map(|setting| match setting {
            Setting::Keys(keys) => Some(keys),
            _ => None,
        })
    }

    fn line(&self) -> &scenario::Call {
        self.scenario.call(self.our.line)
    }

    fn is_cancelled(&self) -> bool {
        let mut outcomes = self.our.outcomes.iter();
        outcomes.any(|outcome| outcome == &Err(play::CANCELLED.to_owned()))
    }

    fn is_rejected(&self) -> bool {
        self.sends(Sent::is_rejected)
    }

    fn sends(&self, what: impl Fn(&Sent) -> bool) -> bool {
        self.our.sent.iter().any(what)
    }

    fn earlier_requests(&self) -> impl Iterator<Item = &Sent> {
        self.earlier.iter().flat_map(|played| &played.sent)
    }

    /// Returns whether the machine was paused before the call, and no clock counted that.
    pub(super) fn is_paused(&self) -> bool {
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
        self.scenario.0[..self.our.line].iter().any(has_pause)
    }

    /// Returns whether a cache answered an earlier call to the same host.
    pub(super) fn follows_cached(&self) -> bool {
        let host = self.line().host;
        let mut earlier = self.earlier.iter();
        earlier.any(|played| {
            let call = self.scenario.call(played.line);
            call.host == host && call.end == End::Cached
        })
    }

    /// Returns whether an earlier call to the same host had a response that states the time,
    /// and nothing has happened to the clock since.
    fn knew_the_time(&self) -> bool {
        let host = self.line().host;
        let mut until = self.our.line;
        for earlier in self.earlier.iter().rev() {
            let changes =
                |line: &Line| matches!(line, Line::Clock(_) | Line::Slew(_) | Line::Host(..));
            if self.scenario.0[earlier.line..until].iter().any(changes) {
                return false;
            }
            until = earlier.line;
            // Another host, with another time, may have changed the clock.
            let contradicts = |sent: &Sent| {
                let differs = |our: &Sent| (our.local_error - sent.local_error).abs() > 2 * MINUTE;
                sent.is_rejected() && self.sends(differs)
            };
            let is_of_odd_clock = |sent: &Sent| {
                sent.is_odd && (sent.apart > 2 * MINUTE || sent.has_wrong_date())
                    || matches!(sent.fate.reply, Reply::WithDateAhead(_))
            };
            let is_false =
                |sent: &Sent| sent.is_disturbed || is_of_odd_clock(sent) || contradicts(sent);
            let line = self.scenario.call(earlier.line);
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
}

impl Sent {
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

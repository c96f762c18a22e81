//! Faults, as data: what can go wrong around one call, with its numbers.

use std::time::Duration;

use crate::chance::{Chance, Rng};
use crate::clocks::{DAY, Event, HOUR, MINUTE, SECOND};
use crate::fate::{DateFault, Fate, Reply};

/// When it happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum When {
    /// Before the call.
    Before,
    /// While the request is on its way.
    OnTheWay,
    /// While the response is on its way.
    OnTheWayBack,
}

/// A fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The wall clock is set, or the machine is suspended or paused, or the process is frozen.
    Machine(When, Event),
    /// The clocks are too fast, in millionths.
    Drift {
        wall_ppm: i64,
        boot_ppm: i64,
    },
    /// NTP slews the wall clock to the true time at this rate.
    Slew {
        ppm: i64,
    },
    /// The signed request waits before it is sent.
    Queue(Duration),
    LongCall(Duration),
    LongPoll,
    SlowUpload(Duration),
    Lost,
    AnswerLost,
    WrongKey,
    Denied,
    NotFound,
    /// The service's `Date`, from then on.
    Date(DateFault),
    WrongDateOnAccepted {
        ahead: i64,
    },
    ProxyUnavailable {
        ahead: i64,
    },
    ProxyForbids {
        ahead: i64,
    },
    /// The process has another client, of a server that is not AWS and whose clock is this far
    /// ahead.
    OtherServer {
        ahead: i64,
    },
}

/// A sort of fault: its name, and how to draw one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sort(pub(crate) &'static str, pub(crate) fn(&mut Rng) -> Fault);

/// Each sort once.
pub(crate) const SORTS: [Sort; 28] = [
    Sort("clock set between two calls", |rng| set(rng, When::Before)),
    Sort("clock set with the request on its way", |rng| {
        set(rng, When::OnTheWay)
    }),
    Sort("clock set with the answer on its way", |rng| {
        set(rng, When::OnTheWayBack)
    }),
    Sort("clock repaired between two calls", |_| {
        repaired(When::Before)
    }),
    Sort("clock repaired with the request on its way", |_| {
        repaired(When::OnTheWay)
    }),
    Sort("clock repaired with the answer on its way", |_| {
        repaired(When::OnTheWayBack)
    }),
    Sort("drift", |rng| Fault::Drift {
        wall_ppm: rng.either_way(1, 20_000),
        boot_ppm: rng.either_way(1, 100),
    }),
    Sort("slew", |rng| Fault::Slew {
        ppm: rng.spread(500, 83_333),
    }),
    Sort("suspended between two calls", |rng| {
        suspended(rng, When::Before)
    }),
    Sort("suspended with the request on its way", |rng| {
        suspended(rng, When::OnTheWay)
    }),
    Sort("suspended with the answer on its way", |rng| {
        suspended(rng, When::OnTheWayBack)
    }),
    Sort("paused between two calls", |rng| paused(rng, When::Before)),
    Sort("paused with the request on its way", |rng| {
        paused(rng, When::OnTheWay)
    }),
    Sort("paused with the answer on its way", |rng| {
        paused(rng, When::OnTheWayBack)
    }),
    Sort("frozen with the request on its way", |rng| {
        frozen(rng, When::OnTheWay)
    }),
    Sort("frozen with the answer on its way", |rng| {
        frozen(rng, When::OnTheWayBack)
    }),
    Sort("queued, signed", |rng| {
        Fault::Queue(rng.time(SECOND, 2 * HOUR))
    }),
    Sort("long call", |rng| {
        Fault::LongCall(rng.time(SECOND, 15 * MINUTE))
    }),
    Sort("long poll", |_| Fault::LongPoll),
    Sort("slow upload", |rng| {
        Fault::SlowUpload(rng.time(SECOND, HOUR))
    }),
    Sort("request lost, or its answer", |rng| {
        rng.one_of(&[Fault::Lost, Fault::AnswerLost])
    }),
    Sort("wrong key", |_| Fault::WrongKey),
    Sort("denied, or not found", |rng| {
        rng.one_of(&[Fault::Denied, Fault::NotFound])
    }),
    Sort("no usable Date", |rng| {
        Fault::Date(rng.one_of(&[
            DateFault::Missing,
            DateFault::Doubled,
            DateFault::Cached,
            DateFault::TwoDigitYear,
            DateFault::Absurd,
        ]))
    }),
    Sort("wrong Date on all answers", |rng| {
        Fault::Date(DateFault::Wrong(rng.either_way(SECOND, 1_000 * DAY)))
    }),
    Sort("wrong Date on an accepted answer", |rng| {
        Fault::WrongDateOnAccepted {
            ahead: rng.either_way(SECOND, 1_000 * DAY),
        }
    }),
    Sort("a proxy's 403 or 503 with a wrong Date", |rng| {
        let ahead = rng.either_way(SECOND, 1_000 * DAY);
        rng.one_of(&[
            Fault::ProxyUnavailable { ahead },
            Fault::ProxyForbids { ahead },
        ])
    }),
    Sort("two servers that disagree", |rng| Fault::OtherServer {
        ahead: rng.either_way(16 * MINUTE, 300 * DAY),
    }),
];

fn set(rng: &mut Rng, when: When) -> Fault {
    Fault::Machine(when, Event::IsSet(rng.either_way(4, 49 * DAY)))
}

fn repaired(when: When) -> Fault {
    Fault::Machine(when, Event::IsSet(0))
}

fn suspended(rng: &mut Rng, when: When) -> Fault {
    let (time, is_counted) = (rng.time(SECOND, 3 * DAY), rng.bool());
    Fault::Machine(when, Event::Suspends { time, is_counted })
}

fn paused(rng: &mut Rng, when: When) -> Fault {
    Fault::Machine(when, Event::Pauses(rng.time(SECOND, 3 * DAY)))
}

fn frozen(rng: &mut Rng, when: When) -> Fault {
    Fault::Machine(when, Event::Freezes(rng.time(SECOND, 2 * HOUR)))
}

impl Fault {
    /// Returns what happens to the request, if the fault is on its way.
    pub(crate) fn fate(self) -> Option<Fate> {
        let fate = Fate::default();
        Some(match self {
            Self::Machine(When::OnTheWay, event) => Fate::between([event], []),
            Self::Machine(When::OnTheWayBack, event) => Fate::between([], [event]),
            Self::LongCall(time) => fate.worked_on(time),
            Self::LongPoll => fate.worked_on(Duration::from_secs(20)),
            Self::SlowUpload(time) => Fate::between([Event::Passes(time)], []),
            Self::Lost => fate.replied(Reply::Nobody).lost(),
            Self::AnswerLost => fate.lost(),
            Self::Denied => fate.replied(Reply::Denied),
            Self::NotFound => fate.replied(Reply::NotFound),
            Self::WrongDateOnAccepted { ahead } => fate.replied(Reply::WithDateAhead(ahead)),
            Self::ProxyUnavailable { ahead } => fate.replied(Reply::Unavailable { ahead }),
            Self::ProxyForbids { ahead } => fate.replied(Reply::Forbidden { ahead }),
            Self::Machine(When::Before, _)
            | Self::Drift { .. }
            | Self::Slew { .. }
            | Self::Queue(_)
            | Self::WrongKey
            | Self::Date(_)
            | Self::OtherServer { .. } => return None,
        })
    }

    /// Returns whether the call may fail because of it, whatever the clock shows.
    pub(crate) const fn is_the_calls_own(self) -> bool {
        matches!(
            self,
            Self::Lost
                | Self::AnswerLost
                | Self::WrongKey
                | Self::Denied
                | Self::NotFound
                | Self::ProxyUnavailable { .. }
                | Self::ProxyForbids { .. }
        )
    }

    /// Returns whether the machine was frozen, or its clock set, between sending and the response.
    pub(crate) const fn disturbs_the_machine(self) -> bool {
        matches!(self, Self::Machine(When::OnTheWay | When::OnTheWayBack, _))
    }
}

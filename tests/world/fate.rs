//! Faults, as data: what happens to one request on its way, and to one answer.

use std::time::Duration;

use crate::clocks::Event;

/// What happens to one send, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// Before it arrives.
    pub(crate) there: Vec<Event>,
    pub(crate) reply: Reply,
    /// How long the service works on what it accepts; it rejects at once.
    pub(crate) work: Duration,
    /// Before the answer is read.
    pub(crate) back: Vec<Event>,
    /// The connection breaks before the answer is read.
    pub(crate) is_lost: bool,
}

impl Fate {
    /// A round trip, half of it each way.
    pub(crate) fn of(round_trip: Duration) -> Self {
        Self::between(
            [Event::Passes(round_trip / 2)],
            [Event::Passes(round_trip / 2)],
        )
    }

    pub(crate) fn between(
        there: impl IntoIterator<Item = Event>,
        back: impl IntoIterator<Item = Event>,
    ) -> Self {
        Self {
            there: there.into_iter().collect(),
            back: back.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Returns whether the machine was frozen, or its clock set, between sending and
    /// the answer.
    pub(crate) fn disturbs_the_machine(&self) -> bool {
        let mut events = self.there.iter().chain(&self.back);
        events.any(|event| !matches!(event, Event::Passes(_)))
    }

    pub(crate) fn replied(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }

    pub(crate) fn worked_on(self, work: Duration) -> Self {
        Self { work, ..self }
    }

    pub(crate) fn lost(self) -> Self {
        Self {
            is_lost: true,
            ..self
        }
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Reply {
    /// The service, by the time and the signature.
    #[default]
    Service,
    /// The service, but with a `Date` that is so many milliseconds ahead.
    WithDateAhead(i64),
    /// A proxy, with a clock that is so many milliseconds ahead.
    Unavailable {
        ahead: i64,
    },
    Forbidden {
        ahead: i64,
    },
    /// One of the service's machines, whose clock is so many milliseconds ahead of
    /// the true time: it states that in the error message, ...
    LyingMessage {
        ahead: i64,
    },
    /// ... by the code alone, ...
    LyingCode {
        ahead: i64,
    },
    /// ... or in a 403 without a body.
    LyingWithoutBody {
        ahead: i64,
    },
    /// The caller may not do this.
    Denied,
    /// The request does not get there.
    Nobody,
    /// The service has none of it.
    NotFound,
    /// The service has too many requests, and says so with this status.
    #[cfg(feature = "sdk")]
    Throttled(u16),
}

/// What becomes of the `Date` of everything that the service answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum DateFault {
    #[default]
    None,
    Missing,
    /// A proxy adds its own.
    Doubled,
    /// From a cache of an hour ago, with an `Age`.
    Cached,
    /// `Friday, 15-Jan-27 08:00:00 GMT`, as RFC 850 has it; it counts as none.
    TwoDigitYear,
    /// 1970, as devices without a clock have it.
    Absurd,
    /// So many milliseconds ahead.
    Lying(i64),
}

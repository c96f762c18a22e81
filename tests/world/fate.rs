//! Faults on the way, as data: what happens to one request and to its response.

use std::time::Duration;

use crate::clocks::Event;

/// What happens to one send, in this order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    /// Before it arrives.
    pub(crate) there: Vec<Event>,
    pub(crate) reply: Reply,
    /// How long the service works on a request that it accepts. It rejects at once.
    pub(crate) work: Duration,
    /// Before the response is read.
    pub(crate) back: Vec<Event>,
    /// The connection breaks before the response is read.
    pub(crate) is_lost: bool,
}

impl Fate {
    /// A round trip, half of the time each way.
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

    /// Returns whether the machine was frozen, or its clock set, between sending and the response.
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

/// The sender of the response.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Reply {
    /// The service, which checks the time and the signature.
    #[default]
    Service,
    /// The service, with a `Date` that is this many milliseconds ahead.
    WithDateAhead(i64),
    /// A proxy whose clock is this many milliseconds ahead.
    Unavailable {
        ahead: i64,
    },
    Forbidden {
        ahead: i64,
    },
    /// One of the service's servers, whose clock is this many milliseconds ahead of the true time.
    /// It states that time in the error message, ...
    WrongMessage {
        ahead: i64,
    },
    /// ... or sends only the code, ...
    WrongCode {
        ahead: i64,
    },
    /// ... or a 403 without a body.
    WrongDateWithoutBody {
        ahead: i64,
    },
    /// The caller may not perform the operation.
    Denied,
    /// The request does not reach the service.
    Nobody,
    /// The resource does not exist.
    NotFound,
    /// The service has too many requests, and says so with this status.
    Throttled(u16),
}

/// A fault of the `Date` in all responses of the service.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum DateFault {
    #[default]
    None,
    Missing,
    /// A proxy adds another `Date`.
    Doubled,
    /// A `Date` from an hour ago, with an `Age`, as a cache sends it.
    Cached,
    /// `Friday, 15-Jan-27 08:00:00 GMT`, the form of RFC 850, which the crate ignores.
    TwoDigitYear,
    /// 1970, as devices without a clock send it.
    Absurd,
    /// This many milliseconds ahead.
    Wrong(i64),
}

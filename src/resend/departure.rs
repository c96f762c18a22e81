//! [`Departure`]: when a request was sent, and whose clock has signed it.

use std::time::SystemTime;

use crate::clock::SkewClock;
use crate::host::Host;
use crate::judge::{Attempt, WORTH_A_CORRECTION};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::ruling::Exchange;

/// The clocks when a request was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    reading: Reading,
    moves: u64,
}

impl Departure {
    pub(crate) fn now(clock: &SkewClock) -> Self {
        Self {
            moves: clock.moves(),
            reading: clock.reading(),
        }
    }

    pub(super) fn arrived(self, received: Reading, signed_at: Option<SystemTime>) -> Attempt {
        Attempt {
            signed_at,
            signing_boot: self.reading.boot,
            sent: self.reading,
            received,
        }
    }

    /// Returns which clock signed what left then: ours, unless the signature is of
    /// another time, as that of a foreign signer or one for a host in dispute is.
    pub(super) fn moves_at_signing(self, clock: &SkewClock, signed_at: Option<SystemTime>) -> u64 {
        let stood_at = clock.stood_at(self.reading.boot);
        let is_ours = signed_at.is_some_and(|signed_at| {
            ClockOffset::between(signed_at, stood_at).magnitude() < WORTH_A_CORRECTION
        });
        if is_ours {
            self.moves
        } else {
            Exchange::SIGNED_BY_ANOTHER
        }
    }
}

/// Returns whether an accepted answer that has just come is worth a look.
pub(crate) fn minds_accepted(
    clock: &SkewClock,
    departure: Departure,
    date: impl FnOnce() -> Option<SystemTime>,
    host: impl FnOnce() -> Option<Host>,
) -> bool {
    clock.minds_accepted(date)
        || (clock.wants_vouch(departure.reading.boot) && host().as_ref().is_some_and(Host::is_aws))
}

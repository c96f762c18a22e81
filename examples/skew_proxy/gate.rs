//! Which requests may be re-signed.
//!
//! Reproducing a signature shows whose it is, and not when it was made: an expired request
//! that somebody kept would get a new signature. So a request is re-signed only
//!
//! * if it was signed within 15 minutes of the local clock or of the corrected one: a
//!   program signs with the first, or with the second if it corrects itself;
//! * in the two seconds after its signature first came: equal calls of one second have
//!   one signature.
//!
//! A signature is the triple of access key, time and signature that the crate reads from
//! the headers, so that no other way to write them makes it a new one.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderMap;

use super::signature::Authorization;

/// The signatures in flight, and those of the last half an hour that were proven.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    signatures: HashMap<Arc<Signature>, Seen>,
    /// Those that were proven, in the order in which they were.
    proven: VecDeque<(Duration, Arc<Signature>)>,
}

#[derive(Debug)]
struct Seen {
    /// When it came first, on the monotonic clock.
    came: Duration,
    in_flight: usize,
    is_proven: bool,
}

#[derive(Debug, Eq, Hash, PartialEq)]
struct Signature {
    access_key: String,
    signed_at: NaiveDateTime,
    signature: String,
}

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) monotonic: Duration,
    pub(crate) local: SystemTime,
    pub(crate) corrected: SystemTime,
}

/// Why a request is not re-signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NotAdmitted {
    Unreadable,
    AnotherTime,
    Repeated,
    Full,
}

/// A request that may be re-signed, as long as it is in flight.
#[derive(Debug)]
pub(crate) struct Ticket {
    gate: Gate,
    signature: Arc<Signature>,
    came: Duration,
}

impl Gate {
    /// Returns a ticket for a request that may be re-signed.
    pub(crate) fn admit(&self, headers: &HeaderMap, now: Now) -> Result<Ticket, NotAdmitted> {
        let signature = Signature::of(headers).ok_or(NotAdmitted::Unreadable)?;
        if ![now.local, now.corrected]
            .into_iter()
            .any(|clock| signature.is_near(clock))
        {
            return Err(NotAdmitted::AnotherTime);
        }
        let mut known = self.lock();
        known.forget(now.monotonic);
        let signature = match known.signatures.get_key_value(&signature) {
            Some((same, seen)) => {
                if !(seen.came..=seen.came + ALIKE).contains(&now.monotonic) {
                    return Err(NotAdmitted::Repeated);
                }
                same.clone()
            }
            None if known.signatures.len() >= MOST => return Err(NotAdmitted::Full),
            None => Arc::new(signature),
        };
        let seen = known.signatures.entry(signature.clone());
        let seen = seen.or_insert(Seen {
            came: now.monotonic,
            in_flight: 0,
            is_proven: false,
        });
        seen.in_flight += 1;
        Ok(Ticket {
            gate: self.clone(),
            signature,
            came: seen.came,
        })
    }

    /// Returns how many signatures are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().signatures.len()
    }

    /// Returns how many requests are in flight.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        let known = self.lock();
        known.signatures.values().map(|seen| seen.in_flight).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets signatures that neither clock admits any more.
    fn forget(&mut self, monotonic: Duration) {
        while let Some((came, _)) = self.proven.front()
            && monotonic.saturating_sub(*came) > LIFETIME * 2
        {
            if let Some((_, signature)) = self.proven.pop_front()
                && let Some(seen) = self.signatures.get_mut(&signature)
            {
                seen.is_proven = false;
                if seen.in_flight == 0 {
                    self.signatures.remove(&signature);
                }
            }
        }
    }
}

impl Ticket {
    /// Remembers the signature: it was reproduced, or a server has accepted it.
    pub(crate) fn prove(&self) {
        let mut known = self.gate.lock();
        if let Some(seen) = known.signatures.get_mut(&self.signature)
            && !seen.is_proven
        {
            seen.is_proven = true;
            known.proven.push_back((self.came, self.signature.clone()));
        }
    }
}

/// What was not proven is forgotten with its last request.
impl Drop for Ticket {
    fn drop(&mut self) {
        let mut known = self.gate.lock();
        if let Some(seen) = known.signatures.get_mut(&self.signature) {
            seen.in_flight -= 1;
            if seen.in_flight == 0 && !seen.is_proven {
                known.signatures.remove(&self.signature);
            }
        }
    }
}

impl Signature {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let authorization = Authorization::of(headers)?;
        Some(Self {
            access_key: authorization.access_key.to_owned(),
            signed_at: authorization.signed_at,
            // The crate takes lower case only; a server may take both.
            signature: authorization.signature.to_ascii_lowercase(),
        })
    }

    fn is_near(&self, clock: SystemTime) -> bool {
        let distance = DateTime::<Utc>::from(clock).naive_utc() - self.signed_at;
        distance
            .abs()
            .to_std()
            .is_ok_and(|distance| distance <= LIFETIME)
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("it has no SigV4 signature in its headers"),
            Self::AnotherTime => {
                f.write_str("it was signed more than 15 minutes from the local time")
            }
            Self::Repeated => f.write_str("its signature came more than two seconds ago"),
            Self::Full => write!(f, "{MOST} others came in the last half an hour"),
        }
    }
}

/// As long as AWS accepts a signature.
const LIFETIME: Duration = Duration::from_mins(15);
/// Signatures have whole seconds, and the second of two equal calls may be a second
/// on its way.
const ALIKE: Duration = Duration::from_secs(2);
/// 55 calls a second, for half an hour; about 30 MB.
pub(crate) const MOST: usize = 100_000;

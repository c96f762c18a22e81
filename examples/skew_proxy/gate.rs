//! Which requests are corrected.
//!
//! A proof says whose a signature is, not when it was made: an expired request
//! that somebody kept would be revived by a new signature. So each signature is
//! corrected for two seconds, since a program's equal calls of one second are signed
//! alike, and none that is more than 15 minutes older than the newest that a server
//! has accepted from that access key: a clock may be wrong, but it goes forward.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::NaiveDateTime;
use http::HeaderMap;

/// What is known of each access key.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<HashMap<String, Known>>);

#[derive(Debug, Default)]
struct Known {
    newest: Option<NaiveDateTime>,
    /// The signatures that have been corrected. Those that are too old to pass are
    /// forgotten.
    spent: BTreeMap<String, Spent>,
}

#[derive(Debug)]
struct Spent {
    signed_at: NaiveDateTime,
    /// The boot clock when it came first.
    came: Duration,
}

/// A request that may be corrected.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    access_key: String,
    signed_at: NaiveDateTime,
}

impl Gate {
    /// Lets a request be corrected, unless it may be one that somebody kept. `boot`
    /// is what the boot clock reads now.
    pub(crate) fn admit(&self, headers: &HeaderMap, boot: Duration) -> Option<Ticket> {
        let authorization = headers.get("authorization")?.to_str().ok()?;
        let (_, rest) = authorization.split_once("Credential=")?;
        let (access_key, _) = rest.split_once('/')?;
        let (_, signature) = authorization.split_once("Signature=")?;
        let date = headers.get("x-amz-date")?.to_str().ok()?;
        let signed_at = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").ok()?;

        let mut all = self.lock();
        let known = all.entry(access_key.to_owned()).or_default();
        let is_too_old = known
            .newest
            .is_some_and(|newest| signed_at + LIFETIME < newest);
        if is_too_old {
            return None;
        }
        let spent = known.spent.entry(signature.to_owned());
        let spent = spent.or_insert(Spent {
            signed_at,
            came: boot,
        });
        if boot.saturating_sub(spent.came) > ALIKE {
            return None;
        }
        Some(Ticket {
            access_key: access_key.to_owned(),
            signed_at,
        })
    }

    /// A server has accepted it, as it was or corrected: its signature was proven.
    pub(crate) fn accepted(&self, ticket: Ticket) {
        let mut all = self.lock();
        let known = all.entry(ticket.access_key).or_default();
        let newest = known.newest.max(Some(ticket.signed_at));
        known.newest = newest;
        known
            .spent
            .retain(|_, spent| newest.is_none_or(|newest| spent.signed_at + LIFETIME >= newest));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as AWS accepts a signature.
const LIFETIME: Duration = Duration::from_mins(15);
/// Signatures have whole seconds, and the second of two equal calls may be a second
/// on its way.
const ALIKE: Duration = Duration::from_secs(2);

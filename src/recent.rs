//! [`RecentCredentials`]: the credentials that requests in flight may be signed with.
//!
//! When the clock changes, the identity cache loads credentials again, and often gets new
//! ones. Error responses to requests that were signed with the old credentials are still to
//! come, and re-signing those requests needs the old credentials.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;

/// Credentials by their access key, kept for as long as a request can be in flight.
#[derive(Debug, Default)]
pub(crate) struct RecentCredentials(Mutex<HashMap<Box<str>, Entry>>);

#[derive(Debug)]
struct Entry {
    credentials: Credentials,
    /// When the credentials were last used, on the monotonic clock.
    used: Duration,
}

impl RecentCredentials {
    /// Keeps credentials that are in use now.
    pub(crate) fn remember(&self, credentials: &Credentials, mono: Duration) {
        let mut known = self.lock();
        if let Some(entry) = known.get_mut(credentials.access_key_id()) {
            entry.used = mono;
            entry.credentials = credentials.clone();
            return;
        }
        // This takes no time in comparison with the load of the new credentials.
        known.retain(|_, entry| {
            // A monotonic clock that goes back restarts the period.
            entry.used = entry.used.min(mono);
            mono.saturating_sub(entry.used) < IN_FLIGHT
        });
        let entry = Entry {
            credentials: credentials.clone(),
            used: mono,
        };
        known.insert(credentials.access_key_id().into(), entry);
    }

    /// Returns the credentials that were last used with this access key.
    pub(crate) fn find(&self, access_key: &str) -> Option<Credentials> {
        let known = self.lock();
        Some(known.get(access_key)?.credentials.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No service accepts a signature for longer than 15 minutes. The rest of the hour allows
/// for a slow response.
const IN_FLIGHT: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(tenant: usize) -> Credentials {
        Credentials::new(format!("AKID{tenant}"), "secret", None, None, "test")
    }

    #[test]
    fn credentials_are_kept_as_long_as_a_request_can_be_in_flight() {
        // In the last case a checkpoint is restored, and the monotonic clock goes back.
        for start in [0, 86_400, 864_000] {
            let recent = RecentCredentials::default();
            let first = if start == 864_000 { 0 } else { start };
            for tenant in 0..100 {
                recent.remember(&credentials(tenant), Duration::from_secs(start));
            }
            for tenant in 100..400 {
                recent.remember(&credentials(tenant), Duration::from_secs(first));
            }
            for tenant in 0..400 {
                assert!(recent.find(&format!("AKID{tenant}")).is_some(), "{tenant}");
            }
            let later = Duration::from_secs(first) + IN_FLIGHT;
            for tenant in 400..900 {
                recent.remember(&credentials(tenant), later);
            }
            let known = recent.lock().len();
            assert!(known <= 512, "{known}");
        }
    }
}

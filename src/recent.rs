//! [`RecentCredentials`]: what requests on their way may be signed with.
//!
//! When the clock moves, credentials are asked for anew and are often others,
//! while the rejections of what the old ones have signed are yet to come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_credential_types::Credentials;

/// The last few.
#[derive(Debug, Default)]
pub(crate) struct RecentCredentials(Mutex<VecDeque<Credentials>>);

impl RecentCredentials {
    pub(crate) fn remember(&self, credentials: &Credentials) {
        let mut recent = self.lock();
        if recent.iter().rev().any(|known| is_same(known, credentials)) {
            return;
        }
        if recent.len() >= MOST {
            recent.pop_front();
        }
        recent.push_back(credentials.clone());
    }

    /// Returns the last ones with this access key.
    pub(crate) fn find(&self, access_key: &str) -> Option<Credentials> {
        let recent = self.lock();
        let mut latest_first = recent.iter().rev();
        latest_first
            .find(|known| known.access_key_id() == access_key)
            .cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Credentials>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id() == other.access_key_id()
        && one.secret_access_key() == other.secret_access_key()
        && one.session_token() == other.session_token()
        && one.expiry() == other.expiry()
}

/// A process has a handful of roles, and of each the last two are of interest.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(key: &str, secret: &str) -> Credentials {
        Credentials::new(key, secret, None, None, "test")
    }

    #[test]
    fn the_last_ones_of_a_key_are_found_and_the_oldest_forgotten() {
        let recent = RecentCredentials::default();
        recent.remember(&credentials("a", "1"));
        recent.remember(&credentials("b", "2"));
        recent.remember(&credentials("a", "3"));
        let secret = |key| {
            let found = recent.find(key)?;
            Some(found.secret_access_key().to_owned())
        };
        assert_eq!(secret("a").as_deref(), Some("3"));
        assert_eq!(secret("c"), None);
        for number in 0..MOST - 1 {
            recent.remember(&credentials(&format!("key {number}"), "4"));
            recent.remember(&credentials(&format!("key {number}"), "4"));
        }
        assert_eq!(secret("b"), None);
        assert_eq!(secret("a").as_deref(), Some("3"));
    }
}

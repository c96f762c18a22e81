//! [`CachedCredentials`]: asked of their provider until they expire by the clock
//! that is known now.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::clock::SkewClock;
use crate::recent::RecentCredentials;

/// Shared by all clones of a layer's services.
#[derive(Clone, Debug)]
pub(super) struct CachedCredentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<Known>>,
    /// Of this layer alone: it signs for nobody else.
    recent: RecentCredentials,
    /// Held while the provider is asked, so that a thousand requests ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    credentials: Credentials,
    /// Credentials judged by another clock are judged again.
    epoch: u64,
}

impl CachedCredentials {
    pub(super) fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self(Arc::new(Inner {
            provider: SharedCredentialsProvider::new(provider),
            known: Mutex::new(None),
            recent: RecentCredentials::default(),
            asking: tokio::sync::Mutex::new(()),
        }))
    }

    /// Returns the credentials, if they are known and good.
    pub(super) fn known(&self, clock: &SkewClock) -> Option<Credentials> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .filter(|known| {
                known.epoch == clock.epoch() && is_good(&known.credentials, clock.now())
            })
            .map(|known| known.credentials.clone())
    }

    /// Returns the credentials, and asks the provider for them if need be. `None`
    /// if it has none.
    pub(super) async fn get(&self, clock: &SkewClock) -> Option<Credentials> {
        if let Some(known) = self.known(clock) {
            return Some(known);
        }
        let _asking = self.0.asking.lock().await;
        // Somebody else may have asked in the meantime.
        if let Some(known) = self.known(clock) {
            return Some(known);
        }
        let epoch = clock.epoch();
        let credentials = self.0.provider.provide_credentials().await.ok()?;
        self.0.recent.remember(&credentials);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Known {
            credentials: credentials.clone(),
            epoch,
        });
        Some(credentials)
    }

    /// Returns the last ones with this access key, good or not.
    pub(super) fn recent(&self, access_key: &str) -> Option<Credentials> {
        self.0.recent.find(access_key)
    }
}

fn is_good(credentials: &Credentials, now: SystemTime) -> bool {
    credentials
        .expiry()
        .is_none_or(|expiry| expiry.duration_since(now).is_ok_and(|left| left > BUFFER))
}

/// As the SDK's own cache: time for the request to arrive.
const BUFFER: Duration = Duration::from_secs(10);

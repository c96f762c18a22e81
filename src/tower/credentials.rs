//! [`CachedCredentials`]: asked of their provider until they expire by the clock
//! that is known now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::clock::SkewClock;

/// Shared by all clones of a layer's services.
#[derive(Clone, Debug)]
pub(super) struct CachedCredentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: SharedCredentialsProvider,
    known: Mutex<Kept>,
    /// Held while the provider is asked, so that a thousand requests ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    last: Option<Known>,
    /// What the requests may be signed with that are still on their way.
    last_but_one: Option<Credentials>,
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
            known: Mutex::default(),
            asking: tokio::sync::Mutex::new(()),
        }))
    }

    /// Returns the credentials, if they are known and good.
    pub(super) fn known(&self, clock: &SkewClock) -> Option<Credentials> {
        self.lock()
            .last
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
        let mut kept = self.lock();
        let before = kept.last.replace(Known {
            credentials: credentials.clone(),
            epoch,
        });
        if let Some(before) = before
            && before.credentials.access_key_id() != credentials.access_key_id()
        {
            kept.last_but_one = Some(before.credentials);
        }
        Some(credentials)
    }

    /// Returns the credentials with this access key, good or not, if they are
    /// among those that were known last.
    pub(super) fn kept(&self, access_key: &str) -> Option<Credentials> {
        let kept = self.lock();
        let last = kept.last.as_ref().map(|known| &known.credentials);
        let mut all = last.into_iter().chain(&kept.last_but_one);
        all.find(|credentials| credentials.access_key_id() == access_key)
            .cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_good(credentials: &Credentials, now: SystemTime) -> bool {
    credentials
        .expiry()
        .is_none_or(|expiry| expiry.duration_since(now).is_ok_and(|left| left > BUFFER))
}

/// As the SDK's own cache: time for the request to arrive.
const BUFFER: Duration = Duration::from_secs(10);

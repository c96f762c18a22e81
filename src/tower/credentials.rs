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
    generation: u64,
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
        self.known_at(clock, clock.now())
    }

    /// Returns credentials that are valid at a time, or `None` if none could be had.
    ///
    /// When the clock has changed the provider is asked again; where it fails, the
    /// credentials at hand are used as long as they are valid.
    pub(super) async fn get(&self, clock: &SkewClock, at: SystemTime) -> Option<Credentials> {
        if let Some(known) = self.known_at(clock, at) {
            return Some(known);
        }
        let _asking = self.0.asking.lock().await;
        // Somebody else may have asked in the meantime.
        if let Some(known) = self.known_at(clock, at) {
            return Some(known);
        }
        let generation = clock.generation();
        let loaded = self.0.provider.provide_credentials().await;
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(credentials) = loaded else {
            let last = known.as_mut()?;
            let is_valid = last.credentials.expiry().is_none_or(|expiry| expiry > at);
            if is_valid {
                last.generation = generation;
            }
            return is_valid.then(|| last.credentials.clone());
        };
        let previous = known.replace(Known {
            credentials: credentials.clone(),
            generation,
        });
        if let Some(previous) = previous {
            let mono = clock.reading().boot;
            self.0.recent.remember(&previous.credentials, mono);
        }
        Some(credentials)
    }

    /// Returns credentials with this access key, valid or not: the present ones, which are
    /// not asked for again to prove a signature, or others of a request in flight.
    pub(super) fn recent(&self, access_key: &str) -> Option<Credentials> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let present = known.as_ref().map(|known| &known.credentials);
        match present.filter(|present| present.access_key_id() == access_key) {
            Some(present) => Some(present.clone()),
            None => self.0.recent.find(access_key),
        }
    }

    fn known_at(&self, clock: &SkewClock, at: SystemTime) -> Option<Credentials> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .filter(|known| {
                known.generation == clock.generation() && is_good(&known.credentials, at)
            })
            .map(|known| known.credentials.clone())
    }
}

fn is_good(credentials: &Credentials, now: SystemTime) -> bool {
    credentials
        .expiry()
        .is_none_or(|expiry| expiry.duration_since(now).is_ok_and(|left| left > BUFFER))
}

/// As the SDK's own cache: time for the request to arrive.
const BUFFER: Duration = Duration::from_secs(10);

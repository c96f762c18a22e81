//! [`CachedCredentials`]: asked of their provider until they expire by the clock
//! that is known now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
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
    /// How often credentials were loaded.
    loads: AtomicU64,
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
            asking: tokio::sync::Mutex::default(),
            loads: AtomicU64::new(0),
        }))
    }

    /// Returns the credentials, if they are known and good.
    pub(super) fn known(&self, clock: &SkewClock) -> Option<Credentials> {
        self.known_at(clock, clock.now())
    }

    /// Returns credentials that are valid at a time.
    ///
    /// When the clock has changed the provider is asked again; where it fails or takes too
    /// long, the credentials at hand are used as long as they are valid.
    ///
    /// # Errors
    ///
    /// The provider's, if there are no valid credentials at hand.
    pub(super) async fn get(
        &self,
        clock: &SkewClock,
        at: SystemTime,
    ) -> Result<Credentials, CredentialsError> {
        if let Some(known) = self.known_at(clock, at) {
            return Ok(known);
        }
        let loads = self.0.loads.load(Ordering::Relaxed);
        let _asking = self.0.asking.lock().await;
        if self.0.loads.load(Ordering::Relaxed) != loads {
            // Those that wait share what is loaded, even if this clock takes it for
            // expired: the provider has nothing newer.
            if let Some(known) = self.last() {
                return Ok(known);
            }
        }
        let generation = clock.generation();
        let fallback = self.last();
        let fallback = fallback.filter(|last| last.expiry().is_none_or(|expiry| expiry > at));
        let asked = self.0.provider.provide_credentials();
        let (credentials, replaced) = match fallback {
            None => (asked.await?, self.last()),
            Some(last) => match tokio::time::timeout(LONGEST_WAIT, asked).await {
                Ok(Ok(credentials)) => (credentials, Some(last)),
                _ => (last, None),
            },
        };
        if let Some(replaced) = replaced {
            let mono = clock.reading().boot;
            self.0.recent.remember(&replaced, mono);
        }
        *self.lock() = Some(Known {
            credentials: credentials.clone(),
            generation,
        });
        self.0.loads.fetch_add(1, Ordering::Relaxed);
        Ok(credentials)
    }

    /// Returns credentials with this access key, valid or not: the present ones, which are
    /// not asked for again to prove a signature, or others of a request in flight.
    pub(super) fn recent(&self, access_key: &str) -> Option<Credentials> {
        let known = self.lock();
        let present = known.as_ref().map(|known| &known.credentials);
        match present.filter(|present| present.access_key_id() == access_key) {
            Some(present) => Some(present.clone()),
            None => self.0.recent.find(access_key),
        }
    }

    fn known_at(&self, clock: &SkewClock, at: SystemTime) -> Option<Credentials> {
        self.lock()
            .as_ref()
            .filter(|known| {
                known.generation == clock.generation() && is_good(&known.credentials, at)
            })
            .map(|known| known.credentials.clone())
    }

    fn last(&self) -> Option<Credentials> {
        self.lock().as_ref().map(|known| known.credentials.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
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
/// How long a provider is waited for while there are other credentials; the load time-out
/// of the SDK's own cache. Without others its answer is waited for, however long it takes.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

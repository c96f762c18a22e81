//! [`CachedCredentials`]: asked of their provider until they expire by the clock
//! that is known now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::clock::SkewClock;
use crate::lifetime::{Clocks, Lifetime};
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
    /// How often it has answered.
    loads: AtomicU64,
}

#[derive(Debug)]
struct Known {
    credentials: Credentials,
    lifetime: Lifetime,
}

impl CachedCredentials {
    pub(super) fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self(Arc::new(Inner {
            provider: SharedCredentialsProvider::new(provider),
            known: Mutex::new(None),
            recent: RecentCredentials::default(),
            asking: tokio::sync::Mutex::new(()),
            loads: AtomicU64::new(0),
        }))
    }

    /// Returns the credentials, if they are known and good.
    pub(super) fn known(&self, clock: &SkewClock) -> Option<Credentials> {
        self.known_at(clock, clock.now())
    }

    /// Returns credentials that are valid at a time, or `None` if none could be had.
    ///
    /// Those that a wrong clock has loaded are asked for again; where the provider fails, the
    /// credentials at hand are used as long as they may be valid.
    pub(super) async fn get(&self, clock: &SkewClock, at: SystemTime) -> Option<Credentials> {
        if let Some(known) = self.known_at(clock, at) {
            return Some(known);
        }
        let loads = self.0.loads.load(Ordering::Relaxed);
        let _asking = self.0.asking.lock().await;
        if self.0.loads.load(Ordering::Relaxed) != loads {
            // Somebody else has asked in the meantime: there are none that are newer, even
            // if they have expired by a clock that is ahead.
            return Some(self.lock().as_ref()?.credentials.clone());
        }
        let loaded = clock.clocks();
        let credentials = self.0.provider.provide_credentials().await;
        let Ok(mut credentials) = credentials else {
            let mut known = self.lock();
            let last = known.as_mut()?;
            last.lifetime.loaded.generation = loaded.generation;
            let may_be_valid = last.lifetime.may_be_valid(Clocks { now: at, ..loaded });
            return may_be_valid.then(|| last.credentials.clone());
        };
        if let Some(expiry) = clock.corrected_expiry(credentials.expiry()) {
            *credentials.expiry_mut() = Some(expiry);
        }
        let expiry = credentials.expiry();
        let previous = self.lock().replace(Known {
            credentials: credentials.clone(),
            lifetime: Lifetime { expiry, loaded },
        });
        self.0.loads.fetch_add(1, Ordering::Relaxed);
        if let Some(previous) = previous {
            let mono = clock.reading().boot;
            self.0.recent.remember(&previous.credentials, mono);
        }
        Some(credentials)
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
        let mut known = self.lock();
        let known = known.as_mut()?;
        let clocks = clock.clocks();
        let left = known.lifetime.left(Clocks { now: at, ..clocks })?;
        (left > BUFFER).then(|| known.credentials.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the SDK's own cache: time for the request to arrive.
const BUFFER: Duration = Duration::from_secs(10);

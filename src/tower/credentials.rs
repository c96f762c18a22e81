//! [`CachedCredentials`]: credentials that are loaded again when they expire by the
//! corrected clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::clock::SkewClock;
use crate::lifetime::{AfterLoad, Clocks, Lifetime};
use crate::recent::RecentCredentials;

/// The credentials of a layer, shared by all of its services.
pub(super) struct CachedCredentials {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<Known>>,
    /// Credentials that requests of this layer in flight may be signed with.
    recent: RecentCredentials,
    /// Held while the provider loads, so that a thousand waiting requests cause one load.
    asking: tokio::sync::Mutex<()>,
    /// Counts loads.
    loads: AtomicU64,
}

struct Known {
    credentials: Credentials,
    lifetime: Lifetime,
}

impl CachedCredentials {
    pub(super) fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self {
            provider: SharedCredentialsProvider::new(provider),
            known: Mutex::new(None),
            recent: RecentCredentials::default(),
            asking: tokio::sync::Mutex::new(()),
            loads: AtomicU64::new(0),
        }
    }

    /// Returns the credentials if they were loaded and are valid at the time `at`.
    fn known(&self, clock: &SkewClock, at: SystemTime) -> Option<Credentials> {
        let mut known = self.lock();
        let known = known.as_mut()?;
        let clocks = clock.clocks();
        let left = known.lifetime.left(Clocks { now: at, ..clocks })?;
        (left > BUFFER).then(|| known.credentials.clone())
    }

    /// Returns credentials that are valid at the time `at`.
    ///
    /// Credentials that were loaded by a wrong clock are loaded again. If the provider
    /// fails or takes longer than 5 s, the present credentials are used as long as they may
    /// be valid.
    ///
    /// # Errors
    ///
    /// Returns the error of the provider if the present credentials cannot be valid.
    pub(super) async fn get(
        &self,
        clock: &SkewClock,
        at: SystemTime,
    ) -> Result<Credentials, CredentialsError> {
        if let Some(known) = self.known(clock, at) {
            return Ok(known);
        }
        let loads = self.loads.load(Ordering::Relaxed);
        let _asking = self.asking.lock().await;
        if self.loads.load(Ordering::Relaxed) != loads
            && let Some(known) = self.lock().as_ref()
        {
            // Another request has loaded these in the meantime. They are used even if they
            // have expired by a clock that is ahead: the provider has no newer ones.
            return Ok(known.credentials.clone());
        }
        let loaded = clock.clocks();
        // The present credentials are then used until the next generation.
        let _after = AfterLoad(|| {
            if let Some(known) = self.lock().as_mut() {
                known.lifetime.settle(loaded.generation);
            }
        });
        let asked = self.provider.provide_credentials();
        let answer = match self.fallback(Clocks { now: at, ..loaded }) {
            None => asked.await?,
            Some(last) => match tokio::time::timeout(LONGEST_WAIT, asked).await {
                Ok(Ok(credentials)) => credentials,
                _ => return Ok(last),
            },
        };
        Ok(self.replace(answer, clock, loaded))
    }

    /// Returns the present credentials if they may be valid.
    fn fallback(&self, clocks: Clocks) -> Option<Credentials> {
        let known = self.lock();
        let last = known.as_ref()?;
        let may_be_valid = last.lifetime.may_be_valid(clocks);
        may_be_valid.then(|| last.credentials.clone())
    }

    fn replace(&self, mut new: Credentials, clock: &SkewClock, loaded: Clocks) -> Credentials {
        let stated = new.expiry();
        if let Some(expiry) = clock.corrected_expiry(stated) {
            *new.expiry_mut() = Some(expiry);
        }
        let expiry = new.expiry();
        let previous = self.lock().replace(Known {
            credentials: new.clone(),
            lifetime: Lifetime {
                expiry,
                stated,
                loaded,
            },
        });
        self.loads.fetch_add(1, Ordering::Relaxed);
        if let Some(previous) = previous {
            let mono = clock.reading().monotonic;
            self.recent.remember(&previous.credentials, mono);
        }
        new
    }

    /// Returns the credentials with this access key, expired or not: the present ones, or
    /// those of a request in flight. To reproduce a signature, nothing is loaded.
    pub(super) fn recent(&self, access_key: &str) -> Option<Credentials> {
        let known = self.lock();
        let present = known.as_ref().map(|known| &known.credentials);
        match present.filter(|present| present.access_key_id() == access_key) {
            Some(present) => Some(present.clone()),
            None => self.recent.find(access_key),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Credentials are loaded again this long before they expire, so that the request arrives
/// in time. The SDK's own cache does the same.
const BUFFER: Duration = Duration::from_secs(10);
/// How long to wait for a provider while there are other credentials; the load timeout of
/// the SDK's own cache. Without other credentials there is no limit.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

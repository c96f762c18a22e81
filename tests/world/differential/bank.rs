//! Who gives out credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::scenario::{Keys, Scenario, Setting};
use crate::clocks::World;
use crate::site::{ACCESS_KEY, SECRET};

/// Gives them out to all tenants, until it is closed.
pub(super) struct Bank {
    keys: Keys,
    world: World,
    is_closed: Arc<AtomicBool>,
}

impl Bank {
    pub(super) fn new(scenario: &Scenario, world: &World) -> Self {
        let keys = scenario.settings().filter_map(|setting| match setting {
            Setting::Keys(keys) => Some(keys),
            _ => None,
        });
        Self {
            keys: keys.last().unwrap_or_default(),
            world: world.clone(),
            is_closed: Arc::default(),
        }
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn provider(&self, tenant: usize, has_wrong_key: bool) -> Provider {
        Provider(Arc::new(Inner {
            keys: self.keys,
            world: self.world.clone(),
            is_closed: self.is_closed.clone(),
            tenant,
            has_wrong_key,
            loads: AtomicUsize::new(0),
        }))
    }
}

/// The credentials of one client.
#[derive(Clone, Debug)]
pub(super) struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Keys,
    world: World,
    is_closed: Arc<AtomicBool>,
    tenant: usize,
    has_wrong_key: bool,
    loads: AtomicUsize,
}

impl Provider {
    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let inner = &*self.0;
        let count = inner.loads.fetch_add(1, Ordering::Relaxed);
        let is_closed = inner.is_closed.load(Ordering::Relaxed);
        let secret = if inner.has_wrong_key {
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYANOTHERKEY"
        } else {
            SECRET
        };
        let tenant = inner.tenant;
        let valid = match inner.keys {
            Keys::Static => {
                let key = format!("{ACCESS_KEY}{tenant}");
                return Ok(Credentials::new(key, secret, None, None, "scenario"));
            }
            Keys::Once { .. } if count > 0 => return Err(CredentialsError::not_loaded("again")),
            _ if is_closed => return Err(CredentialsError::not_loaded("closed")),
            Keys::Once { valid } => valid,
            Keys::Rotating { valid, takes } => {
                tokio::time::sleep(takes).await;
                valid
            }
        };
        let expiry = inner.world.true_time() + valid;
        let seconds = expiry.duration_since(UNIX_EPOCH);
        let seconds = seconds.expect("is later").as_secs();
        let key = format!("EXP{seconds}N{tenant}N{count}");
        let token = Some("token".to_owned());
        Ok(Credentials::new(
            key,
            secret,
            token,
            Some(expiry),
            "scenario",
        ))
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

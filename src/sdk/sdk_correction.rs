//! [`SdkCorrection`], the state of the SDK's own correction, and [`Switch`], which turns it
//! off.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_runtime::service_clock_skew::{DisableClockSkewCorrection, ServiceClockSkewInterceptor};
use aws_smithy_runtime_api::client::interceptors::{
    DisableInterceptor, Intercept, disable_interceptor,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The state of the SDK's own correction in an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SdkCorrection {
    On,
    /// Switched off before it acted; it does not shift signatures.
    NeverOn,
    /// Switched off after the first signature. The offset that it had by then still shifts
    /// the signatures of later attempts.
    Off,
}

/// Switches the SDK's own correction off for operations of one client.
#[derive(Debug, Default)]
pub(super) struct Switch {
    /// Whether its interceptor can be disabled; set when our signer has signed for the first
    /// time. If it cannot, the SDK's own setting is used, after each signature.
    can_disable: OnceLock<bool>,
    /// Whether it is disabled only after each signature, because another signer may need it.
    is_late: AtomicBool,
}

impl Switch {
    /// Switches it off for the rest of the operation, before it acts, if possible. It is
    /// possible if our signer has signed all operations of this client so far. If an
    /// operation turns out to use another signer, it is switched on again after that
    /// signature; until then the SDK's own correction has no offset that could be lost.
    ///
    /// S3 is an exception: while it resolves an identity, S3 Express makes the client for
    /// its sessions from the operation's config, and that client needs the SDK's own
    /// correction.
    pub(super) fn off_early(&self, cfg: &mut ConfigBag) -> bool {
        let is_early =
            self.can_disable.get() == Some(&true) && !self.is_late.load(Ordering::Relaxed);
        if is_early {
            disable(cfg);
        }
        is_early
    }

    /// Switches it off for the rest of the operation.
    pub(super) fn off(&self, components: &RuntimeComponents, cfg: &mut ConfigBag) {
        let can_disable = *self.can_disable.get_or_init(|| {
            if cfg.load::<Metadata>().map(Metadata::service) == Some("S3") {
                self.is_late.store(true, Ordering::Relaxed);
            }
            can_disable(components)
        });
        if can_disable {
            disable(cfg);
        } else {
            let bag = cfg.interceptor_state();
            bag.store_put(DisableClockSkewCorrection::from(true));
        }
    }

    /// Switches it on again, because another signer has signed.
    pub(super) fn on(&self, cfg: &mut ConfigBag) {
        self.is_late.store(true, Ordering::Relaxed);
        let bag = cfg.interceptor_state();
        bag.unset::<DisableInterceptor<ServiceClockSkewInterceptor>>();
    }
}

/// Disables the interceptor of the SDK's own correction. This costs less than the SDK's own
/// setting: the SDK checks the former before each hook, and the latter inside the hooks.
fn disable(cfg: &mut ConfigBag) {
    let disabled = disable_interceptor::<ServiceClockSkewInterceptor>("aws-clock-skew corrects");
    cfg.interceptor_state().store_put(disabled);
}

/// A permanent interceptor panics if it is disabled, and only its `Debug` text shows whether
/// it is permanent.
fn can_disable(components: &RuntimeComponents) -> bool {
    let name = ServiceClockSkewInterceptor::new().name();
    let own = components.interceptors().find(|known| known.name() == name);
    own.is_some_and(|known| format!("{known:?}").contains("permanent: false"))
}

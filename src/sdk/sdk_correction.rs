//! [`SdkCorrection`]: the SDK's own correction, and [`Switch`], which turns it off.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_runtime::service_clock_skew::{DisableClockSkewCorrection, ServiceClockSkewInterceptor};
use aws_smithy_runtime_api::client::interceptors::{
    DisableInterceptor, Intercept, disable_interceptor,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// What the SDK's own correction does in an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SdkCorrection {
    On,
    /// It was switched off before it acted, and adds nothing to signatures.
    NeverOn,
    /// It was switched off after the first signature. What it knew by then is added to the
    /// signatures of later attempts.
    Off,
}

/// Switches it off for operations of one client.
#[derive(Debug, Default)]
pub(super) struct Switch {
    /// Known once our signer has signed.
    way: OnceLock<Way>,
    /// An operation of this client was not signed by our signer.
    has_others: AtomicBool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// Its interceptor is disabled before it acts.
    Early,
    /// The same after each signature.
    Late,
    /// By its own setting, after each signature.
    Setting,
}

impl Switch {
    /// Returns whether it can be switched off before it acts: our signer signs all that this
    /// client sends, as far as is known. An operation with another signer, by a config of its
    /// own, is found out after that has signed, before the SDK's own correction knows anything
    /// that could be lost.
    ///
    /// S3 is an exception: S3 Express makes the client for its sessions from an operation's
    /// config while it resolves the identity, and that client needs it.
    pub(super) fn is_early(&self) -> bool {
        self.way.get() == Some(&Way::Early) && !self.has_others.load(Ordering::Relaxed)
    }

    /// Keeps it out of the rest of the operation. The SDK looks for `DisableInterceptor`
    /// before each hook, and finds it at once: that costs less than the SDK's own setting,
    /// which is asked for in the hooks.
    pub(super) fn off(&self, components: &RuntimeComponents, cfg: &mut ConfigBag) {
        let way = self.way.get_or_init(|| Way::of(components, cfg));
        let bag = cfg.interceptor_state();
        if *way == Way::Setting {
            bag.store_put(DisableClockSkewCorrection::from(true));
        } else {
            bag.store_put(disable_interceptor::<ServiceClockSkewInterceptor>(
                "aws-clock-skew corrects",
            ));
        }
    }

    /// Switches it on again after it was switched off early, because another signer has signed.
    pub(super) fn on_again(&self, cfg: &mut ConfigBag) {
        self.has_others.store(true, Ordering::Relaxed);
        let bag = cfg.interceptor_state();
        bag.unset::<DisableInterceptor<ServiceClockSkewInterceptor>>();
    }
}

impl Way {
    fn of(components: &RuntimeComponents, cfg: &ConfigBag) -> Self {
        let name = ServiceClockSkewInterceptor::new().name();
        let own = components.interceptors().find(|known| known.name() == name);
        // A permanent interceptor panics if it is disabled, and nothing but its `Debug` text
        // tells.
        let can_disable =
            own.is_some_and(|known| format!("{known:?}").contains("permanent: false"));
        match cfg.load::<Metadata>().map(Metadata::service) {
            _ if !can_disable => Self::Setting,
            Some("S3") => Self::Late,
            _ => Self::Early,
        }
    }
}

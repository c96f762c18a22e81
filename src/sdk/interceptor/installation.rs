//! What the client has beside this interceptor, and who corrects it.

use std::sync::atomic::Ordering;

use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::SigningName;

use super::SkewInterceptor;
use crate::event::{Details, EventKind, Label, Missing, SkewEvent};
use crate::sdk::native;
use crate::sdk::operation::Native;
use crate::sdk::retry_classifier::NAME;
use crate::sdk::time_source::Asked;

impl SkewInterceptor {
    pub(super) fn missing(
        &self,
        asked: Option<Asked>,
        components: &RuntimeComponents,
    ) -> Option<Missing> {
        let has_time_source = asked.is_some_and(|asked| asked.is(&self.clock));
        match (has_time_source, self.has_classifier(components)) {
            (true, true) => None,
            (true, false) => Some(Missing::RetryClassifier),
            (false, true) => Some(Missing::TimeSource),
            (false, false) => Some(Missing::Both),
        }
    }

    fn has_classifier(&self, components: &RuntimeComponents) -> bool {
        let (count, _) = components.retry_classifiers().size_hint();
        let is_known = count != 0 && count == self.classifiers.load(Ordering::Relaxed);
        is_known || self.finds_classifier(components)
    }

    /// Asks each retry classifier for its name.
    pub(super) fn finds_classifier(&self, components: &RuntimeComponents) -> bool {
        let mut classifiers = components.retry_classifiers();
        let (count, _) = classifiers.size_hint();
        let is_there = classifiers.any(|classifier| classifier.name() == NAME);
        let count = if is_there { count } else { 0 };
        self.classifiers.store(count, Ordering::Relaxed);
        is_there
    }

    pub(super) fn complain(&self, missing: Missing, cfg: &ConfigBag) {
        if self.has_complained.swap(true, Ordering::Relaxed) {
            return;
        }
        let metadata = cfg.load::<Metadata>();
        let details = Details {
            service: service_of(cfg).and_then(Label::of_service),
            method: metadata.and_then(|metadata| Label::new(metadata.name())),
            ..Details::default()
        };
        let kind = EventKind::IncompleteInstallation { missing };
        self.clock.enter(|_, _| SkewEvent::new(kind, details));
    }

    /// We do, or the SDK itself, for a host in dispute.
    pub(super) fn settle_who_corrects(&self, cfg: &mut ConfigBag) -> Native {
        // It is a setting of the client. An operation that differs is seen where the
        // client has it off; where it has it on, switching it off twice is no harm.
        let may_be_off = *self.native_is_off.get_or_init(|| native::is_off(cfg));
        let is_in_dispute = self.is_in_dispute.load(Ordering::Relaxed);
        if (may_be_off || is_in_dispute) && native::is_off(cfg) {
            return Native::AsSet;
        }
        if is_in_dispute {
            return Native::Acting;
        }
        native::switch_off(cfg);
        Native::Silenced
    }
}

/// Returns the service's name in signatures, as the other integrations have it; the SDK's
/// own name of it may be another, such as `CloudWatch Logs` for `logs`.
pub(super) fn service_of(cfg: &ConfigBag) -> Option<&str> {
    let name = cfg.load::<SigningName>().map(AsRef::as_ref);
    name.or_else(|| cfg.load::<Metadata>().map(Metadata::service))
}

//! [`SkewInterceptor`]: an interceptor that observes the responses of one client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;

use crate::clock::SkewClock;
use crate::decide::{Decision, Exchange};
use crate::event::{Details, Label, Missing, SkipReason};
use crate::evidence::Evidence;
use crate::sdk::http_client::must_observe;
use crate::sdk::operation::{OperationState, Signed, request_resend, service_of, view};
use crate::sdk::retry_classifier::is_ours;
use crate::sdk::sdk_correction::{SdkCorrection, Switch};

/// Interceptor that updates the clock from the responses of one client, and requests one
/// more attempt if a new signature can help.
///
/// It acts only on attempts that the [`SkewAuthScheme`](super::SkewAuthScheme) of the same
/// clock has signed, and the extra attempt needs the
/// [`SkewRetryClassifier`](super::SkewRetryClassifier). [`install!`](crate::install)
/// installs all of them. It switches off the SDK's own correction for the operations that
/// it observes.
///
/// It never fails a call. The extra attempt counts neither against the client's attempts
/// nor against its retry quota. If the body cannot be sent again, the caller gets the error
/// of the service. If another retry classifier forbids the retry, there is no extra
/// attempt.
///
/// [`SkewClock::interceptor`] returns it.
#[derive(Debug)]
pub struct SkewInterceptor {
    clock: SkewClock,
    has_reported_missing: AtomicBool,
    has_auth_scheme: OnceLock<bool>,
    sdk_correction: Switch,
}

impl SkewClock {
    /// Returns an interceptor that updates the clock from the responses of one client.
    ///
    /// It needs [`auth_scheme`](Self::auth_scheme) and
    /// [`retry_classifier`](Self::retry_classifier) in the same client.
    ///
    /// ```no_run
    /// # fn wire(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) {
    /// let builder = aws_sdk_sqs::config::Builder::from(config)
    ///     .push_auth_scheme(clock.auth_scheme())
    ///     .retry_classifier(clock.retry_classifier())
    ///     .identity_cache(clock.identity_cache())
    ///     .time_source(clock.local_time())
    ///     .interceptor(clock.interceptor());
    /// # }
    /// ```
    pub fn interceptor(&self) -> SkewInterceptor {
        SkewInterceptor {
            clock: self.clone(),
            has_reported_missing: AtomicBool::new(false),
            has_auth_scheme: OnceLock::new(),
            sdk_correction: Switch::default(),
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for SkewInterceptor {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Switches off the SDK's own correction before it acts, if our signer is known to
    /// sign.
    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let has_classifier = components.retry_classifiers().any(is_ours);
        let sdk_correction = if has_classifier && self.sdk_correction.off_early(cfg) {
            SdkCorrection::NeverOn
        } else if cfg.interceptor_state().load::<OperationState>().is_none() {
            SdkCorrection::On
        } else {
            // Another interceptor of ours has stored its state.
            return Ok(());
        };
        let state = OperationState::new(has_classifier, sdk_correction);
        cfg.interceptor_state().store_put(state);
        Ok(())
    }

    fn read_after_signing(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(state) = cfg.get_mut_from_interceptor_state::<OperationState>() else {
            return Ok(());
        };
        let signed = state.signed();
        if !signed.is_some_and(|signed| signed.is_by(&self.clock)) {
            let is_unsigned = signed.is_none();
            self.clock.note_other_signer();
            if state.sdk_correction != SdkCorrection::On {
                state.sdk_correction = SdkCorrection::On;
                self.sdk_correction.on(cfg);
            }
            // Without our auth scheme the installation is incomplete. With it, the
            // operation uses another scheme, such as S3 Express, a bearer token, or none.
            if is_unsigned && !self.has_auth_scheme(components) {
                self.report_missing(Missing::AuthScheme, cfg);
            }
            return Ok(());
        }
        if state.sdk_correction != SdkCorrection::On || self.clock.is_observe_only() {
            return Ok(());
        }
        if state.has_classifier {
            state.sdk_correction = SdkCorrection::Off;
            self.sdk_correction.off(components, cfg);
        } else {
            // This client is left to the SDK's own correction. If its responses updated the
            // clock as well, both would correct the same offset.
            drop(state.take_signed_by(&self.clock));
            self.report_missing(Missing::RetryClassifier, cfg);
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(state) = cfg.get_mut_from_interceptor_state::<OperationState>() else {
            return Ok(());
        };
        // Most responses hold nothing that the clock has to observe.
        let must_observe = self.must_observe(state.signed(), context.response());
        if must_observe || state.has_resent() {
            self.complete_attempt(must_observe, context, cfg);
        }
        Ok(())
    }
}

impl SkewInterceptor {
    #[cold]
    #[inline(never)]
    fn complete_attempt(
        &self,
        must_observe: bool,
        context: &mut FinalizerInterceptorContextMut<'_>,
        cfg: &mut ConfigBag,
    ) {
        let attempt = cfg.load::<RequestAttempts>();
        let attempt = attempt.map_or(1, RequestAttempts::attempts);
        let Some(state) = cfg.get_mut_from_interceptor_state::<OperationState>() else {
            return;
        };
        let is_resend = state.is_resend(attempt);
        let has_resent = state.has_resent();
        let client_bucket = state.take_client_bucket(attempt);
        // If a client has two interceptors of one clock, only the first observes.
        let signed = state.take_signed_by(&self.clock);
        if let Some(client_bucket) = client_bucket {
            cfg.interceptor_state().store_put(client_bucket);
        }
        let Some(signed) = signed else {
            return;
        };
        let Some(response) = context.response() else {
            if is_resend {
                self.clock.resend_failed();
            }
            return;
        };
        if !is_resend && !must_observe {
            return;
        }
        if self.observe(&signed, is_resend, response, cfg) && !has_resent {
            request_resend(&signed, attempt, context, cfg);
        }
    }

    /// Returns whether the clock has to observe the response. It does not if another signer
    /// has signed the request.
    fn must_observe(&self, signed: Option<&Signed>, response: Option<&HttpResponse>) -> bool {
        let signed = signed.filter(|signed| signed.is_by(&self.clock));
        signed.zip(response).is_some_and(|(signed, response)| {
            must_observe(&self.clock, signed.sent, response, || signed.host())
        })
    }

    /// Observes a response, and returns whether the request has to be re-signed.
    fn observe(
        &self,
        signed: &Signed,
        is_resend: bool,
        response: &HttpResponse,
        cfg: &ConfigBag,
    ) -> bool {
        let is_success = response.status().is_success();
        let text = response.body().bytes().filter(|_| !is_success);
        let evidence = Evidence::read(&view(response, text.unwrap_or_default()));
        let host = signed.host();
        let exchange = Exchange {
            trip: signed.round_trip(self.clock.reading()),
            evidence: &evidence,
            host: host.as_ref(),
            service: service_of(cfg),
            operation: cfg.load::<Metadata>().map(Metadata::name),
            is_resend,
        };
        if self.clock.observe(&exchange) == Decision::Pass {
            return false;
        }
        if !signed.is_replayable {
            self.clock.resend_skipped(&exchange, SkipReason::Body);
        }
        signed.is_replayable
    }

    /// Returns whether the client has our auth scheme. The type of a scheme shows only in
    /// its `Debug` text, so this is checked once for each client.
    fn has_auth_scheme(&self, components: &RuntimeComponents) -> bool {
        *self.has_auth_scheme.get_or_init(|| {
            let scheme = components.auth_scheme(SCHEME_ID);
            scheme.is_none_or(|scheme| format!("{scheme:?}").contains("SkewAuthScheme"))
        })
    }

    fn report_missing(&self, missing: Missing, cfg: &ConfigBag) {
        if self.has_reported_missing.swap(true, Ordering::Relaxed) {
            return;
        }
        let operation = cfg.load::<Metadata>().map(Metadata::name);
        let details = Details {
            service: service_of(cfg).and_then(Label::of_service),
            method: operation.and_then(Label::new),
            ..Details::default()
        };
        self.clock.report_missing(missing, details);
    }
}

/// Returns whether a client has this interceptor.
pub(super) fn is_in(components: &RuntimeComponentsBuilder) -> bool {
    components.interceptors().any(|known| known.name() == NAME)
}

const NAME: &str = "SkewInterceptor";

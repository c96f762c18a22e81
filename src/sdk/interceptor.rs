//! [`SkewInterceptor`]: observes the responses of one client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_runtime::auth::sigv4::SCHEME_ID;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::clock::SkewClock;
use crate::decide::{Decision, Exchange};
use crate::event::{Details, EventKind, Label, Missing, SkewEvent, SkipReason};
use crate::evidence::Evidence;
use crate::host::Host;
use crate::sdk::http_client::Observed;
use crate::sdk::operation::{OperationState, Signed, ask_for_one_more, date_of, service_of, view};
use crate::sdk::retry_classifier::has_classifier;
use crate::sdk::sdk_correction::{SdkCorrection, Switch};

/// Interceptor that updates the clock from the responses of one client, and asks for one
/// more attempt where a new signature can help.
///
/// It acts only on attempts that [`SkewAuthScheme`](super::SkewAuthScheme) of the same
/// clock has signed, and it needs
/// [`SkewRetryClassifier`](super::SkewRetryClassifier) to ask for the attempt:
/// [`install!`](crate::install) installs all of them. For the operations that it
/// observes it switches the SDK's own correction off.
///
/// It never fails a call. The attempt that it asks for costs neither an attempt nor
/// tokens of the client's retry quota. If the body cannot be sent again, the caller gets the
/// service's own error. A retry classifier of the caller that forbids the retry has the last
/// word.
///
/// Made by [`SkewClock::interceptor`].
#[derive(Debug)]
pub struct SkewInterceptor {
    clock: SkewClock,
    has_complained: AtomicBool,
    has_auth_scheme: OnceLock<bool>,
    sdk_correction: Switch,
    /// The second, on the monotonic clock, until which this client's host is known not to
    /// be one that can confirm the clock.
    no_confirmation_until: AtomicU64,
}

impl SkewClock {
    /// Returns an interceptor that updates the clock from the responses of one client and
    /// its clones.
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
            has_complained: AtomicBool::new(false),
            has_auth_scheme: OnceLock::new(),
            sdk_correction: Switch::default(),
            no_confirmation_until: AtomicU64::new(0),
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for SkewInterceptor {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Where our signer is known to sign, the SDK's own correction is switched off before it
    /// acts.
    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if cfg.interceptor_state().load::<OperationState>().is_some() {
            return Ok(());
        }
        let mut state = OperationState::new(has_classifier(components));
        if state.has_classifier && self.sdk_correction.is_early() {
            state.sdk_correction = SdkCorrection::NeverOn;
            self.sdk_correction.off(components, cfg);
        }
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
        if !state.is_signed_by(&self.clock) {
            let is_unsigned = state.signed().is_none();
            if state.sdk_correction != SdkCorrection::On {
                state.sdk_correction = SdkCorrection::On;
                self.sdk_correction.on_again(cfg);
            }
            // Not for us to sign, as a rule: S3 Express, bearer tokens, no authentication.
            if is_unsigned && !self.has_auth_scheme(components) {
                self.complain(Missing::AuthScheme, cfg);
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
            // Left to the SDK's own correction. If these responses updated the clock, both
            // would correct the same offset.
            state.forget_signed();
            self.complain(Missing::RetryClassifier, cfg);
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
        // Most attempts end here.
        if !state.has_resent() && !self.has_news(state.signed(), context.response()) {
            if state.is_signed_by(&self.clock) {
                state.forget_signed();
            }
            return Ok(());
        }
        self.complete_attempt(context, cfg);
        Ok(())
    }
}

impl SkewInterceptor {
    /// Returns whether the response to what our signer has signed says anything new. Most do not.
    fn has_news(&self, signed: Option<&Signed>, response: Option<&HttpResponse>) -> bool {
        let (Some(signed), Some(response)) = (signed, response) else {
            return false;
        };
        signed.is_by(&self.clock) && self.is_of_interest(signed, response)
    }

    fn complete_attempt(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        cfg: &mut ConfigBag,
    ) {
        let attempt = cfg.load::<RequestAttempts>().map(RequestAttempts::attempts);
        let Some(state) = cfg.get_mut_from_interceptor_state::<OperationState>() else {
            return;
        };
        let is_resend = state.is_resend(attempt);
        let has_resent = state.has_resent();
        let users = state.take_users_bucket(attempt);
        // Of two interceptors of one clock the first observes.
        let is_ours = state.is_signed_by(&self.clock);
        let signed = if is_ours { state.take_signed() } else { None };
        if let Some(users) = users {
            cfg.interceptor_state().store_put(users);
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
        if !is_resend && !self.is_of_interest(&signed, response) {
            return;
        }
        if self.resigns(&signed, is_resend, response, cfg) && !has_resent {
            ask_for_one_more(&signed, attempt, context, cfg);
        }
    }

    fn is_of_interest(&self, signed: &Signed, response: &HttpResponse) -> bool {
        if !response.status().is_success() {
            // The HTTP client of this clock has observed it.
            return !Observed::by(&self.clock, response);
        }
        let sent = signed.sent.reading;
        let is_aws = || {
            let until = &self.no_confirmation_until;
            let seconds = sent.monotonic.as_secs();
            let wait = until.load(Ordering::Relaxed).saturating_sub(seconds);
            // A monotonic clock that goes back restarts the minute.
            if (1..=NO_CONFIRMATION).contains(&wait) {
                return false;
            }
            let is_aws = signed.host().as_ref().is_some_and(Host::is_aws);
            if !is_aws {
                // One client, one host, as a rule: no need to look at every response.
                let next = seconds.saturating_add(NO_CONFIRMATION);
                until.store(next, Ordering::Relaxed);
            }
            is_aws
        };
        self.clock
            .wants_accepted(sent, || date_of(response), is_aws)
    }

    /// Observes a response, and returns whether the request has to be signed again.
    fn resigns(
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

    /// Returns whether the client has an auth scheme of ours. A scheme cannot be looked
    /// into, except by its `Debug` text; once is enough for a client.
    fn has_auth_scheme(&self, components: &RuntimeComponents) -> bool {
        *self.has_auth_scheme.get_or_init(|| {
            let scheme = components.auth_scheme(SCHEME_ID);
            scheme.is_none_or(|scheme| format!("{scheme:?}").contains("SkewAuthScheme"))
        })
    }

    fn complain(&self, missing: Missing, cfg: &ConfigBag) {
        if self.has_complained.swap(true, Ordering::Relaxed) {
            return;
        }
        let operation = cfg.load::<Metadata>().map(Metadata::name);
        let details = Details {
            service: service_of(cfg).and_then(Label::of_service),
            method: operation.and_then(Label::new),
            ..Details::default()
        };
        let kind = EventKind::IncompleteInstallation { missing };
        self.clock.enter(SkewEvent::new(kind, details));
    }
}

pub(super) const NAME: &str = "SkewInterceptor";
/// As often as an AWS endpoint is asked to confirm the clock.
const NO_CONFIRMATION: u64 = 60;

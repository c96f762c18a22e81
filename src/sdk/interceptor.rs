//! [`SkewInterceptor`]: watches the answers of one client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use aws_smithy_runtime::client::retries::TokenBucket;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;

use crate::clock::SkewClock;
use crate::evidence::Evidence;
use crate::host::Host;
use crate::incident::{Facts, Incident, Label, Missing, NotResigned};
use crate::report::RetryOutcome;
use crate::resend::Seen;
use crate::ruling::{Door, Exchange};
use crate::sdk::operation::{Native, Operation, Stage, date_of, view};
use crate::sdk::retry_classifier::{self, SignAgain};
use crate::sdk::time_source::Asked;
use crate::sdk::{limiter, native};

/// Watches the answers of one client, teaches the clock what they say of the
/// time, and asks for one more attempt where a new signature can help.
///
/// It works together with the clock as the client's time source and with
/// [`SkewRetryClassifier`](super::SkewRetryClassifier); a client that lacks one
/// of them is left as it is, with the SDK's own correction on, and a
/// `half_installed` event says so once. Where they are complete it switches the
/// SDK's own correction off for this client.
///
/// It never fails a call. Made by [`SkewClock::interceptor`].
///
/// # What else reads the clock
///
/// The client's time source is read by more than its signatures, and a clock that
/// is corrected moves under all of it:
///
/// | what | what a move does | remedy |
/// |---|---|---|
/// | identity cache, IMDS's extended expiries | credentials are kept for as long as the clock went back | [`SkewClock::identity_cache`] |
/// | sessions with the metadata service (IMDS) | one is used for as long after its end as the clock went back | [`SkewClock::http_client`], which begins another |
/// | adaptive retries | the rate limiter makes the next call wait for as long as the clock went back | a new limiter after every move, by this interceptor; an operation that waits in the old one at that moment cannot be helped |
/// | stalled-stream protection | going back, it stops watching that stream; going forward, one poll takes 40 ms for a week | none needed |
/// | a retry quota that refills by time | going forward, it is full; going back, it keeps what it has | none needed |
/// | frames of event streams | each is signed by the clock as it is then | none needed |
///
/// The retry that the interceptor asks for costs neither an attempt nor tokens of
/// the user's retry quota. A body that cannot be sent again is not: the caller
/// gets the service's own error, and the next call is right.
#[derive(Debug)]
pub struct SkewInterceptor {
    clock: SkewClock,
    has_complained: AtomicBool,
    /// How many retry classifiers the client has, ours among them: asking each for its
    /// name costs as much as all else that is done before an accepted call.
    classifiers: AtomicUsize,
    /// The user has switched the SDK's own correction off.
    native_is_off: OnceLock<bool>,
    /// Where a part is missing.
    native_memory: native::Memory,
    /// This client talks to a host in dispute.
    is_in_dispute: AtomicBool,
    /// The second, on the boot clock, until which this client's host is known not
    /// to be one that can vouch.
    no_vouch_until: AtomicU64,
}

impl SkewClock {
    /// Returns an interceptor for one client, or for the clones of one.
    ///
    /// ```no_run
    /// # #[cfg(feature = "sdk")]
    /// # fn wire(config: &aws_config::SdkConfig) -> aws_sdk_sqs::Client {
    /// use aws_clock_skew::SkewClock;
    ///
    /// let skew = SkewClock::new();
    /// aws_sdk_sqs::Client::from_conf(
    ///     aws_sdk_sqs::config::Builder::from(config)
    ///         .time_source(skew.clone())
    ///         .interceptor(skew.interceptor())
    ///         .retry_classifier(skew.retry_classifier())
    ///         .build(),
    /// )
    /// # }
    /// ```
    pub fn interceptor(&self) -> SkewInterceptor {
        SkewInterceptor {
            clock: self.clone(),
            has_complained: AtomicBool::new(false),
            classifiers: AtomicUsize::new(0),
            native_is_off: OnceLock::new(),
            native_memory: native::Memory::default(),
            is_in_dispute: AtomicBool::new(false),
            no_vouch_until: AtomicU64::new(0),
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for SkewInterceptor {
    fn name(&self) -> &'static str {
        "SkewInterceptor"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Two interceptors of one clock are one; and a clock that only observes
        // stands back for one that corrects.
        let known = cfg.get_mut_from_interceptor_state::<Operation>();
        let is_taken = known.is_some_and(|operation| {
            operation.belongs_to(&self.clock) || self.clock.observes_only()
        });
        if is_taken {
            return Ok(());
        }
        let mut native = Native::AsSet;
        if !self.clock.observes_only() {
            let asked = components.time_source().as_ref().and_then(Asked::by);
            if let Some(missing) = self.missing(asked, components) {
                self.complain(missing, cfg);
                if let Some(asked) = asked {
                    self.native_memory.begin(asked.moves, cfg);
                }
                return Ok(());
            }
            native = self.settle_who_corrects(cfg);
        }
        cfg.interceptor_state()
            .store_put(Operation::new(&self.clock, native));
        Ok(())
    }

    fn modify_before_retry_loop(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.has_complained.load(Ordering::Relaxed) && cfg.load::<Operation>().is_none() {
            // The SDK's own correction has come to this point before us, and has
            // begun without its memory.
            native::Memory::resume(cfg);
        }
        self.renew_limiter(cfg);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = self.operation(cfg) {
            let moves = self.clock.moves();
            operation.depart(context.request(), self.clock.reading(), moves);
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(operation) = self.operation(cfg) else {
            self.native_memory.renew(cfg);
            return Ok(());
        };
        let is_second = operation.stage == Stage::SignedAgain;
        if is_second || self.is_of_interest(operation, context.response()) {
            operation.received = Some(self.clock.reading());
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempt = cfg.load::<RequestAttempts>().map(RequestAttempts::attempts);
        let Some(operation) = self.operation(cfg) else {
            return Ok(());
        };
        if !operation.hears_of(attempt) {
            return Ok(());
        }
        let is_quiet = operation.received.is_none() && operation.stage != Stage::SignedAgain;
        if is_quiet {
            operation.begin_attempt(self.clock.moves());
            self.renew_limiter(cfg);
            return Ok(());
        }
        if let Some(users) = operation.lent.take() {
            cfg.interceptor_state().store_put(*users);
        }
        if let Some(stage) = self.completes(context, cfg) {
            self.ask_for_one_more(stage, context, cfg);
        }
        if let Some(operation) = self.operation(cfg) {
            operation.begin_attempt(self.clock.moves());
        }
        // The limiter is asked next, by the clock as it is now.
        self.renew_limiter(cfg);
        Ok(())
    }
}

impl SkewInterceptor {
    /// Returns what is remembered of the operation, if this interceptor is the
    /// one to watch it.
    fn operation<'a>(&self, cfg: &'a mut ConfigBag) -> Option<&'a mut Operation> {
        cfg.get_mut_from_interceptor_state::<Operation>()
            .filter(|operation| operation.belongs_to(&self.clock))
    }

    fn missing(&self, asked: Option<Asked>, components: &RuntimeComponents) -> Option<Missing> {
        let has_time_source = asked.is_some_and(|asked| asked.is(&self.clock));
        match (has_time_source, self.has_classifier(components)) {
            (true, true) => None,
            (true, false) => Some(Missing::RetryClassifier),
            (false, true) => Some(Missing::TimeSource),
            (false, false) => Some(Missing::Both),
        }
    }

    fn has_classifier(&self, components: &RuntimeComponents) -> bool {
        let mut classifiers = components.retry_classifiers();
        let (count, _) = classifiers.size_hint();
        if count == self.classifiers.load(Ordering::Relaxed) {
            return count != 0;
        }
        let is_there = classifiers.any(|classifier| classifier.name() == retry_classifier::NAME);
        if is_there {
            self.classifiers.store(count, Ordering::Relaxed);
        }
        is_there
    }

    fn complain(&self, missing: Missing, cfg: &ConfigBag) {
        if self.has_complained.swap(true, Ordering::Relaxed) {
            return;
        }
        let metadata = cfg.load::<Metadata>();
        let facts = Facts {
            service: metadata.and_then(|metadata| Label::new(metadata.service())),
            operation: metadata.and_then(|metadata| Label::new(metadata.name())),
            ..Facts::default()
        };
        self.clock
            .enter(|_, _| Incident::HalfInstalled(facts, missing));
    }

    /// We do, or the SDK itself, for a host in dispute.
    fn settle_who_corrects(&self, cfg: &mut ConfigBag) -> Native {
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

    fn renew_limiter(&self, cfg: &mut ConfigBag) {
        if self.clock.moves() == 0 || !limiter::is_adaptive(cfg) {
            return;
        }
        let Some(operation) = self.operation(cfg) else {
            return;
        };
        let mut lease = std::mem::take(&mut operation.lease);
        lease.renew(&self.clock, cfg);
        if let Some(operation) = self.operation(cfg) {
            operation.lease = lease;
        }
    }

    /// Hears the answer of an attempt. If the request is to be signed and sent
    /// again, returns the stage that this is.
    fn completes(
        &self,
        context: &FinalizerInterceptorContextMut<'_>,
        cfg: &mut ConfigBag,
    ) -> Option<Stage> {
        let operation = self.operation(cfg)?;
        let is_second = operation.stage == Stage::SignedAgain;
        if is_second {
            operation.stage = Stage::Done;
        }
        let (Some(response), Some(attempt)) = (context.response(), operation.attempt(&self.clock))
        else {
            if is_second {
                self.clock.retried(RetryOutcome::Failed);
            }
            return None;
        };
        let is_success = response.status().is_success();
        if is_success && is_second {
            self.clock.retried(RetryOutcome::Accepted);
        }
        if is_second && !self.is_of_interest(operation, response) {
            return None;
        }
        let native = operation.native;
        let stage = operation.stage;
        let is_replayable = operation.is_replayable;
        let moves_at_signing = operation.moves_at_signing;
        let seen = response.extension::<Seen>().copied();
        if let Some(Seen::CouldNotResign { request }) = seen {
            operation.request.get_or_insert(request);
        }
        let request = *operation
            .request
            .get_or_insert_with(|| self.clock.next_request());
        let host = operation.host();
        let text = response.body().bytes().filter(|_| !is_success);
        let evidence = Evidence::read(&view(response, text.unwrap_or_default()));
        let metadata = cfg.load::<Metadata>();
        let exchange = Exchange {
            attempt,
            evidence: &evidence,
            host: host.as_ref(),
            service: metadata.map(Metadata::service),
            operation: metadata.map(Metadata::name),
            door: Door::Signer,
            moves_at_signing,
            request,
            is_second: stage != Stage::Fresh,
        };
        if let Some(seen) = seen {
            // The HTTP client beside us has judged, learned and reported, but for
            // what it does not know: that this attempt was the second.
            if is_second && !is_success {
                self.clock.retried(RetryOutcome::of(&evidence));
                self.clock.refused_again(&exchange);
            }
            let can_help = seen != Seen::Settled && stage == Stage::Fresh && is_replayable;
            return can_help.then_some(Stage::SignedAgain);
        }
        if evidence.accepted() {
            self.clock.accept(&exchange);
            let is_settled = host
                .as_ref()
                .is_some_and(|host| self.clock.disputed(host).is_none());
            if native == Native::Acting && is_settled {
                self.is_in_dispute.store(false, Ordering::Relaxed);
            }
            return None;
        }
        if native == Native::Acting {
            // This server's time is not ours, nor is the signature.
            return None;
        }
        let ruling = self.clock.rule(&exchange);
        if is_second && !is_success {
            self.clock.retried(RetryOutcome::of(&evidence));
        }
        if ruling.is_disputed && native == Native::Silenced {
            self.is_in_dispute.store(true, Ordering::Relaxed);
            return (stage == Stage::Fresh && is_replayable).then(|| hand_over(cfg));
        }
        if !ruling.resign || stage != Stage::Fresh {
            return None;
        }
        if !is_replayable {
            self.clock.retried(RetryOutcome::NotResigned);
            self.clock.enter(|estimator, reading| {
                Incident::NotResigned(exchange.facts(estimator, reading), NotResigned::Body)
            });
            return None;
        }
        Some(Stage::SignedAgain)
    }

    /// Returns whether an answer that has just come says anything new. Most do not,
    /// and are not looked at again.
    fn is_of_interest(&self, operation: &Operation, response: &HttpResponse) -> bool {
        let Some(sent) = operation.sent else {
            // Nothing was signed, so nothing is learned.
            return false;
        };
        !response.status().is_success()
            || operation.native == Native::Acting
            || self.clock.minds_accepted(|| date_of(response))
            || self.can_vouch(operation, sent.boot)
    }

    /// Returns whether this answer may be one of AWS, at a time when that matters.
    fn can_vouch(&self, operation: &Operation, boot: Duration) -> bool {
        let is_due = self.clock.wants_vouch(boot)
            && boot.as_secs() >= self.no_vouch_until.load(Ordering::Relaxed);
        if !is_due {
            return false;
        }
        let is_aws = operation.host().as_ref().is_some_and(Host::is_aws);
        if !is_aws {
            // One client, one host, as a rule: no need to look at every answer.
            self.no_vouch_until
                .store(boot.as_secs() + NO_VOUCH, Ordering::Relaxed);
        }
        is_aws
    }

    /// Asks for one attempt more, outside the user's limits: a wrong clock is no
    /// reason to spend what is meant for a service in trouble.
    ///
    /// If the operation has made a retry of the user's before, the SDK forgets the
    /// tokens of that one for good, as it does at any second retry.
    fn ask_for_one_more(
        &self,
        stage: Stage,
        context: &mut FinalizerInterceptorContextMut<'_>,
        cfg: &mut ConfigBag,
    ) {
        let Some(response) = context.response_mut() else {
            return;
        };
        response.add_extension(SignAgain);
        let users = cfg.load::<TokenBucket>().cloned();
        // `RequestAttempts` counts ours among the user's for the whole operation,
        // so the attempt is given for good.
        let retries = cfg.load::<RetryConfig>().map(|config| {
            config
                .clone()
                .with_max_attempts(config.max_attempts().saturating_add(1))
        });
        let state = cfg.interceptor_state();
        if let Some(retries) = retries {
            state.store_put(retries);
        }
        if users.is_some() {
            state.store_put(TokenBucket::unlimited());
        }
        if let Some(operation) = self.operation(cfg) {
            operation.stage = stage;
            operation.lent = users.map(Box::new);
        }
    }
}

/// Leaves the rest of an operation to the SDK's own correction. It learns from
/// answers that it has watched arrive, so it needs one of its own: the attempt that
/// is given for it only shows it the server's time.
fn hand_over(cfg: &mut ConfigBag) -> Stage {
    native::switch_on(cfg);
    if let Some(operation) = cfg.get_mut_from_interceptor_state::<Operation>() {
        operation.native = Native::Acting;
    }
    Stage::Done
}

/// As often as an AWS endpoint is asked to vouch.
const NO_VOUCH: u64 = 60;

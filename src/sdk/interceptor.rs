//! [`SkewInterceptor`]: watches the answers of one client.

mod answer;
mod installation;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::clock::SkewClock;
use crate::sdk::operation::{Native, Operation, Stage};
use crate::sdk::time_source::Asked;
use crate::sdk::{limiter, native};

/// Watches the answers of one client, teaches the clock what they say of the
/// time, and asks for one more attempt where a new signature can help.
///
/// It works together with the clock as the client's time source and with
/// [`SkewRetryClassifier`](super::SkewRetryClassifier); a client that lacks one
/// of them is left as it is, with the SDK's own correction on, and an
/// `incomplete_installation` event says so once. Where they are complete it switches the
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
    /// How many retry classifiers the client had when ours was last seen among them: to
    /// ask each for its name costs as much as all else that is done before an accepted
    /// call. Looked at again before ours is relied on.
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
            operation.belongs_to(&self.clock) || self.clock.is_observe_only()
        });
        if is_taken {
            return Ok(());
        }
        let mut native = Native::AsSet;
        if !self.clock.is_observe_only() {
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
        components: &RuntimeComponents,
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
        if let Some(users) = operation.lent.take() {
            cfg.interceptor_state().store_put(*users);
        }
        if is_quiet {
            if let Some(operation) = self.operation(cfg) {
                operation.begin_attempt(self.clock.moves());
            }
            self.renew_limiter(cfg);
            return Ok(());
        }
        if let Some(stage) = self.completes(context, cfg)
            && self.finds_classifier(components)
        {
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
}

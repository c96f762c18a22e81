//! Hears answers, and asks for one attempt more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_smithy_runtime::client::retries::TokenBucket;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;

use super::SkewInterceptor;
use crate::evidence::Evidence;
use crate::host::Host;
use crate::incident::{Incident, NotResigned};
use crate::report::RetryOutcome;
use crate::resend::Seen;
use crate::ruling::{Door, Exchange};
use crate::sdk::http_client::Marked;
use crate::sdk::native;
use crate::sdk::operation::{Native, Operation, Stage, date_of, view_of};
use crate::sdk::retry_classifier::SignAgain;

impl SkewInterceptor {
    /// Hears the answer of an attempt. If the request is to be signed and sent
    /// again, returns the stage that this is.
    pub(super) fn completes(
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
        let seen = Marked::by(&self.clock, response);
        if let Some(Seen::CouldNotResign { request } | Seen::Disputed { request }) = seen {
            operation.request.get_or_insert(request);
        }
        let request = *operation
            .request
            .get_or_insert_with(|| self.clock.next_request());
        let host = operation.host();
        let text = response.body().bytes().filter(|_| !is_success);
        let text = text.unwrap_or_default();
        let evidence = Evidence::read(&view_of(response, text, seen.is_some()));
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
            if evidence.accepted() {
                self.see_whether_settled(native, host.as_ref());
            }
            let can_help = stage == Stage::Fresh && is_replayable;
            return match seen {
                Seen::Settled => None,
                Seen::CouldNotResign { .. } => can_help.then_some(Stage::SignedAgain),
                Seen::Disputed { .. } if native == Native::Silenced => {
                    self.is_in_dispute.store(true, Ordering::Relaxed);
                    can_help.then(|| hand_over(cfg))
                }
                Seen::Disputed { .. } => None,
            };
        }
        if evidence.accepted() {
            self.clock.accept(&exchange);
            self.see_whether_settled(native, host.as_ref());
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

    fn see_whether_settled(&self, native: Native, host: Option<&Host>) {
        let is_settled = host.is_some_and(|host| self.clock.disputed(host).is_none());
        if native == Native::Acting && is_settled {
            self.is_in_dispute.store(false, Ordering::Relaxed);
        }
    }

    /// Returns whether an answer that has just come says anything new. Most do not,
    /// and are not looked at again.
    pub(super) fn is_of_interest(&self, operation: &Operation, response: &HttpResponse) -> bool {
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
    /// If an operation of the client is in a retry of the user's, the SDK forgets the
    /// tokens of that one for good, as it does at any second retry.
    pub(super) fn ask_for_one_more(
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
        // so the attempt is given for good; and a second one, where the first only shows
        // the SDK's own correction the server's time.
        let given = if stage == Stage::Done { 2 } else { 1 };
        let retries = cfg.load::<RetryConfig>().map(|config| {
            config
                .clone()
                .with_max_attempts(config.max_attempts().saturating_add(given))
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

//! [`SkewRetryClassifier`]: a retry classifier that permits the resend of the interceptor.

use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, SharedRetryClassifier,
};
use aws_smithy_types::retry::ErrorKind;

use crate::clock::SkewClock;

/// Retry classifier that permits the one resend that
/// [`SkewInterceptor`](super::SkewInterceptor) requests after a clock skew error.
///
/// It returns `NoActionIndicated` for any other response, so other classifiers work as
/// before. If another classifier forbids the retry (`RetryAction::RetryForbidden`), there
/// is no resend, whatever the order of the classifiers: the call fails with the error of
/// the service. The clock is updated all the same, and the next call succeeds.
/// [`SkewClock::retry_classifier`] returns it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SkewRetryClassifier;

impl SkewClock {
    /// Returns a retry classifier that permits the resend that
    /// [`interceptor`](Self::interceptor) requests.
    ///
    /// [`install!`](crate::install) sets it together with the other parts.
    ///
    /// ```no_run
    /// # fn wire(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) {
    /// let builder = aws_sdk_sqs::config::Builder::from(config)
    ///     .push_auth_scheme(clock.auth_scheme())
    ///     .retry_classifier(clock.retry_classifier())
    ///     .interceptor(clock.interceptor());
    /// # }
    /// ```
    pub fn retry_classifier(&self) -> SkewRetryClassifier {
        SkewRetryClassifier
    }
}

impl ClassifyRetry for SkewRetryClassifier {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_wanted = context
            .response()
            .is_some_and(|response| response.extension::<ResendMark>().is_some());
        if is_wanted {
            // No delay: the signature was wrong, and the service is not overloaded.
            RetryAction::retryable_error_with_explicit_delay(ErrorKind::ServerError, Duration::ZERO)
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }

    /// The first of all: the operation looks for it at each call, and any other classifier
    /// may decide otherwise.
    fn priority(&self) -> RetryClassifierPriority {
        let first_of_sdk = RetryClassifierPriority::http_status_code_classifier();
        RetryClassifierPriority::run_before(first_of_sdk)
    }
}

/// Mark on a response after which the interceptor requests a resend. It is an extension,
/// since a server could set a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResendMark;

/// Returns whether a classifier of a client is this one.
#[inline]
#[expect(
    clippy::needless_pass_by_value,
    reason = "iterators of the SDK yield values"
)]
pub(super) fn is_ours(classifier: SharedRetryClassifier) -> bool {
    classifier.name() == NAME
}

const NAME: &str = "aws-clock-skew";

//! [`SkewRetryClassifier`]: asks the SDK for the one attempt that the
//! interceptor has decided on.

use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::ErrorKind;

use crate::clock::SkewClock;

/// Retry classifier that permits the one resend that
/// [`SkewInterceptor`](super::SkewInterceptor) asks for after a clock skew error.
///
/// Has no opinion on any other response, so the user's own classifiers work as
/// before. One that forbids the retry (`RetryAction::RetryForbidden`) has the last word,
/// whatever the order: that call fails with the service's error, the clock is updated all
/// the same, and the next call succeeds. Made by [`SkewClock::retry_classifier`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SkewRetryClassifier;

impl SkewClock {
    /// Returns a retry classifier that permits the resend that
    /// [`interceptor`](Self::interceptor) asks for.
    pub fn retry_classifier(&self) -> SkewRetryClassifier {
        SkewRetryClassifier
    }
}

impl ClassifyRetry for SkewRetryClassifier {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_wanted = context
            .response()
            .is_some_and(|response| response.extension::<Resign>().is_some());
        if is_wanted {
            // At once: the service is not overloaded, the signature was wrong.
            RetryAction::retryable_error_with_explicit_delay(ErrorKind::ServerError, Duration::ZERO)
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// The mark on a response whose request the interceptor wants signed again. A
/// server cannot set it, as it could a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resign;

/// Returns whether a client has this classifier.
pub(super) fn has_classifier(components: &RuntimeComponents) -> bool {
    components
        .retry_classifiers()
        .any(|classifier| classifier.name() == NAME)
}

const NAME: &str = "aws-clock-skew";

//! [`SkewClock::diagnose_error`]: the cause of a failed call of an SDK client.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::http_client::Observed;
use super::operation::view_of;
use crate::clock::SkewClock;
use crate::diagnosis::{Cause, Diagnosis};
use crate::evidence::{Evidence, ResponseView};

impl SkewClock {
    /// Returns the cause of a failed call of an AWS SDK client. The clock does not change.
    ///
    /// The client need not use this clock. Call it soon after the failure, for the reason
    /// that [`diagnose_response`](Self::diagnose_response) gives.
    ///
    /// ```no_run
    /// # use aws_clock_skew::SkewClock;
    /// # async fn call(clock: SkewClock, sqs: aws_sdk_sqs::Client) {
    /// if let Err(error) = sqs.list_queues().send().await {
    ///     let diagnosis = clock.diagnose_error(&error);
    ///     eprintln!("{diagnosis}. {}", diagnosis.advice());
    /// }
    /// # }
    /// ```
    pub fn diagnose_error<E: Error + 'static>(
        &self,
        error: &SdkError<E, HttpResponse>,
    ) -> Diagnosis {
        let Some(response) = error.raw_response() else {
            if is_certificate_date(error) {
                return Diagnosis::without_response(Cause::Certificate);
            }
            // If a provider could not get credentials, the error holds the response of
            // another service. The `Debug` text is read for it, and not kept.
            let inside = format!("{error:?}");
            let evidence = Evidence::read(&ResponseView::new(403, inside.as_bytes()));
            if evidence.clock_skew_error().is_none() && evidence.other_cause().is_none() {
                return Diagnosis::without_response(Cause::Unknown);
            }
            return self.diagnose_evidence(&evidence);
        };
        let text = response.body().bytes().unwrap_or_default();
        let is_marked = response.extension::<Observed>().is_some();
        self.diagnose_response(&view_of(response, text, is_marked))
    }
}

/// TLS stacks have no error type in common, so their texts are compared. These words are in
/// the texts of rustls, OpenSSL, macOS and Windows.
fn is_certificate_date(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    (text.contains("certificate") && DATE_WORDS.iter().any(|words| text.contains(words)))
        || error.source().is_some_and(is_certificate_date)
}

const DATE_WORDS: [&str; 4] = [
    "expired",
    "not valid yet",
    "not yet valid",
    "validity period",
];

//! [`SkewClock::diagnose_error`]: what was wrong with a call of an SDK client.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::operation::view_of;
use crate::clock::SkewClock;
use crate::diagnosis::{Cause, Diagnosis};
use crate::evidence::{Evidence, ResponseView};
use crate::sdk::http_client::Observed;

impl SkewClock {
    /// Says what was wrong with a call of an AWS SDK client, whatever client it
    /// was. Learns nothing. Ask soon, as with [`diagnose`](Self::diagnose).
    ///
    /// ```no_run
    /// # use aws_clock_skew::SkewClock;
    /// # async fn call(skew: SkewClock, sqs: aws_sdk_sqs::Client) {
    /// if let Err(error) = sqs.list_queues().send().await {
    ///     let diagnosis = skew.diagnose_error(&error);
    ///     eprintln!("{diagnosis}. {}", diagnosis.advice());
    /// }
    /// # }
    /// ```
    pub fn diagnose_error<E: Error + 'static>(
        &self,
        error: &SdkError<E, HttpResponse>,
    ) -> Diagnosis {
        let Some(response) = error.raw_response() else {
            if is_certificates_date(error) {
                return Diagnosis::without_answer(Cause::Certificate);
            }
            // Credentials may be what could not be had, and then the answer of
            // another service is somewhere inside. Its text is read, not kept.
            let inside = format!("{error:?}");
            let evidence = Evidence::read(&ResponseView::new(403, inside.as_bytes()));
            if evidence.rejection().is_none() && evidence.other_cause().is_none() {
                return Diagnosis::without_answer(Cause::Unknown);
            }
            return self.diagnose_evidence(&evidence);
        };
        let text = response.body().bytes().unwrap_or_default();
        let is_marked = response.extension::<Observed>().is_some();
        self.diagnose_evidence(&Evidence::read(&view_of(response, text, is_marked)))
    }
}

/// TLS stacks have no type in common, so their words have to do: those of rustls,
/// of OpenSSL, of macOS and of Windows all hold these.
fn is_certificates_date(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string().to_ascii_lowercase();
        let is_date = [
            "expired",
            "not valid yet",
            "not yet valid",
            "validity period",
        ]
        .iter()
        .any(|words| text.contains(words));
        if text.contains("certificate") && is_date {
            return true;
        }
        cause = error.source();
    }
    false
}

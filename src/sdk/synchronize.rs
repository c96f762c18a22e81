//! [`SkewClock::synchronize`]: asking for the time before anything is signed.

use std::convert::Infallible;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;

use super::configure::default_https_client;
use super::operation::{view, view_without_age};
use crate::clock::{SkewClock, SkewStatus};
use crate::evidence::Evidence;
use crate::host::dns_suffix_of;
use crate::synchronize::{LONGEST_WAIT, SynchronizeError};

impl SkewClock {
    /// Asks for the time before the first signature, so that even the first request is
    /// accepted: for devices that boot without a clock, and where the one rejection
    /// matters.
    ///
    /// ```no_run
    /// # async fn start() {
    /// use aws_clock_skew::SkewClock;
    /// use aws_config::BehaviorVersion;
    ///
    /// let skew = SkewClock::new();
    /// let config = skew.configure(aws_config::defaults(BehaviorVersion::latest())).load().await;
    /// if let Err(error) = skew.synchronize(&config).await {
    ///     eprintln!("going on without: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// One unsigned request (`HEAD /`) is sent to the config's endpoint, or to STS in its
    /// region, through its HTTP client; what counts is the `Date` of the response, whatever
    /// its status. It takes 15 seconds at most. A clock that may be correct, give or take
    /// two minutes, stays as it is.
    ///
    /// # What it is worth
    ///
    /// Less than the error message of a rejection, which repeats the time of your own
    /// signature. TLS says who wrote this `Date`, so plain HTTP is for loopback only; a
    /// proxy that ends TLS with a certificate that the machine trusts can state any time.
    /// Therefore the correction forward is limited by
    /// [`Limits::with_forward`](crate::Limits::with_forward), which is 7 days: a device that
    /// boots in 1970, more than a week after the release of this crate, needs a wider limit.
    /// The next error message that states the time replaces the sample. TLS itself may fail
    /// on a machine whose clock is years off, and nothing here can help that.
    ///
    /// # Errors
    ///
    /// If nobody could be asked, no response came, or its time cannot be used; see
    /// [`SynchronizeError`]. The clock is then as it was, and the first rejection updates
    /// it: go on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock is as it was.
    pub async fn synchronize(&self, config: &SdkConfig) -> Result<SkewStatus, SynchronizeError> {
        let url = match (config.endpoint_url(), config.region()) {
            (Some(url), _) => url.to_owned(),
            (None, Some(region)) => {
                let region = region.as_ref();
                format!("https://sts.{region}.{}", dns_suffix_of(region))
            }
            (None, None) => return Err(SynchronizeError::NoEndpoint),
        };
        let client = config.http_client().or_else(default_https_client);
        let timeouts = TimeoutConfig::builder().operation_timeout(LONGEST_WAIT);
        let mut head = Operation::builder()
            .service_name("aws-clock-skew")
            .operation_name("Synchronize")
            .http_client(client.ok_or(SynchronizeError::NoHttpClient)?)
            .endpoint_url(&url)
            .no_auth()
            .no_retry()
            .timeout_config(timeouts.build())
            .time_source(self.clone());
        if let Some(sleep) = config.sleep_impl() {
            head = head.sleep_impl(sleep);
        }
        let head = head.serializer(|(): ()| {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_method("HEAD")?;
            request.set_uri("/")?;
            Ok(request)
        });
        let head = head.deserializer(|response: &HttpResponse| Ok::<_, Failure>(read(response)));
        let head = head.build();
        let answer = async { head.invoke(()).await.map_err(Into::into) };
        self.ask(&url, answer).await
    }
}

type Failure = OrchestratorError<Infallible>;

/// An age of zero is none: our own HTTP client says so of every response.
fn read(response: &HttpResponse) -> Evidence {
    Evidence::read(&if response.headers().get("age") == Some("0") {
        view_without_age(response, &[])
    } else {
        view(response, &[])
    })
}

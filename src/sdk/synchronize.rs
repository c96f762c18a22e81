//! [`SkewClock::synchronize`]: asking for the time before anything is signed.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;

use super::configure::default_https_client;
use super::operation::view_of;
use crate::clock::{SkewClock, SkewStatus};
use crate::evidence::Evidence;
use crate::host::dns_suffix_of;
use crate::synchronize::{LONGEST_WAIT, SAMPLES, Samples, SynchronizeError, authenticated};

impl SkewClock {
    /// Asks for the time before the first signature, so that even the first
    /// request is right: for devices that boot without a clock, and for those who
    /// mind the one rejection.
    ///
    /// ```no_run
    /// # async fn start() {
    /// use aws_clock_skew::SkewClock;
    /// use aws_config::BehaviorVersion;
    ///
    /// let clock = SkewClock::new();
    /// let config = clock.configure(aws_config::defaults(BehaviorVersion::latest())).load().await;
    /// if let Err(error) = clock.synchronize(&config).await {
    ///     eprintln!("not synchronized: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// It sends three requests without a signature (`HEAD /`) to the config's endpoint,
    /// or to STS in its region, through its HTTP client, and uses the `Date` of the
    /// responses, whatever their status is. It takes 15 seconds at most. A local clock
    /// that may be correct, give or take two minutes, is left as it is.
    ///
    /// # Reliability
    ///
    /// A `Date` is weaker evidence than the message of a clock skew error, which echoes
    /// the time of your own signature. It is accepted because TLS says who wrote it, so
    /// plain HTTP is allowed only on loopback. A proxy that ends TLS with a certificate
    /// that the machine trusts can state any time. Therefore the offset forward is
    /// limited by [`Limits::with_forward`](crate::Limits::with_forward), which is 7
    /// days: a device that boots in 1970, more than a week after the release of this
    /// crate, needs a wider limit. The next clock skew error replaces the correction. TLS
    /// itself may fail on a machine whose clock is years off, and this call cannot help
    /// there.
    ///
    /// # Errors
    ///
    /// If no server could be asked, none answered, or the time was not accepted; see
    /// [`SynchronizeError`]. The clock is then unchanged, and the first clock skew error
    /// corrects it: go on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock is unchanged.
    pub async fn synchronize(&self, config: &SdkConfig) -> Result<SkewStatus, SynchronizeError> {
        let url = match (config.endpoint_url(), config.region()) {
            (Some(url), _) => url.to_owned(),
            (None, Some(region)) => {
                let (region, suffix) = (region.as_ref(), dns_suffix_of(region.as_ref()));
                format!("https://sts.{region}.{suffix}")
            }
            (None, None) => return Err(SynchronizeError::NoEndpoint),
        };
        let host = authenticated(&url)?;
        let head = self.head(config, &url)?;
        let mut samples = Samples::default();
        for _ in 0..SAMPLES {
            let sent = self.reading();
            let answer = head.invoke(()).await;
            let received = self.reading();
            samples.hear(answer.map_err(Into::into), sent, received)?;
        }
        self.learn_from(samples, &host)
    }

    fn head(&self, config: &SdkConfig, url: &str) -> Result<Head, SynchronizeError> {
        let client = config.http_client().or_else(default_https_client);
        let timeouts = TimeoutConfig::builder().operation_timeout(LONGEST_WAIT);
        let mut operation = Operation::builder()
            .service_name("aws-clock-skew")
            .operation_name("Synchronize")
            .http_client(client.ok_or(SynchronizeError::NoHttpClient)?)
            .endpoint_url(url)
            .no_auth()
            .no_retry()
            .timeout_config(timeouts.build())
            .time_source(self.clone());
        if let Some(sleep) = config.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        Ok(operation
            .serializer(|(): ()| {
                let mut request = HttpRequest::new(SdkBody::empty());
                request.set_method("HEAD")?;
                request.set_uri("/")?;
                Ok(request)
            })
            .deserializer(|response: &HttpResponse| Ok::<_, Failure>(date_of(response)))
            .build())
    }
}

type Head = Operation<(), Option<SystemTime>, std::convert::Infallible>;
type Failure = OrchestratorError<std::convert::Infallible>;

/// An age of zero is none: our own HTTP client says so of every answer.
fn date_of(response: &HttpResponse) -> Option<SystemTime> {
    Evidence::read(&view_of(response, &[], true)).date()
}

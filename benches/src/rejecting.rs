//! [`RejectingWire`]: an SQS in the process that rejects the first signature of each call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::wire::answer;

/// Rejects every other request with the message of AWS, and accepts the others.
#[derive(Clone, Debug)]
pub struct RejectingWire {
    ahead: Duration,
    times: Arc<Mutex<Times>>,
}

#[derive(Debug, Default)]
struct Times {
    rejected_at: Option<Instant>,
    between: Duration,
}

impl RejectingWire {
    /// Returns a service whose clock is `ahead` of the local clock.
    #[must_use]
    pub fn new(ahead: Duration) -> Self {
        Self {
            ahead,
            times: Arc::default(),
        }
    }

    /// Returns the time between the last rejection and the request after it.
    #[must_use]
    pub fn between(&self) -> Duration {
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .between
    }
}

impl HttpConnector for RejectingWire {
    #[expect(
        clippy::disallowed_methods,
        reason = "a benchmark measures the local time"
    )]
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let arrived = Instant::now();
        let now = SystemClock::new().wall() + self.ahead;
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rejected_at) = times.rejected_at.take() {
            times.between = arrived - rejected_at;
            return HttpConnectorFuture::ready(Ok(answer(200, now, "{}".to_owned())));
        }
        let tolerance = Duration::from_secs(300);
        let text = format!(
            "{{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\",\"message\":\
             \"Signature expired: {} is now earlier than {} ({} - 5 min.)\"}}",
            request.headers().get("x-amz-date").unwrap_or_default(),
            stamp(now - tolerance),
            stamp(now),
        );
        let answer = answer(400, now, text);
        times.rejected_at = Some(Instant::now());
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl HttpClient for RejectingWire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// `20240522T115159Z`
fn stamp(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let text = DateTime::from_secs(seconds).fmt(Format::DateTime);
    text.unwrap_or_default().replace(['-', ':'], "")
}

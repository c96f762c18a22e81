//! [`Wire`]: an SQS in the process, so that a benchmark measures only the client.

use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

/// Accepts every request, with its own time.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    ahead: Duration,
}

impl Wire {
    /// Returns a service whose clock is `ahead` of the local clock.
    #[must_use]
    pub const fn ahead(ahead: Duration) -> Self {
        Self { ahead }
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        drop(request);
        let now = SystemClock::new().wall() + self.ahead;
        HttpConnectorFuture::ready(Ok(answer(200, now, "{}".to_owned())))
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(*self)
    }
}

/// Returns a response of SQS.
pub(crate) fn answer(status: u16, date: SystemTime, body: String) -> HttpResponse {
    let mut answer = http::Response::new(SdkBody::from(body));
    if let Ok(status) = http::StatusCode::from_u16(status) {
        *answer.status_mut() = status;
    }
    let Ok(mut answer) = HttpResponse::try_from(answer) else {
        unreachable!("it has no headers")
    };
    let headers = answer.headers_mut();
    headers.insert("date", httpdate::fmt_http_date(date));
    headers.insert("x-amzn-requestid", "d38e5c4b-494a-8fb7-f645-5d646dcc89c4");
    headers.insert("content-type", "application/x-amz-json-1.0");
    answer
}

//! [`Wire`]: an SQS inside the process, so that nothing but the client is measured.

use std::time::SystemTime;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

/// Accepts every request, at a time of its own.
#[derive(Clone, Debug)]
pub struct Wire {
    date: String,
}

impl Wire {
    /// Returns a service whose clock stands at `time`.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self {
            date: http_date(time),
        }
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        drop(request);
        let answer = http::Response::new(SdkBody::from("{}"));
        let Ok(mut response) = HttpResponse::try_from(answer) else {
            unreachable!("it has no extensions and no header that is not UTF-8")
        };
        let headers = response.headers_mut();
        headers.insert("date", self.date.clone());
        headers.insert("x-amzn-requestid", "d38e5c4b-494a-8fb7-f645-5d646dcc89c4");
        headers.insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Returns a time as the header `Date` has it.
#[must_use]
pub fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

//! Real SDK clients on a wire that goes nowhere: what they sign is kept.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;

use crate::integration::signed_at;

/// Forty characters: what `scratchstack-aws-signature` wants.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

pub(crate) fn credentials(session_token: Option<&str>) -> Credentials {
    let token = session_token.map(str::to_owned);
    Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, token, None, "test")
}

/// Takes requests and keeps them; the answer is an error that nobody retries.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Vec<Request<Bytes>>>>);

impl Wire {
    pub(crate) fn config(&self, credentials: &Credentials) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .http_client(self.clone())
            .time_source(SharedTimeSource::new(StaticTimeSource::new(signed_at())))
            .timeout_config(TimeoutConfig::disabled())
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// Takes out what was sent.
    pub(crate) fn taken(&self) -> Vec<Request<Bytes>> {
        std::mem::take(
            &mut self
                .0
                .lock()
                .expect("no thread panicked while it held the lock"),
        )
    }

    async fn keep(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(other)?;
        let (parts, body) = request.into_parts();
        let is_events = parts
            .headers
            .get("x-amz-content-sha256")
            .is_some_and(|stated| stated.as_bytes().ends_with(b"-EVENTS"));
        let body = if is_events {
            // Goes on for as long as somebody has something to say.
            Bytes::new()
        } else {
            body.collect()
                .await
                .map_err(ConnectorError::user)?
                .to_bytes()
        };
        let mut kept = self
            .0
            .lock()
            .expect("no thread panicked while it held the lock");
        kept.push(Request::from_parts(parts, body));
        let status = 400.try_into().map_err(other)?;
        Ok(HttpResponse::new(status, SdkBody::empty()))
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::other(error.into(), None)
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().keep(request))
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

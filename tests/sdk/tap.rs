//! The requests between an integration and the HTTP client inside it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;

/// An HTTP client that records every request and passes it on.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    inner: SharedHttpClient,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    sent: Vec<Sent>,
    settings: Vec<(Option<Duration>, Option<Duration>)>,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    /// `None` if the body is streamed.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) connection: Option<CaptureSmithyConnection>,
}

impl Sent {
    /// The headers that a resend must not change.
    pub(crate) fn unsigned_headers(&self) -> Vec<(String, String)> {
        let is_signature = |name: &str| matches!(name, "authorization" | "x-amz-date");
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| !is_signature(name));
        headers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }
}

impl Tap {
    pub(crate) fn new(inner: impl HttpClient + 'static) -> Self {
        Self {
            inner: inner.into_shared(),
            notes: Arc::default(),
        }
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        let notes = self.notes.lock().expect("is not poisoned");
        notes.sent.clone()
    }

    /// The connect and read time-outs that were set for connectors.
    pub(crate) fn settings(&self) -> Vec<(Option<Duration>, Option<Duration>)> {
        let notes = self.notes.lock().expect("is not poisoned");
        notes.settings.clone()
    }
}

impl HttpClient for Tap {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let mut notes = self.notes.lock().expect("is not poisoned");
        notes
            .settings
            .push((settings.connect_timeout(), settings.read_timeout()));
        SharedHttpConnector::new(Tapped {
            tap: self.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("tap", Some("7".into())))
    }
}

#[derive(Debug)]
struct Tapped {
    tap: Tap,
    inner: SharedHttpConnector,
}

impl HttpConnector for Tapped {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut notes = self.tap.notes.lock().expect("is not poisoned");
        let headers = request.headers().iter();
        notes.sent.push(Sent {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            body: request.body().bytes().map(<[u8]>::to_vec),
            connection: request.extension::<CaptureSmithyConnection>().cloned(),
        });
        drop(notes);
        self.inner.call(request)
    }
}

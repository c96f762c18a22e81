//! Several hosts behind one HTTP client.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::wire::Wire;

/// Wires to several hosts, for one HTTP client.
#[derive(Clone, Debug)]
pub(crate) struct Net(Arc<[(&'static str, Wire)]>);

impl Net {
    /// Maps the beginning of each URL to a wire.
    pub(crate) fn new(hosts: impl IntoIterator<Item = (&'static str, Wire)>) -> Self {
        Self(hosts.into_iter().collect())
    }
}

impl HttpConnector for Net {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut hosts = self.0.iter();
        let host = hosts.find(|(url, _)| request.uri().starts_with(url));
        host.expect("a host of this net").1.call(request)
    }
}

impl HttpClient for Net {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

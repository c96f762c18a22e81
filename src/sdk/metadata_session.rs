//! Sessions with an instance's metadata service, which end by its clock.
//!
//! The SDK's client keeps the token of a session for as long as the time source
//! says that it lasts (aws-config, `imds/client/token.rs`), and has nothing that
//! makes it forget one. A clock that goes back by a day makes that a day longer
//! than it lasts, and the service answers 401 until then: no credentials.

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;

use crate::buffered::Buffered;
use crate::clock::SkewClock;
use crate::resend::LARGEST_READ;
use crate::sdk::http_client::deadline;

/// A request of a session, kept in case that the session has ended.
pub(super) struct InSession(HttpRequest);

impl InSession {
    /// Returns `None` for what belongs to no session, and while no move of the
    /// clock can have made one last too long.
    pub(super) fn of(request: &HttpRequest, clock: &SkewClock) -> Option<Self> {
        if clock.moves() == 0 || request.method() != "GET" {
            return None;
        }
        request.headers().get(TOKEN)?;
        request.try_clone().map(Self)
    }

    /// Hears the answer to it. If the session has ended, begins another and asks
    /// again; the caller gets the first answer where that fails.
    pub(super) async fn answered(
        mut self,
        response: HttpResponse,
        inner: &SharedHttpConnector,
        sleep: Option<SharedAsyncSleep>,
    ) -> HttpResponse {
        if response.status().as_u16() != 401 {
            return response;
        }
        let Some(token) = self.begin(inner, sleep).await else {
            return response;
        };
        // Whatever answered, it need not be a token.
        if self.0.headers_mut().try_insert(TOKEN, token).is_err() {
            return response;
        }
        inner.call(self.0).await.unwrap_or(response)
    }

    /// Begins a session with the same service. Returns its token.
    async fn begin(
        &self,
        inner: &SharedHttpConnector,
        sleep: Option<SharedAsyncSleep>,
    ) -> Option<String> {
        let mut begin = HttpRequest::new(SdkBody::empty());
        begin.set_method("PUT").ok()?;
        begin.set_uri(token_uri(self.0.uri())?).ok()?;
        begin.headers_mut().insert(TTL, LASTS);
        let answer = inner.call(begin).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let (_, token) = Buffered::read(answer.into_body(), LARGEST_READ, deadline(sleep)).await;
        String::from_utf8(token.to_vec()).ok()
    }
}

/// Puts the token's path in the place of another.
fn token_uri(uri: &str) -> Option<String> {
    let authority = uri.find("://")? + "://".len();
    let end = uri[authority..]
        .find(['/', '?'])
        .unwrap_or(uri.len() - authority);
    Some(format!("{}{PATH}", &uri[..authority + end]))
}

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
const PATH: &str = "/latest/api/token";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// In seconds: this session serves one request.
const LASTS: &str = "60";

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::http::HttpConnectorFuture;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_runtime_api::shared::IntoShared;

    use super::*;

    /// Answers everything with a page of its own.
    #[derive(Debug)]
    struct Portal;

    impl HttpConnector for Portal {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let page = SdkBody::from("<html>\nplease log in");
            HttpConnectorFuture::ready(Ok(HttpResponse::new(
                StatusCode::try_from(200).unwrap(),
                page,
            )))
        }
    }

    #[tokio::test]
    async fn what_is_no_token_begins_no_session() {
        let mut request = HttpRequest::new(SdkBody::empty());
        request
            .set_uri("http://169.254.169.254/latest/meta-data/")
            .unwrap();
        request.headers_mut().insert(TOKEN, "old");
        let refused = HttpResponse::new(StatusCode::try_from(401).unwrap(), SdkBody::empty());
        let answer = InSession(request)
            .answered(refused, &Portal.into_shared(), None)
            .await;
        assert_eq!(answer.status().as_u16(), 401);
    }

    #[test]
    fn a_session_begins_where_the_request_went() {
        for (asked, begun) in [
            (
                "http://169.254.169.254/latest/meta-data/iam/",
                "http://169.254.169.254/latest/api/token",
            ),
            (
                "http://[fd00:ec2::254]:80?x",
                "http://[fd00:ec2::254]:80/latest/api/token",
            ),
            ("http://localhost", "http://localhost/latest/api/token"),
        ] {
            assert_eq!(token_uri(asked).as_deref(), Some(begun));
        }
        assert_eq!(token_uri("/latest"), None);
    }
}

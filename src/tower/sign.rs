//! [`SigningService`]: the service of a [`SigningLayer`](super::SigningLayer).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody, bytes_of};
use super::request::{head_of, put};
use super::service::SkewService;
use crate::clock::SkewClock;
use crate::resign::sign_unsigned;

/// Service that signs requests with the corrected time, and updates the clock from the
/// responses.
///
/// It is the service of a [`SigningLayer`](super::SigningLayer), which documents it.
///
/// # Errors
///
/// Returns a boxed [`SigningError`] if the request cannot be signed, or the error of the
/// inner service.
///
/// # Cancel safety
///
/// If the future of a call is dropped, nothing more is sent. If it has already updated the
/// clock, the correction stays.
///
/// # Examples
///
/// ```
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::tower::SigningService;
/// use tower::Layer;
///
/// # let credentials = aws_credential_types::Credentials::new("AKID", "secret", None, None, "doc");
/// # let client = reqwest::Client::new();
/// let layer = SkewClock::new().signing_layer(credentials, "us-east-1", "execute-api");
/// let service: SigningService<reqwest::Client> = layer.layer(client);
/// ```
#[derive(Clone, Debug)]
pub struct SigningService<S> {
    pub(super) skew: SkewService<S>,
    pub(super) scope: Arc<Scope>,
}

/// The region and the service of a signature.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) region: Cow<'static, str>,
    pub(super) service: Cow<'static, str>,
}

impl Scope {
    /// Signs a request; `body` is `None` if its bytes are not known.
    fn sign<B>(
        &self,
        request: &mut Request<B>,
        body: Option<&[u8]>,
        credentials: &Credentials,
        clock: &SkewClock,
    ) -> Result<(), SigningError> {
        let signed = sign_unsigned(
            &head_of(request),
            body,
            credentials,
            (&self.region, &self.service),
            clock.now(),
        );
        let headers = signed.ok_or(SigningError(Kind::Request))?;
        put(&headers, request.headers_mut());
        Ok(())
    }
}

impl<S, B, R> Service<Request<B>> for SigningService<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: ReplayBody + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
{
    type Response = Response<SkewBody<R>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.skew.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut ready = self.skew.take_ready();
        let scope = self.scope.clone();
        Box::pin(async move {
            if is_signed(&request) {
                let response = ready.inner.call(request).await;
                return Ok(response.map_err(Into::into)?.map(SkewBody::untouched));
            }
            let body = match copy_of_body(&request) {
                // If the body cannot be read, the request is not signed: it would lack the
                // hash of its body.
                Some(body) => Some(bytes_of(body).await.ok_or(SigningError(Kind::Request))?),
                None => None,
            };
            let clock = &ready.wiring.clock;
            let credentials = ready.wiring.credentials.get(clock, clock.now()).await;
            let credentials =
                credentials.map_err(|error| SigningError(Kind::NoCredentials(error)))?;
            scope.sign(&mut request, body.as_deref(), &credentials, clock)?;
            ready.send_signed(request).await.map_err(Into::into)
        })
    }
}

/// Returns a copy of the body if its hash is needed and the body can be copied.
fn copy_of_body<B: ReplayBody>(request: &Request<B>) -> Option<B> {
    let states_hash = request.headers().contains_key("x-amz-content-sha256");
    (!states_hash).then(|| request.body().try_clone()).flatten()
}

/// Returns whether the request has a signature in a header or, like a presigned URL, in its
/// query.
fn is_signed<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.headers().contains_key(AUTHORIZATION)
        || query
            .split('&')
            .any(|pair| pair.starts_with("X-Amz-Signature="))
}

/// The error type of the layers of `tower` that add errors of their own.
type BoxError = Box<dyn Error + Send + Sync>;

/// Error of a [`SigningService`] that could not sign a request and did not send it.
///
/// The service returns it boxed:
///
/// ```
/// use aws_clock_skew::SkewClock;
/// use aws_clock_skew::tower::SigningError;
/// use aws_credential_types::provider::error::CredentialsError;
/// # use aws_credential_types::provider::{ProvideCredentials, future};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # #[derive(Debug)]
/// # struct LoggedOut;
/// # impl ProvideCredentials for LoggedOut {
/// #     fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a> where Self: 'a {
/// #         future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("logged out")))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let client = service_fn(async |_: http::Request<Full<bytes::Bytes>>| {
/// #     Ok::<_, std::io::Error>(http::Response::new(Full::<bytes::Bytes>::default()))
/// # });
/// let layer = SkewClock::new().signing_layer(LoggedOut, "us-east-1", "execute-api");
/// let request = http::Request::get("https://api.example/").body(Full::default()).unwrap();
/// let error = layer.layer(client).oneshot(request).await.unwrap_err();
/// let error = error.downcast::<SigningError>().expect("nothing was sent");
/// assert!(matches!(
///     error.credentials_error(),
///     Some(CredentialsError::CredentialsNotLoaded(_))
/// ));
/// # }
/// ```
#[derive(Debug)]
pub struct SigningError(Kind);

#[derive(Debug)]
enum Kind {
    NoCredentials(CredentialsError),
    Request,
}

impl SigningError {
    /// Returns the error of the credentials provider. Returns `None` if the request itself
    /// cannot be signed: its URI is relative and it has no `Host`, or its body failed.
    pub fn credentials_error(&self) -> Option<&CredentialsError> {
        match &self.0 {
            Kind::NoCredentials(error) => Some(error),
            Kind::Request => None,
        }
    }
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::NoCredentials(_) => "there are no credentials to sign the request with",
            Kind::Request => "the request cannot be signed",
        })
    }
}

impl Error for SigningError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let error = self.credentials_error()?;
        Some(error)
    }
}

//! The layers: [`SkewLayer`] and [`SigningLayer`].

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aws_credential_types::provider::ProvideCredentials;
use tower_layer::Layer;

use super::credentials::CachedCredentials;
use super::service::{SkewService, Wiring};
use super::sign::{Scope, SigningService};
use crate::clock::SkewClock;
use crate::resend::LastDate;

/// Layer that goes below a SigV4 signer, re-signs rejected requests and sends them once
/// more.
///
/// It re-signs a request only if it can reproduce the signature with its own credentials.
/// If the signing time of a request is two minutes or more from the time for its host, the
/// request is re-signed before its first send. Unsigned requests are passed on.
///
/// A reproduced signature shows which key made it, and not when. Use the layer only in the
/// process that signs: a request from outside could be an old one that is replayed.
///
/// [`SkewClock::layer`] returns it, with an example. [`SkewLayer::send`] does the same for
/// one request and a function that sends it.
///
/// # Panics
///
/// The layer's services panic if they receive an error response outside of a Tokio runtime
/// with a timer.
#[derive(Clone, Debug)]
pub struct SkewLayer(pub(super) Arc<Wiring>);

/// Layer that signs requests with the corrected time, and updates the clock from the
/// responses.
///
/// If a request is rejected because of its time, it is re-signed and sent once more. A
/// request that is already signed is passed on unchanged. [`SkewClock::signing_layer`]
/// returns the layer, with an example.
///
/// # Payload hash
///
/// A body that can be sent twice is hashed. A [`NonReplayable`](super::NonReplayable) body
/// is signed as `UNSIGNED-PAYLOAD`, which S3 and some other services accept over TLS. If
/// the request has a header `x-amz-content-sha256`, its value is used as the hash. For the
/// services `s3`, `s3-object-lambda` and `s3-outposts`, paths are signed as they are; for
/// all others they are normalized and encoded once more.
///
/// # Errors
///
/// If the provider has no credentials or the request cannot be signed, the layer's services
/// return a boxed [`SigningError`](super::SigningError) and do not send the request. Errors
/// of the inner service keep their type:
///
/// ```
/// use aws_clock_skew::tower::SigningError;
///
/// fn is_worth_a_retry(error: &tower::BoxError) -> bool {
///     !error.is::<SigningError>()
/// }
/// # assert!(is_worth_a_retry(&"connection lost".into()));
/// ```
///
/// # Credentials
///
/// Credentials are loaded again ten seconds before they expire by the corrected clock, and
/// once after each change of the clock. If the provider then fails or takes more than five
/// seconds, credentials that are still valid are used.
///
/// # Panics
///
/// The layer's services panic if they receive an error response outside of a Tokio runtime
/// with a timer.
#[derive(Clone, Debug)]
pub struct SigningLayer {
    skew: SkewLayer,
    scope: Arc<Scope>,
}

impl SkewClock {
    /// Returns a layer that goes below a SigV4 signer.
    ///
    /// `credentials` are the credentials of that signer. Requests that were signed with
    /// other credentials are not re-signed.
    ///
    /// ```no_run
    /// use aws_clock_skew::SkewClock;
    /// use tower::ServiceBuilder;
    ///
    /// # fn sign(request: http::Request<String>) -> http::Request<String> { request }
    /// # fn stack(credentials: aws_credential_types::Credentials, client: reqwest::Client) {
    /// let stack = ServiceBuilder::new()
    ///     .map_request(sign) // Your signer, with the local clock.
    ///     .layer(SkewClock::new().layer(credentials))
    ///     .map_request(|request: http::Request<String>| request.try_into().expect("a URL"))
    ///     .map_response(http::Response::<reqwest::Body>::from)
    ///     .service(client);
    /// # fn is_service<S: tower::Service<http::Request<String>>>(_: S) {}
    /// # is_service(stack);
    /// # }
    /// ```
    pub fn layer(&self, credentials: impl ProvideCredentials + 'static) -> SkewLayer {
        SkewLayer(Arc::new(Wiring {
            clock: self.clone(),
            credentials: CachedCredentials::new(credentials),
            last_date: LastDate::default(),
            is_noted: AtomicBool::new(false),
        }))
    }

    /// Returns a layer that signs requests for one region and service.
    ///
    /// `region` and `service` are the names in the credential scope, such as `"us-east-1"`
    /// and `"execute-api"`.
    ///
    /// ```no_run
    /// use aws_clock_skew::SkewClock;
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # async fn get(
    /// #     credentials: aws_credential_types::Credentials,
    /// #     client: reqwest::Client,
    /// # ) -> Result<(), tower::BoxError> {
    /// let api = ServiceBuilder::new()
    ///     .layer(SkewClock::new().signing_layer(credentials, "us-east-1", "execute-api"))
    ///     .map_request(|request: http::Request<String>| request.try_into().expect("a URL"))
    ///     .map_response(http::Response::<reqwest::Body>::from)
    ///     .service(client);
    /// let url = "https://abc123.execute-api.us-east-1.amazonaws.com/prod/orders";
    /// let response = api.oneshot(http::Request::get(url).body(String::new())?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn signing_layer(
        &self,
        credentials: impl ProvideCredentials + 'static,
        region: impl Into<Cow<'static, str>>,
        service: impl Into<Cow<'static, str>>,
    ) -> SigningLayer {
        SigningLayer {
            skew: self.layer(credentials),
            scope: Arc::new(Scope {
                region: region.into(),
                service: service.into(),
            }),
        }
    }
}

impl<S> Layer<S> for SkewLayer {
    type Service = SkewService<S>;

    fn layer(&self, inner: S) -> SkewService<S> {
        let wiring = self.0.clone();
        SkewService { inner, wiring }
    }
}

impl<S> Layer<S> for SigningLayer {
    type Service = SigningService<S>;

    fn layer(&self, inner: S) -> SigningService<S> {
        SigningService {
            skew: self.skew.layer(inner),
            scope: self.scope.clone(),
        }
    }
}

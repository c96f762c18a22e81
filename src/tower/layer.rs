//! [`SkewLayer`] and [`SigningLayer`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::ProvideCredentials;
use tower_layer::Layer;

use super::credentials::CachedCredentials;
use super::service::{SkewService, Wiring};
use super::sign::{Scope, SigningService};
use crate::clock::SkewClock;

/// Goes below a SigV4 signer: re-signs a request and sends it once more if it was
/// rejected because of its time.
///
/// It re-signs only a request whose signature it can reproduce with its credentials. A
/// request whose signature is two minutes or more from the time for its host, by
/// whatever clock, is re-signed before its first send.
///
/// A proof says whose a signature is, and not when it was made: put the layer into the
/// process that signs. Requests that come from outside could be old ones that somebody
/// kept.
///
/// Needs a Tokio runtime with a timer. Made by [`SkewClock::layer`].
#[derive(Clone)]
pub struct SkewLayer(pub(super) Arc<Wiring>);

/// Signs unsigned requests with the corrected time, and re-signs a request and sends it
/// once more if it was rejected because of its time. Requests that are signed already
/// are passed on.
///
/// A body that can be sent twice is hashed; one in [`NonReplayable`](super::NonReplayable) is
/// signed as `UNSIGNED-PAYLOAD`, which S3 and some others take over TLS. A header
/// `x-amz-content-sha256` that is there already is taken for the hash. Paths are
/// encoded once and left as they are for the services `s3`, `s3-object-lambda` and
/// `s3-outposts`, and normalized and encoded twice for all others.
///
/// A request that cannot be signed, because the provider has no credentials for
/// one or because of what it consists of, goes on without a signature, and the service
/// says what it thinks of it.
///
/// The body of an answer that is no success is read for 5 seconds or up to 64 KiB before
/// it is passed on, unchanged.
///
/// # Panics
///
/// Outside of a Tokio runtime with a timer. Made by [`SkewClock::signing_layer`].
#[derive(Clone)]
pub struct SigningLayer {
    wiring: Arc<Wiring>,
    scope: Arc<Scope>,
}

impl SkewClock {
    /// Returns a layer that goes below a SigV4 signer; `credentials` are those
    /// that it signs with.
    pub fn layer(&self, credentials: impl ProvideCredentials + 'static) -> SkewLayer {
        SkewLayer(Arc::new(Wiring::new(
            self,
            CachedCredentials::new(credentials),
        )))
    }

    /// Returns a layer that signs for one region and service, such as
    /// `"us-east-1"` and `"execute-api"`.
    pub fn signing_layer(
        &self,
        credentials: impl ProvideCredentials + 'static,
        region: impl Into<Cow<'static, str>>,
        service: impl Into<Cow<'static, str>>,
    ) -> SigningLayer {
        SigningLayer {
            wiring: Arc::new(Wiring::new(self, CachedCredentials::new(credentials))),
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
        SkewService::new(inner, self.0.clone())
    }
}

impl<S> Layer<S> for SigningLayer {
    type Service = SigningService<S>;

    fn layer(&self, inner: S) -> SigningService<S> {
        SigningService::new(
            SkewService::new(inner, self.wiring.clone()),
            self.scope.clone(),
        )
    }
}

impl fmt::Debug for SkewLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewLayer").finish_non_exhaustive()
    }
}

impl fmt::Debug for SigningLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningLayer")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

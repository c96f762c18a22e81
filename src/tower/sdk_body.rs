//! [`ReplaySdkBody`], and the conversion of any body to an [`SdkBody`].

use std::any::Any;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::ReplayBody;

/// The request body of the AWS SDK as a [`ReplayBody`](super::ReplayBody).
///
/// The layers of a [`LayeredHttpClient`](super::LayeredHttpClient) get requests with this
/// body.
///
/// ```
/// use aws_clock_skew::tower::ReplaySdkBody;
///
/// fn add_header(mut request: http::Request<ReplaySdkBody>) -> http::Request<ReplaySdkBody> {
///     let value = http::HeaderValue::from_static("blue");
///     request.headers_mut().insert("x-deployment", value);
///     request
/// }
/// ```
#[derive(Debug)]
pub struct ReplaySdkBody(SdkBody);

impl ReplaySdkBody {
    /// Returns the body of the SDK.
    pub fn into_inner(self) -> SdkBody {
        self.0
    }
}

impl From<SdkBody> for ReplaySdkBody {
    fn from(body: SdkBody) -> Self {
        Self(body)
    }
}

impl ReplayBody for ReplaySdkBody {
    fn try_clone(&self) -> Option<Self> {
        self.0.try_clone().map(Self)
    }
}

impl Body for ReplaySdkBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.0)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.0)
    }
}

/// Converts a body to one of the SDK. A body that came from the SDK is returned unchanged,
/// so that it keeps its length and can still be copied.
pub(super) fn into_sdk_body<B>(body: B) -> SdkBody
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut body = Some(body);
    let any: &mut dyn Any = &mut body;
    let own = if let Some(body) = any.downcast_mut::<Option<SdkBody>>() {
        body.take()
    } else if let Some(body) = any.downcast_mut::<Option<ReplaySdkBody>>() {
        body.take().map(ReplaySdkBody::into_inner)
    } else {
        body.map(|body| SdkBody::from_body_1_x(SyncBody(Mutex::new(Box::pin(body)))))
    };
    own.unwrap_or_else(SdkBody::empty)
}

/// Makes a body `Sync`, which the SDK requires. The lock is never contended.
struct SyncBody<B>(Mutex<Pin<Box<B>>>);

impl<B> SyncBody<B> {
    fn lock(&self) -> MutexGuard<'_, Pin<Box<B>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Body for SyncBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = self.lock().as_mut().poll_frame(cx);
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

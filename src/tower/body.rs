//! Request bodies that can be sent twice ([`ReplayBody`]), and response bodies
//! ([`SkewBody`]).

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::buffered::{Buffered, whole_frame};
use crate::resend::LONGEST_READ;

/// A request body that can be copied for a second send, if that is possible.
///
/// It is implemented for every body that is `Clone`, such as `Full<Bytes>`, `Empty` and
/// `String`. A clone must yield the same bytes as the original. If a body is not `Clone`,
/// or its clones yield other bytes, wrap it in [`NonReplayable`] or collect it. Collect the
/// bodies of axum, hyper, reqwest and the AWS SDK:
///
/// ```
/// use aws_clock_skew::tower::ReplayBody;
/// use http_body_util::{BodyExt, Full};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), axum::Error> {
/// let incoming = axum::body::Body::from("from a client of this service");
/// let body = Full::new(incoming.collect().await?.to_bytes());
/// assert!(body.try_clone().is_some());
/// # Ok(())
/// # }
/// ```
pub trait ReplayBody: Body<Error: Send> + Sized {
    /// Returns a body with the same bytes, or `None` if the body can be sent only once.
    fn try_clone(&self) -> Option<Self>;
}

impl<B: Body<Error: Send> + Clone> ReplayBody for B {
    fn try_clone(&self) -> Option<Self> {
        Some(self.clone())
    }
}

pin_project! {
    /// A request body that can be sent only once, such as a stream.
    ///
    /// If the request is rejected because of its time, the caller gets the clock skew
    /// error. The error still updates the clock, and the next request succeeds.
    ///
    /// ```
    /// use aws_clock_skew::tower::{NonReplayable, ReplayBody};
    ///
    /// let body = NonReplayable::new("stands for a stream".to_owned());
    /// assert!(body.try_clone().is_none());
    /// assert_eq!(body.into_inner(), "stands for a stream");
    /// ```
    pub struct NonReplayable<B> {
        #[pin]
        inner: B,
    }
}

impl<B> NonReplayable<B> {
    /// Wraps a body so that it is never sent twice.
    pub const fn new(inner: B) -> Self {
        Self { inner }
    }

    /// Returns the wrapped body.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B> fmt::Debug for NonReplayable<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonReplayable").finish_non_exhaustive()
    }
}

impl<B: Body> Body for NonReplayable<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body<Error: Send>> ReplayBody for NonReplayable<B> {
    fn try_clone(&self) -> Option<Self> {
        None
    }
}

pin_project! {
    /// A response body that has passed through a layer of this crate.
    ///
    /// It yields the bytes of the original body `B`. The body of a success is passed on
    /// frame by frame. The beginning of an error body was read before, and is yielded
    /// again.
    ///
    /// ```
    /// use aws_clock_skew::tower::SkewBody;
    /// use http_body_util::{BodyExt, Full};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let response = http::Response::new(SkewBody::<Full<bytes::Bytes>>::default());
    ///
    /// let response: http::Response<SkewBody<Full<bytes::Bytes>>> = response;
    /// let bytes = response.into_body().collect().await.unwrap().to_bytes();
    /// assert!(bytes.is_empty());
    /// # }
    /// ```
    // The bound `B: Body` is needed because the frames that were read may hold an error of
    // `B`.
    pub struct SkewBody<B: Body> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<B: Body> {
        Untouched { #[pin] body: B },
        Read { body: Buffered<B> },
    }
}

impl<B: Body> SkewBody<B> {
    pub(super) const fn untouched(body: B) -> Self {
        Self {
            state: State::Untouched { body },
        }
    }

    /// Reads the beginning of the body, unless it was read before. Returns the whole body
    /// and that beginning.
    pub(super) async fn read(self) -> (Self, Bytes) {
        let State::Untouched { body } = self.state else {
            return (self, Bytes::new());
        };
        let deadline = tokio::time::sleep(LONGEST_READ);
        let (body, text) = Buffered::read(body, deadline).await;
        let state = State::Read { body };
        (Self { state }, text)
    }
}

impl<B: Body> Body for SkewBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProject::Untouched { body } => body.poll_frame(cx).map_ok(whole_frame),
            StateProject::Read { body } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Untouched { body } => body.is_end_stream(),
            State::Read { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Untouched { body } => body.size_hint(),
            State::Read { body } => body.size_hint(),
        }
    }
}

/// The default value of the original body. `TimeoutLayer` and other layers of tower-http
/// need it for responses of their own.
impl<B: Body + Default> Default for SkewBody<B> {
    fn default() -> Self {
        Self::untouched(B::default())
    }
}

impl<B: Body> fmt::Debug for SkewBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewBody").finish_non_exhaustive()
    }
}

/// Returns all bytes of a body, or `None` if it fails. A body of one frame, such as one in
/// memory, is not copied.
pub(super) async fn bytes_of<B: Body>(body: B) -> Option<Bytes> {
    let mut body = pin!(body);
    let mut frames = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        frames.extend(whole_frame(frame.ok()?).into_data());
    }
    match &*frames {
        [whole] => Some(whole.clone()),
        frames => Some(frames.concat().into()),
    }
}

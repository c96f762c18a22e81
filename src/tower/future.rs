//! [`SkewFuture`] and [`SigningFuture`]: the responses of a
//! [`SkewService`](super::SkewService) and a [`SigningService`](super::SigningService).

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::request::TowerRequest;
use crate::clock::SentAt;
use crate::resend::recover;

pin_project! {
    /// Future of the response of a [`SkewService`](super::SkewService).
    ///
    /// If there was a resend, it resolves to the response to the resend. `S` is the inner
    /// service, `B` the body of the request and `R` the body of the response.
    ///
    /// ```
    /// use aws_clock_skew::tower::{SkewFuture, SkewService};
    /// use tower::Service;
    /// # use bytes::Bytes;
    /// # use http_body_util::Full;
    ///
    /// type Request = http::Request<Full<Bytes>>;
    ///
    /// fn call<S>(sqs: &mut SkewService<S>, request: Request) -> SkewFuture<S, Full<Bytes>, Full<Bytes>>
    /// where
    ///     S: Service<Request, Response = http::Response<Full<Bytes>>> + Clone + Send + 'static,
    ///     S::Future: Send,
    ///     S::Error: Send,
    /// {
    ///     sqs.call(request)
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing more is sent. If it has already updated the clock,
    /// the correction stays.
    pub struct SkewFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        #[pin]
        state: State<S, B, R>,
    }
}

type Outcome<S, B, R> = Result<Response<SkewBody<R>>, <S as Service<Request<B>>>::Error>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pin_project! {
    #[project = StateProject]
    enum State<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        /// The request is not signed, and is sent unchanged.
        Passing { #[pin] sent: S::Future },
        First { #[pin] sent: S::Future, request: Option<TowerRequest<S, B>>, sent_at: SentAt },
        /// The response is an error, or the request has to be re-signed before it is sent.
        Boxed { future: Boxed<Outcome<S, B, R>> },
    }
}

impl<S, B, R> SkewFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    pub(super) const fn passing(sent: S::Future) -> Self {
        Self {
            state: State::Passing { sent },
        }
    }

    pub(super) const fn first(
        sent: S::Future,
        request: TowerRequest<S, B>,
        sent_at: SentAt,
    ) -> Self {
        Self {
            state: State::First {
                sent,
                request: Some(request),
                sent_at,
            },
        }
    }

    pub(super) fn boxed(future: impl Future<Output = Outcome<S, B, R>> + Send + 'static) -> Self {
        Self {
            state: State::Boxed {
                future: Box::pin(future),
            },
        }
    }
}

impl<S, B, R> Future for SkewFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
    B: ReplayBody + Send + 'static,
    R: Body + Send + 'static,
    R::Error: Send,
{
    type Output = Outcome<S, B, R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let future = match this.state.as_mut().project() {
                StateProject::Passing { sent } => {
                    let response = ready!(sent.poll(cx))?;
                    return Poll::Ready(Ok(response.map(SkewBody::untouched)));
                }
                StateProject::Boxed { future } => return future.as_mut().poll(cx),
                StateProject::First {
                    sent,
                    request,
                    sent_at,
                } => {
                    let response = ready!(sent.poll(cx))?.map(SkewBody::untouched);
                    // The request is taken only when this future completes, after which it
                    // must not be polled.
                    let Some(mut request) = request.take() else {
                        return Poll::Pending;
                    };
                    let clock = request.wiring().clock.clone();
                    let sent_at = *sent_at;
                    if !request.wants(sent_at, &response) {
                        return Poll::Ready(Ok(response));
                    }
                    let received = clock.reading();
                    async move { recover(&mut request, &clock, sent_at, received, response).await }
                }
            };
            this.state.set(State::Boxed {
                future: Box::pin(future),
            });
        }
    }
}

pin_project! {
    /// Future of the response of a [`SigningService`](super::SigningService).
    ///
    /// If there was a resend, it resolves to the response to the resend. The type
    /// parameters are those of [`SkewFuture`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing more is sent. If it has already updated the clock,
    /// the correction stays.
    ///
    /// ```
    /// use aws_clock_skew::tower::{SigningFuture, SigningService};
    /// use tower::{BoxError, Service};
    /// # use bytes::Bytes;
    /// # use http_body_util::Full;
    ///
    /// type Request = http::Request<Full<Bytes>>;
    ///
    /// fn call<S>(
    ///     sqs: &mut SigningService<S>,
    ///     request: Request,
    /// ) -> SigningFuture<S, Full<Bytes>, Full<Bytes>>
    /// where
    ///     S: Service<Request, Response = http::Response<Full<Bytes>>> + Clone + Send + 'static,
    ///     S::Future: Send,
    ///     S::Error: Into<BoxError> + Send,
    /// {
    ///     sqs.call(request)
    /// }
    /// ```
    pub struct SigningFuture<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        #[pin]
        state: Signing<S, B, R>,
    }
}

/// The error type of the layers of `tower` that add errors of their own.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    #[project = SigningProject]
    enum Signing<S, B, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        Sent { #[pin] future: SkewFuture<S, B, R> },
        /// The credentials or the body are not available at once.
        Boxed { future: Boxed<Result<Response<SkewBody<R>>, BoxError>> },
    }
}

impl<S, B, R> SigningFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    pub(super) const fn sent(future: SkewFuture<S, B, R>) -> Self {
        Self {
            state: Signing::Sent { future },
        }
    }

    pub(super) fn boxed(
        future: impl Future<Output = Result<Response<SkewBody<R>>, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            state: Signing::Boxed {
                future: Box::pin(future),
            },
        }
    }
}

impl<S, B, R> Future for SigningFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: ReplayBody + Send + 'static,
    R: Body + Send + 'static,
    R::Error: Send,
{
    type Output = Result<Response<SkewBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            SigningProject::Sent { future } => future.poll(cx).map_err(Into::into),
            SigningProject::Boxed { future } => future.as_mut().poll(cx),
        }
    }
}

macro_rules! debug {
    ($($future:ident),*) => {
        $(impl<S, B, R> fmt::Debug for $future<S, B, R>
        where
            S: Service<Request<B>, Response = Response<R>>,
            R: Body,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        })*
    };
}
debug!(SkewFuture, SigningFuture);

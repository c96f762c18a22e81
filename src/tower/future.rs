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
        /// `request` is `None` if the request is not signed.
        Sent { #[pin] sent: S::Future, request: Option<TowerRequest<S, B>> },
        /// The response is an error, or the request has to be re-signed before it is sent.
        Boxed { future: Boxed<Outcome<S, B, R>> },
    }
}

impl<S, B, R> SkewFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    pub(super) const fn sent(sent: S::Future, request: Option<TowerRequest<S, B>>) -> Self {
        Self {
            state: State::Sent { sent, request },
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
    S: Service<Request<B>, Response = Response<R>, Future: Send, Error: Send> + Send + 'static,
    B: ReplayBody + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
{
    type Output = Outcome<S, B, R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let (sent, request) = match this.state.as_mut().project() {
                StateProject::Sent { sent, request } => (sent, request),
                StateProject::Boxed { future } => return future.as_mut().poll(cx),
            };
            let response = ready!(sent.poll(cx))?.map(SkewBody::untouched);
            let future = match request.take() {
                Some(request) if request.wants(&response) => Box::pin(request.recover(response)),
                _ => return Poll::Ready(Ok(response)),
            };
            this.state.set(State::Boxed { future });
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
        /// The credentials or the body are not available at once, or cannot sign the request.
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
    S: Service<Request<B>, Response = Response<R>, Future: Send> + Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: ReplayBody + Send + 'static,
    R: Body<Error: Send> + Send + 'static,
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

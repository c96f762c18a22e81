//! [`SkewFuture`]: the response of a [`SkewService`](super::SkewService).

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
        Boxed { future: Pin<Box<dyn Future<Output = Outcome<S, B, R>> + Send>> },
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

impl<S, B, R> fmt::Debug for SkewFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewFuture").finish_non_exhaustive()
    }
}

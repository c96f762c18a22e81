//! [`SkewFuture`]: the response of a [`SkewService`](super::SkewService) or
//! [`SigningService`](super::SigningService) service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::request::{TowerRequest, date_of};
use crate::clock::SentAt;
use crate::host::Host;
use crate::resend::{ReplayRequest, recover};

pin_project! {
    /// Resolves to the response, or to the response to the resend.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing more is sent. A correction that it has started
    /// stays.
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
        /// Not signed: sent as it is.
        Passing { #[pin] sent: S::Future },
        First { #[pin] sent: S::Future, request: Option<TowerRequest<S, B>>, sent_at: SentAt },
        /// The response is an error, or the request has to be signed first.
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
                    // Only gone once this future has resolved, and then nobody may
                    // poll it.
                    let Some(mut request) = request.take() else {
                        return Poll::Pending;
                    };
                    let clock = request.wiring().clock.clone();
                    let sent_at = *sent_at;
                    let is_aws = || request.host().as_ref().is_some_and(Host::is_aws);
                    if response.status().is_success()
                        && !clock.wants_accepted(sent_at.reading, || date_of(&response), is_aws)
                    {
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

impl<S, B, R> fmt::Debug for SkewFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkewFuture").finish_non_exhaustive()
    }
}

//! [`SkewFuture`]: the response of a [`Skew`](super::Skew) or
//! [`Signing`](super::Signing) service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::carrier::{Arrived, TowerCarrier, date_of};
use crate::resend::{Carrier, Departure, accept, minds_accepted, recover};

pin_project! {
    /// Resolves to the response, or to that of the second send.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it sends nothing more; what was learned stays learned.
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
        First { #[pin] sent: S::Future, carrier: Option<TowerCarrier<S, B>>, departure: Departure },
        /// The answer was refused, or the request has to be signed first.
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
        carrier: TowerCarrier<S, B>,
        departure: Departure,
    ) -> Self {
        Self {
            state: State::First {
                sent,
                carrier: Some(carrier),
                departure,
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
                    carrier,
                    departure,
                } => {
                    let response = ready!(sent.poll(cx))?.map(Arrived::Fresh);
                    // Only gone once this future has resolved, and then nobody may
                    // poll it.
                    let Some(mut carrier) = carrier.take() else {
                        return Poll::Pending;
                    };
                    let clock = &carrier.wiring().clock;
                    let departure = *departure;
                    let is_success = response.status().is_success();
                    let date = || date_of(&response);
                    if is_success && !minds_accepted(clock, departure, date, || carrier.host()) {
                        return Poll::Ready(Ok(response.map(Arrived::into_body)));
                    }
                    let clock = clock.clone();
                    let received = clock.reading();
                    if is_success {
                        accept(&carrier, &clock, departure, received, &response);
                        return Poll::Ready(Ok(response.map(Arrived::into_body)));
                    }
                    async move {
                        let answer =
                            recover(&mut carrier, &clock, departure, received, response).await;
                        answer.map(|response| response.map(Arrived::into_body))
                    }
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

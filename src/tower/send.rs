//! [`SkewLayer::send`], for HTTP stacks that are not Tower services.

use std::future::Future;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::layer::SkewLayer;
use super::request::{TowerRequest, host_of};
use super::service::is_signed;
use crate::clock::SentAt;
use crate::resend::recover;

impl SkewLayer {
    /// Sends one request with a function, in the way in which the layer's service uses its
    /// inner service.
    ///
    /// It is for clients whose hook is not a Tower service, such as `reqwest-middleware` or
    /// the `HttpConnector` of `object_store`; call it there, below the signer. It calls
    /// `send` once, or twice if the first request is rejected because of its time. An
    /// unsigned request is passed on.
    ///
    /// # Errors
    ///
    /// Returns the error of `send`.
    ///
    /// # Panics
    ///
    /// Panics if it receives an error response outside of a Tokio runtime with a timer.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing more is sent. If it has already updated the clock,
    /// the correction stays.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(
    /// #     client: reqwest::Client,
    /// #     credentials: aws_credential_types::Credentials,
    /// #     signed: http::Request<String>,
    /// # ) -> Result<(), reqwest::Error> {
    /// use aws_clock_skew::SkewClock;
    ///
    /// let layer = SkewClock::new().layer(credentials);
    /// let response = layer
    ///     .send(signed, async |request: http::Request<String>| {
    ///         let response = client.execute(request.try_into()?).await?;
    ///         Ok::<_, reqwest::Error>(http::Response::<reqwest::Body>::from(response))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send<F, Sent, B, R, E>(
        &self,
        mut request: Request<B>,
        send: F,
    ) -> Result<Response<SkewBody<R>>, E>
    where
        F: FnMut(Request<B>) -> Sent + Send,
        Sent: Future<Output = Result<Response<R>, E>> + Send,
        B: ReplayBody + Send,
        R: Body<Error: Send> + Send,
        E: Send,
    {
        let mut send = Function(send);
        if !is_signed(&request) {
            return Ok(send.call(request).await?.map(SkewBody::untouched));
        }
        let clock = &self.0.clock;
        let mut sent_at = SentAt::now(clock, || host_of(request.uri()));
        let mut kept = TowerRequest::of(send, self.0.clone(), &request);
        if kept.has_to_prepare(sent_at) {
            sent_at = kept.prepare(&mut request).await;
        }
        let response = kept.service.call(request).await?.map(SkewBody::untouched);
        if !kept.wants(sent_at, &response) {
            return Ok(response);
        }
        let received = clock.reading();
        recover(&mut kept, clock, sent_at, received, response).await
    }
}

/// A function as a service that is always ready.
struct Function<F>(F);

impl<F, Sent, B, R, E> Service<Request<B>> for Function<F>
where
    F: FnMut(Request<B>) -> Sent,
    Sent: Future<Output = Result<Response<R>, E>>,
{
    type Response = Response<R>;
    type Error = E;
    type Future = Sent;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Sent {
        (self.0)(request)
    }
}

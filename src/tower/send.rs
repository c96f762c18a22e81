//! [`SkewLayer::send`], for HTTP stacks that are not Tower services.

use std::future::Future;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{ReplayBody, SkewBody};
use super::layer::SkewLayer;
use super::request::TowerRequest;
use super::service::is_signed;

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
        request: Request<B>,
        mut send: F,
    ) -> Result<Response<SkewBody<R>>, E>
    where
        F: FnMut(Request<B>) -> Sent + Send,
        Sent: Future<Output = Result<Response<R>, E>> + Send,
        B: ReplayBody + Send,
        R: Body<Error: Send> + Send,
        E: Send,
    {
        if !is_signed(&request) {
            return Ok(send(request).await?.map(SkewBody::untouched));
        }
        let kept = TowerRequest::of(Function(send), self.0.clone(), &request);
        kept.call(request).await
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

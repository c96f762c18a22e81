//! [`SkewClock::synchronize_with`], which asks a server for the time with any HTTP client.

use std::error::Error;
use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use super::request::view;
use crate::clock::{SkewClock, SkewStatus};
use crate::evidence::Evidence;
use crate::synchronize::{LONGEST_WAIT, SynchronizeError};

impl SkewClock {
    /// Asks a server for the time before the first request is signed, with any HTTP client.
    ///
    /// It sends one unsigned request (`HEAD`) to `url`, and reads the `Date` of the
    /// response, whatever its status is. It takes 15 seconds at most. The correction
    /// forward is limited by [`Limits::with_max_forward`](crate::Limits::with_max_forward).
    /// `SkewClock::synchronize` does the same with the HTTP client of an `SdkConfig`, and
    /// documents how far such a time is trusted.
    ///
    /// ```no_run
    /// use aws_clock_skew::SkewClock;
    /// use tower::ServiceBuilder;
    ///
    /// # async fn start() {
    /// let clock = SkewClock::new();
    /// let client = ServiceBuilder::new()
    ///     .map_request(|request: http::Request<String>| request.try_into().expect("a URL"))
    ///     .map_response(http::Response::<reqwest::Body>::from)
    ///     .service(reqwest::Client::new());
    /// match clock.synchronize_with(client, "https://sts.us-east-1.amazonaws.com/").await {
    ///     Ok(status) => println!("the local clock is {}", status.offset()),
    ///     Err(error) => eprintln!("not synchronized: {error}"),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`SynchronizeError`] if no response comes or its time cannot be used. The
    /// clock is then unchanged, and the program can go on.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime with a timer.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock is unchanged.
    pub async fn synchronize_with<S, B, R>(
        &self,
        mut service: S,
        url: &str,
    ) -> Result<SkewStatus, SynchronizeError>
    where
        S: Service<Request<B>, Response = Response<R>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Default,
    {
        let answer = async {
            let request = Request::head(url).body(B::default())?;
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            Ok(Evidence::read(&view(&response, &[])))
        };
        let answer = async { tokio::time::timeout(LONGEST_WAIT, answer).await? };
        self.ask(url, answer).await
    }
}

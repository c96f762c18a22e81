//! [`SkewClock::synchronize_with`]: asking for the time over any HTTP client.

use std::error::Error;
use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use super::request::view;
use crate::clock::{SkewClock, SkewStatus};
use crate::evidence::Evidence;
use crate::synchronize::{LONGEST_WAIT, SynchronizeError};

impl SkewClock {
    /// Asks `url` for the time before the first signature, through an HTTP client that
    /// signs nothing. Otherwise as `synchronize`, which does so for the config of an SDK;
    /// what it says of the worth of such a time holds here too.
    ///
    /// One unsigned request (`HEAD`) is sent, and what counts is the `Date` of the
    /// response, whatever its status. The limit is that of
    /// [`Limits::with_max_forward`](crate::Limits::with_max_forward), 7 days. Needs a Tokio runtime
    /// with a timer, and takes 15 seconds at most.
    ///
    /// # Errors
    ///
    /// If no response came, or its time cannot be used; see [`SynchronizeError`]. The
    /// clock is then as it was: go on.
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

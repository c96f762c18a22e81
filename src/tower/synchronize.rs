//! [`SkewClock::synchronize_through`]: asking for the time over any HTTP client.

use std::error::Error;
use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use super::request::view;
use crate::clock::{SkewClock, SkewStatus};
use crate::evidence::Evidence;
use crate::synchronize::{LONGEST_WAIT, SAMPLES, Samples, SynchronizeError, authenticated};

impl SkewClock {
    /// Asks `url` for the time before the first signature, through an HTTP client
    /// that signs nothing. Otherwise as `synchronize`, which does so for the config
    /// of an SDK; what it says of the worth of such a time holds here too.
    ///
    /// Three requests without a signature (`HEAD`) are sent, and what counts is
    /// the `Date` of the answers, whatever they are. The limit is that of
    /// [`Limits::with_forward`](crate::Limits::with_forward), 7 days. Needs a Tokio
    /// runtime with a timer, and takes 15 seconds at most.
    ///
    /// # Errors
    ///
    /// If nobody answered, or the answer was not to be followed; see
    /// [`SynchronizeError`]. The clock is then as it was: go on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the clock is unchanged.
    pub async fn synchronize_through<S, B, R>(
        &self,
        mut service: S,
        url: &str,
    ) -> Result<SkewStatus, SynchronizeError>
    where
        S: Service<Request<B>, Response = Response<R>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Default,
    {
        let host = authenticated(url)?;
        let mut samples = Samples::default();
        for _ in 0..SAMPLES {
            let request = Request::head(url).body(B::default());
            let request = request.map_err(|error| SynchronizeError::NoAnswer(error.into()))?;
            let sent = self.reading();
            let answer = tokio::time::timeout(LONGEST_WAIT, async {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                service.call(request).await
            })
            .await;
            let received = self.reading();
            let answer = match answer {
                Ok(Ok(response)) => Ok(Evidence::read(&view(&response, &[])).date()),
                Ok(Err(error)) => Err(error.into()),
                Err(late) => Err(late.into()),
            };
            samples.hear(answer, sent, received)?;
        }
        self.learn_from(samples, &host)
    }
}

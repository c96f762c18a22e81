//! Layers for any stack of [`tower`](https://docs.rs/tower) services over `http` requests.
//!
//! * [`SigningLayer`] signs requests with the corrected time; [`SkewClock::signing_layer`]
//!   returns it.
//! * [`SkewLayer`] goes below a SigV4 signer that signs with the local clock;
//!   [`SkewClock::layer`] returns it.
//! * [`SkewLayer::send`] is for HTTP stacks that are not Tower services.
//!
//! Clients of the AWS SDK do not need a layer: `SkewClock::configure` and `install!` cover
//! them. With feature `sdk`, `LayeredHttpClient` puts Tower layers between the SDK and its
//! HTTP client, and `HttpClientService` is that client as a Tower service.
//!
//! ```
//! use aws_clock_skew::{ManualClock, SkewClock};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//! # use std::time::{Duration, UNIX_EPOCH};
//! # use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
//! # use aws_credential_types::Credentials;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower::BoxError> {
//! # let true_time = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! # let endpoint = Endpoint::builder(move || true_time).start().await?;
//! # endpoint.feed("q", "first");
//! # let (url, queue) = (endpoint.url(), endpoint.queue_url("q"));
//! # let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "doc");
//!
//! // A machine whose clock is two days behind.
//! let clock = SkewClock::builder()
//!     .local_clock(ManualClock::new(true_time - Duration::from_hours(48)))
//!     .build();
//! let client = reqwest::Client::new();
//! let mut sqs = ServiceBuilder::new()
//!     .layer(clock.signing_layer(credentials, "us-east-1", "sqs"))
//!     .map_request(|request: http::Request<String>| request.try_into().expect("a URL"))
//!     .map_response(http::Response::<reqwest::Body>::from)
//!     .service(client);
//! for _ in 0..10 {
//!     let request = http::Request::post(&url)
//!         .header("content-type", "application/x-amz-json-1.0")
//!         .header("x-amz-target", "AmazonSQS.SendMessage")
//!         .body(format!(r#"{{"QueueUrl":"{queue}","MessageBody":"hello"}}"#))?;
//!     let response = sqs.ready().await?.call(request).await?;
//!     assert!(response.status().is_success());
//! }
//! assert_eq!(endpoint.counts().rejected, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Order of layers
//!
//! A request is signed when the inner service is ready for it, so `ConcurrencyLimit`,
//! `RateLimit` and other limits may go below the layers of this crate. For three layers the
//! order matters:
//!
//! * `Buffer` below would hold requests that are already signed. If they can wait there for
//!   longer than a signature is valid (5 minutes for most services), put `Buffer` above.
//! * A layer that decompresses responses goes below, because a compressed error message
//!   cannot be read.
//! * A layer that retries goes above, so that each attempt is signed.
//!
//! # Runtime
//!
//! The layers need a Tokio runtime with a timer. They read at most 64 KiB or 1,024 frames
//! of an error response, for at most 5 seconds, before they pass it on unchanged.
//!
//! [`SkewClock::signing_layer`]: crate::SkewClock::signing_layer
//! [`SkewClock::layer`]: crate::SkewClock::layer

mod body;
mod credentials;
mod future;
#[cfg(feature = "sdk")]
mod http_client_service;
mod layer;
#[cfg(feature = "sdk")]
mod layered_http_client;
mod request;
#[cfg(feature = "sdk")]
mod sdk_body;
mod send;
mod service;
mod sign;
mod synchronize;

pub use body::{NonReplayable, ReplayBody, SkewBody};
pub use future::SkewFuture;
#[cfg(feature = "sdk")]
pub use http_client_service::HttpClientService;
pub use layer::{SigningLayer, SkewLayer};
#[cfg(feature = "sdk")]
pub use layered_http_client::LayeredHttpClient;
#[cfg(feature = "sdk")]
pub use sdk_body::ReplaySdkBody;
pub use service::SkewService;
pub use sign::{SigningError, SigningService};

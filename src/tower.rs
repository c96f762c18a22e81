//! Layers for any stack of `tower` services over `http` requests.

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
pub use sign::SigningService;

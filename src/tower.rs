//! Layers for any stack of `tower` services over `http` requests.

mod body;
mod credentials;
mod future;
mod layer;
mod request;
mod send;
mod service;
mod sign;
mod synchronize;

pub use body::{NonReplayable, ReplayBody, SkewBody};
pub use future::{SigningFuture, SkewFuture};
pub use layer::{SigningLayer, SkewLayer};
pub use service::SkewService;
pub use sign::{SigningError, SigningService};

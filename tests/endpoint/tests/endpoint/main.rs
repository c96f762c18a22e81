//! The endpoint seen by a client that signs with the SDK's own signer.

use std::error::Error;

mod answers;
mod client;
mod holding;
mod identity;
mod queues;
mod verification;

/// Tests and their helpers end in `?`.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

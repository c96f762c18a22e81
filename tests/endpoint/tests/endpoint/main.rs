//! The endpoint, tested with a client that uses the SDK's signer.

use std::error::Error;

mod answers;
mod client;
mod holding;
mod identity;
mod queues;
mod verification;

/// Tests and their helpers end in `?`.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

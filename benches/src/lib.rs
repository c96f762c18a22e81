//! What the benchmarks have in common: clients of an SQS that answers inside the
//! process, with each integration, and with none; and services under the layers.

mod calls;
mod client;
mod layers;
mod rejecting;
mod texts;
mod wire;

pub use calls::{Calls, clock};
pub use client::{Integration, accepted_call, client};
pub use layers::{Accepts, call, signed_request};
pub use rejecting::RejectingWire;
pub use texts::{BAITS, REJECTION};
pub use wire::Wire;

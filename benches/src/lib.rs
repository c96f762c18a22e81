//! The shared parts of the benchmarks: SDK clients with each integration and without, a service in
//! the process for them, and services under the layers.

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

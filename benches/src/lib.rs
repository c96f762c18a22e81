//! What the benchmarks have in common: clients of an SQS that answers inside the
//! process, through each door, and through none.

mod client;
mod wire;

pub use client::{Door, accepted_call, client};
pub use wire::Wire;

//! The allocations of accepted requests in each integration.
//!
//! The figures are exact: a change that allocates more has to change them here.

mod integrations;
mod layer;

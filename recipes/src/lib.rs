//! aws-clock-skew with other libraries: one file each, to copy.
//!
//! `docs/recipes.md` has a table of the costs, which `tests/table` checks.

pub mod aws_sign_v4;
pub mod axum_proxy;
pub mod hyper;
pub mod object_store;
pub mod opendal;
pub mod reqwest;
pub mod reqwest_middleware;
pub mod tower_http;
pub mod transfer_manager;

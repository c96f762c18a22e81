//! aws-clock-skew in the programs that people have: one file each, to be copied.
//!
//! The table of what each costs is `docs/recipes.md`; `tests/table` fills it.

pub mod aws_sign_v4;
pub mod axum_proxy;
pub mod hyper;
pub mod object_store;
pub mod opendal;
pub mod reqwest;
pub mod reqwest_middleware;
pub mod tower_http;
pub mod transfer_manager;

//! The logs, metrics and diagnoses of every integration.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod capture;
mod changes;
mod diagnosed;
mod integrations;
mod last_line;
mod listener;
mod modes;
mod output;
mod scenarios;
mod schema;
mod secrets;
mod status;
mod subscribers;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../sdk/wire.rs"]
mod wire;
#[path = "../sdk/world.rs"]
mod world;

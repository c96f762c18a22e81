//! What is logged, counted and told, from every integration.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod capture;
mod changes;
mod diagnosed;
mod integrations;
mod last_line;
mod listener;
mod modes;
mod scenarios;
mod schema;
mod secrets;
mod status;
mod subscribers;
#[expect(dead_code, reason = "the other tests have more scenarios to tell")]
#[path = "../sdk/wire.rs"]
mod wire;
#[path = "../sdk/world.rs"]
mod world;

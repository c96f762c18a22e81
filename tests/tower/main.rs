//! The Tower layers, over a hyper client with real HTTP, and over services in the process that
//! follow a script.

#![expect(clippy::expect_used, reason = "a test may panic")]

mod answers;
mod by_date;
mod cancelled;
mod contract;
mod credentials;
mod healthy;
mod in_flight;
#[path = "../sdk/log.rs"]
mod log;
mod over_http;
mod patience;
#[path = "../sdk/polled.rs"]
mod polled;
mod queues;
mod quoted;
mod readings;
mod repair;
mod request_bodies;
mod script;
mod second_send;
mod send;
mod signing;
mod stack;
#[path = "../sdk/world.rs"]
mod world;

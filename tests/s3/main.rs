//! A real S3 server in this process, which verifies signatures and times, and a machine whose clock
//! is wrong by an hour.
//!
//! The server reads the clock of the machine that runs the tests. Therefore the clients read that
//! clock too, moved by an hour. No other test does so.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod over_http;
mod over_tls;
mod server;
mod site;

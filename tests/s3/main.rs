//! A real S3 server in this process, that verifies signatures and times, and a
//! machine whose clock is an hour wrong.
//!
//! The server reads the clock of the machine that the tests run on, so here, and
//! nowhere else, the clients' clock is that one as well, moved by an hour.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod over_http;
mod over_tls;
mod server;
mod site;

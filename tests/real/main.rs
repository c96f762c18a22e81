//! Real clocks and real servers: processes under libfaketime, S3 servers and SDKs
//! that others have made.
//!
//! `bash tests/real/install` fetches what these tests need, and
//! `cargo test --test real -- --ignored` runs them; `.ci/run` does both.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

#[path = "../skew_proxy/aws.rs"]
mod aws;
#[path = "../../examples/skew_proxy/aws_host.rs"]
mod aws_host;
mod faked;
mod matrix;
mod other_sdks;
mod poller;
mod program;
mod recipes;
mod relay;
mod s3;
mod servers;

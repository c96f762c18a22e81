//! The doors for the AWS SDK, under real `aws-sdk-sqs` and `aws-sdk-kms` clients.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test that has no loopback and no lock may stop it"
)]

mod adaptive;
mod clients;
mod credentials;
mod healthy;
mod in_flight;
mod installation;
mod log;
mod over_http;
mod repair;
mod wire;
mod world;
mod wrong_key;

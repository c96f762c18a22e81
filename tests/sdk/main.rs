//! The doors for the AWS SDK, under real `aws-sdk-sqs` and `aws-sdk-kms` clients.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test that has no loopback and no lock may stop it"
)]

mod adaptive;
mod bad_input;
mod clients;
mod credentials;
mod hazards;
mod healthy;
mod imds;
mod in_flight;
mod installation;
mod log;
mod over_http;
mod quota;
mod repair;
mod streams;
mod wire;
mod world;
mod wrong_key;

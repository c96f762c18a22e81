//! The S3 transfer manager,
//! [aws-sdk-s3-transfer-manager](https://docs.rs/aws-sdk-s3-transfer-manager), with a client of the
//! config that `SkewClock::configure` has prepared.
//!
//! Do not use `s3_config(&config)`: it replaces the HTTP client of the config, and nothing would
//! correct the requests.

use aws_sdk_s3_transfer_manager::{Client, Config};

/// Returns a transfer manager that sends through an S3 client and its HTTP client.
pub fn transfer_manager(s3: aws_sdk_s3::Client) -> Client {
    Client::new(Config::builder().client(s3).build())
}

//! The doors for the AWS SDK, under real `aws-sdk-sqs` and `aws-sdk-kms` clients.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod assumed_role;
mod both_doors;
mod clients;
mod configured;
mod denied;
mod healthy;
mod hosts;
mod in_flight;
mod limits;
mod log;
mod native;
mod net;
mod over_http;
mod provisional;
mod repair;
mod resent;
mod suspects;
mod tap;
mod trust;
mod untouched;
mod weak;
mod wire;
mod world;
mod wrong_key;

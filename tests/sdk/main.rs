//! The doors for the AWS SDK, under real `aws-sdk-sqs` and `aws-sdk-kms` clients.

mod clients;
mod denied;
mod healthy;
mod in_flight;
mod limits;
mod log;
mod over_http;
mod provisional;
mod repair;
mod suspects;
mod trust;
mod weak;
mod wire;
mod world;
mod wrong_key;

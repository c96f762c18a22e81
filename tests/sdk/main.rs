//! The doors for the AWS SDK, under real `aws-sdk-sqs` and `aws-sdk-kms` clients.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod adaptive;
mod assumed_role;
mod bad_input;
mod both_doors;
mod cbor;
mod changes;
mod clients;
mod configured;
mod conformance;
mod credentials;
mod denied;
mod every_service;
mod express;
mod hazards;
mod healthy;
mod hosts;
mod imds;
mod in_flight;
mod installation;
mod known_offset;
mod limits;
mod log;
mod native;
mod net;
mod observer;
mod over_http;
mod parts;
mod quota;
mod quoted;
mod races;
mod readings;
mod rebuilt;
mod repair;
mod reports;
mod resent;
#[cfg(feature = "sigv4a")]
mod sigv4a;
mod site;
mod streams;
mod suspects;
mod tap;
mod threads;
mod trial;
mod trust;
mod two_clocks;
mod untouched;
mod weak;
mod wire;
mod world;
mod wrong_key;

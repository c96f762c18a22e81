//! The integrations for the AWS SDK, under real `aws-sdk-sqs` and `aws-sdk-kms` clients.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod adaptive;
mod assertions;
mod assumed_role;
mod bad_input;
mod both_integrations;
mod cancelled;
mod cbor;
mod changes;
mod clients;
mod comparison;
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
mod net;
mod observer;
#[path = "../events/output.rs"]
mod output;
mod over_http;
mod parts;
mod passed;
mod polled;
mod possible;
mod quota;
mod quoted;
mod races;
mod readings;
mod rebuilt;
mod repair;
mod reports;
mod resent;
mod sdk_features;
mod sdks_own;
mod signed_chunks;
mod sigv4a;
mod site;
mod streams;
mod tap;
mod tenants;
mod threads;
mod trial;
mod trust;
mod two_clocks;
mod two_servers;
mod unrepeatable;
mod untouched;
#[path = "../resign/verifier.rs"]
mod verifier;
mod weak;
mod wire;
mod world;
mod wrong_key;

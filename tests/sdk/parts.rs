//! Clients that have one part of the crate, without the others.

use std::path::Path;
use std::time::Duration;

use aws_clock_skew::{SkewClock, install};
use aws_config::SdkConfig;
use aws_sdk_s3::config::Builder;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::task::JoinSet;

use crate::clients::{behind, config_in, receive};
use crate::express::Express;
use crate::log::Log;
use crate::wire::{Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// A request to S3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RequestKind {
    /// A request that the HTTP client can re-sign.
    Get,
    /// A file, without TLS: the SDK signs each chunk.
    File,
    /// A request to a multi-region access point, signed with SigV4a.
    #[cfg(feature = "sigv4a")]
    MultiRegion,
    /// A request to a directory bucket, in a session of S3 Express.
    Express,
}

impl RequestKind {
    const ALL: &'static [Self] = &[
        Self::Get,
        Self::File,
        #[cfg(feature = "sigv4a")]
        Self::MultiRegion,
        Self::Express,
    ];

    async fn is_lost(self, s3: &aws_sdk_s3::Client) -> bool {
        let bucket = match self {
            Self::Get => "b",
            Self::Express => "bucket--use1-az4--x-s3",
            #[cfg(feature = "sigv4a")]
            Self::MultiRegion => "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
            Self::File => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
                let file = ByteStream::from_path(path).await.expect("is there");
                let put = s3.put_object().bucket("b").key("k").body(file);
                return put.send().await.is_err();
            }
        };
        let got = s3.get_object().bucket(bucket).key("k");
        got.send().await.is_err()
    }
}

/// How many of ten calls fail, and how many requests are rejected.
async fn lost(
    sends: RequestKind,
    skew: i64,
    part: fn(&SdkConfig, &SkewClock) -> SdkConfig,
) -> (usize, usize) {
    let world = World::with_skew(skew);
    let wire = Wire::with_manner(&world, minutes(15), Manner::InFields);
    let url = if sends == RequestKind::File {
        "http"
    } else {
        "https"
    };
    let inner = Express(wire.clone(), world.clone());
    let mut base = config_in(&world, inner, &format!("{url}://s3.example")).into_builder();
    let has_url = matches!(sends, RequestKind::Get | RequestKind::File);
    if !has_url {
        base.set_endpoint_url(None);
    }
    let config = part(&base.build(), &world.skew_clock());
    let builder = Builder::from(&config).force_path_style(has_url);
    let s3 = aws_sdk_s3::Client::from_conf(builder.build());
    let mut lost = 0;
    for _ in 0..10 {
        lost += usize::from(sends.is_lost(&s3).await);
        world.advance(Duration::from_secs(50));
    }
    (lost, wire.rejected())
}

fn http_client_alone(config: &SdkConfig, clock: &SkewClock) -> SdkConfig {
    let inner = config.http_client().expect("was given");
    let config = config.to_builder();
    config.http_client(clock.wrap_http_client(inner)).build()
}

#[tokio::test]
async fn our_http_client_alone_loses_no_call_that_the_sdk_alone_keeps() {
    for sends in RequestKind::ALL {
        for skew in [-2 * DAY, -20 * MINUTE, 9 * HOUR, 0] {
            let alone = lost(*sends, skew, |config, _| config.clone()).await;
            assert_eq!(alone.0, 0, "the SDK alone, {sends:?} {skew}");
            let log = Log::start();
            let ours = lost(*sends, skew, http_client_alone).await;
            // Each session of S3 Express has its own client, and the server rejects that one too.
            let is_express = *sends == RequestKind::Express;
            let rejected = usize::from(skew != 0) * (1 + usize::from(is_express));
            assert_eq!(ours, (0, rejected), "{sends:?} {skew}");
            assert!(rejected <= alone.1, "{sends:?} {skew}");
            // The log says that the HTTP client skips what only the SDK can re-sign.
            let names = log.names();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            match names[..] {
                [] => assert_eq!(skew, 0, "{sends:?}"),
                ["skew_detected"] | ["skew_detected", "resend_skipped"] => assert_ne!(skew, 0),
                _ => panic!("{names:?}, {sends:?} {skew}"),
            }
        }
    }
}

/// Another client of the clock changes the correction while 300 requests are in flight.
#[tokio::test]
async fn a_client_whose_http_client_was_replaced_is_one_of_the_sdk_alone_and_is_reported() {
    for has_ours in [false, true] {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let base = config_in(&world, wire.clone(), AWS);
        let configured = if has_ours {
            behind(&base, &clock)
        } else {
            base
        };
        let replaced = configured.to_builder().http_client(wire.clone()).build();
        let replaced = aws_sdk_sqs::Client::new(&replaced);
        let other = aws_sdk_sqs::Client::new(&configured);
        for client in [&replaced, &other] {
            for _ in 0..5 {
                assert_eq!(receive(client, QUEUE).await, Ok(()));
            }
        }
        wire.hold(300);
        let mut calls = JoinSet::new();
        for _ in 0..300 {
            let client = replaced.clone();
            calls.spawn(async move { receive(&client, QUEUE).await });
        }
        let outcomes = calls.join_all().await;
        assert!(outcomes.iter().all(Result::is_ok), "ours: {has_ours}");
        assert_eq!(wire.rejected(), 2, "one of each client");
        if has_ours {
            assert_eq!(log.names(), ["incomplete_installation", "skew_detected"]);
            assert_eq!(log.events()[0].get("missing"), Some("http_client"));
        }
        // A client with the clock installed needs no HTTP client of the crate.
        let before = log.names().len();
        let builder = aws_sdk_sqs::config::Builder::from(&configured).http_client(wire.clone());
        let installed = aws_sdk_sqs::Client::from_conf(install!(builder, &clock).build());
        assert_eq!(receive(&installed, QUEUE).await, Ok(()));
        assert!(
            !log.names()
                .iter()
                .skip(before)
                .any(|name| name == "incomplete_installation")
        );
    }
}

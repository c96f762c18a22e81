//! SigV4a: S3 multi-region access points.

use aws_clock_skew::install;

use crate::clients::{config_on, in_words};
use crate::log::Log;
use crate::tap::Tap;
use crate::wire::{Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

const MRAP: &str = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";

#[tokio::test]
async fn a_multi_region_access_point_costs_one_rejection_and_no_call() {
    for manner in [Manner::InFields, Manner::ByCode, Manner::Silently] {
        for skew in [-2 * DAY, -20 * MINUTE, 9 * HOUR] {
            let log = Log::start();
            let world = World::with_skew(skew);
            let wire = Wire::with_manner(&world, minutes(15), manner);
            let tap = Tap::new(wire.clone());
            let clock = world.skew_clock();
            let mut config = config_on(&wire, "https://unused")
                .into_builder()
                .http_client(tap.clone());
            config.set_endpoint_url(None);
            let builder = aws_sdk_s3::config::Builder::from(&config.build());
            let s3 = aws_sdk_s3::Client::from_conf(install!(builder, &clock).build());
            for _ in 0..5 {
                let found = s3.head_object().bucket(MRAP).key("k").send().await;
                assert_eq!(
                    found.map(drop).map_err(in_words),
                    Ok(()),
                    "{manner:?} {skew}"
                );
            }
            assert_eq!(wire.seen(), [false, true, true, true, true, true]);
            assert_eq!(log.names(), ["skew_detected"]);
            for sent in tap.sent() {
                let signature = sent.header("authorization").unwrap_or_default();
                assert!(
                    signature.starts_with("AWS4-ECDSA-P256-SHA256"),
                    "{signature}"
                );
            }
        }
    }
}

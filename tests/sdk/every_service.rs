//! `install!` with the client of every service that the tests depend on.

use aws_clock_skew::install;

use crate::clients::config_on;
use crate::wire::Wire;
use crate::world::{MINUTE, World, minutes};

/// Makes one call of a service, and asserts that a rejected request was followed by an accepted
/// one. The call itself may fail: see below.
macro_rules! corrects {
    ($($service:ident: $call:expr;)+) => {$({
        let world = World::with_skew(-20 * MINUTE);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let config = config_on(&wire, "https://service.us-east-1.amazonaws.com");
        let builder = $service::config::Builder::from(&config);
        let client = $service::Client::from_conf(install!(builder, &clock).build());
        let call = $call;
        // The wire's response does not parse as one of every service.
        let _ = call(client).await;
        assert_eq!(wire.seen()[..2], [false, true], stringify!($service));
        assert!(clock.status().is_correcting(), stringify!($service));
    })+};
}

#[tokio::test]
async fn every_service_is_corrected_by_one_line() {
    corrects! {
        aws_sdk_cloudwatch: |client: aws_sdk_cloudwatch::Client| async move {
            client.list_metrics().send().await.map(drop).map_err(drop)
        };
        aws_sdk_dynamodb: |client: aws_sdk_dynamodb::Client| async move {
            client.list_tables().send().await.map(drop).map_err(drop)
        };
        aws_sdk_kms: |client: aws_sdk_kms::Client| async move {
            client.list_keys().send().await.map(drop).map_err(drop)
        };
        aws_sdk_polly: |client: aws_sdk_polly::Client| async move {
            client.describe_voices().send().await.map(drop).map_err(drop)
        };
        aws_sdk_s3: |client: aws_sdk_s3::Client| async move {
            client.list_buckets().send().await.map(drop).map_err(drop)
        };
        aws_sdk_sqs: |client: aws_sdk_sqs::Client| async move {
            client.list_queues().send().await.map(drop).map_err(drop)
        };
        aws_sdk_sts: |client: aws_sdk_sts::Client| async move {
            client.get_caller_identity().send().await.map(drop).map_err(drop)
        };
        aws_sdk_transcribestreaming: |client: aws_sdk_transcribestreaming::Client| async move {
            let call = client.get_medical_scribe_stream().session_id("s");
            call.send().await.map(drop).map_err(drop)
        };
    }
}

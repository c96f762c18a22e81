//! Directory buckets of S3 Express: the SDK makes a session of five minutes with an inner client,
//! and signs with an auth scheme of its own.

use std::time::Duration;

use aws_clock_skew::{SkewClock, install};
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};
use tokio::task::JoinSet;

use crate::clients::{Integration, config, config_in, receive, sqs_of};
use crate::tap::Tap;
use crate::wire::{Manner, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

/// An S3 that creates sessions.
#[derive(Clone, Debug)]
pub(crate) struct Express(pub(crate) Wire, pub(crate) World);

impl HttpConnector for Express {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_session = request.uri().contains("?session");
        let (inner, world) = (self.0.call(request), self.1.clone());
        HttpConnectorFuture::new(async move {
            let mut response = inner.await?;
            if is_session && response.status().is_success() {
                let end = DateTime::from(world.true_time() + minutes(5));
                let end = end.fmt(Format::DateTime).expect("a year of four digits");
                *response.body_mut() = SdkBody::from(format!(
                    "<CreateSessionResult><Credentials><SessionToken>T</SessionToken>\
                     <SecretAccessKey>S</SecretAccessKey><AccessKeyId>ASIAX</AccessKeyId>\
                     <Expiration>{end}</Expiration></Credentials></CreateSessionResult>"
                ));
            }
            Ok(response)
        })
    }
}

impl HttpClient for Express {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A machine with a client of that server.
struct Site {
    world: World,
    tap: Tap,
    wire: Wire,
    clock: SkewClock,
    s3: aws_sdk_s3::Client,
}

pub(crate) const BUCKET: &str = "bucket--use1-az4--x-s3";

impl Site {
    /// `None` is the SDK alone. Without retries only the HTTP client re-signs.
    fn new(integration: Option<Integration>, skew: i64, has_retries: bool) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(15), Manner::InFields);
        let tap = Tap::new(Express(wire.clone(), world.clone()));
        let clock = world.skew_clock();
        let mut base = config("http://unused")
            .into_builder()
            .http_client(tap.clone())
            .time_source(world.clone())
            .sleep_impl(world.clone());
        base.set_endpoint_url(None);
        let base = base.build();
        let config = integration.map_or(base.clone(), |integration| {
            integration.config(&base, &clock)
        });
        let mut retries = base.retry_config().expect("was given").clone();
        if !has_retries {
            retries = RetryConfig::disabled();
        }
        let config = config.into_builder().retry_config(retries).build();
        let builder = aws_sdk_s3::config::Builder::from(&config)
            // A partition with its own retry quota, which no other test uses up.
            .retry_partition(RetryPartition::custom("own").build());
        let builder = match integration {
            Some(integration) if integration.installs() => install!(builder, &clock),
            _ => builder,
        };
        Self {
            world,
            tap,
            wire,
            clock,
            s3: aws_sdk_s3::Client::from_conf(builder.build()),
        }
    }

    async fn gets(&self, bucket: &str) -> bool {
        gets(self.s3.clone(), bucket.to_owned()).await
    }

    /// How many of `calls` calls at once fail.
    async fn failed_in_flight(&self, calls: usize) -> usize {
        self.wire.hold(calls);
        let mut sent = JoinSet::new();
        for _ in 0..calls {
            sent.spawn(gets(self.s3.clone(), BUCKET.to_owned()));
        }
        let sent = sent.join_all().await;
        sent.iter().filter(|succeeds| !**succeeds).count()
    }
}

async fn gets(s3: aws_sdk_s3::Client, bucket: String) -> bool {
    s3.get_object().bucket(bucket).key("k").send().await.is_ok()
}

/// How many of twenty calls to a directory bucket fail, or of twenty that go to a directory bucket
/// and an ordinary one in turn.
async fn lost(integration: Option<Integration>, skew: i64, is_mixed: bool) -> usize {
    let site = Site::new(integration, skew, true);
    let mut lost = 0;
    for call in 0..20 {
        let bucket = if is_mixed && call % 2 == 1 {
            "ordinary"
        } else {
            BUCKET
        };
        lost += usize::from(!site.gets(bucket).await);
        site.world.advance(Duration::from_secs(50));
    }
    lost
}

#[tokio::test]
async fn no_integration_loses_more_calls_to_directory_buckets_than_the_sdk_alone() {
    for skew in [-20 * MINUTE, 20 * MINUTE, 0] {
        for is_mixed in [false, true] {
            assert_eq!(lost(None, skew, is_mixed).await, 0, "the SDK alone, {skew}");
            for integration in Integration::ALL {
                let lost = lost(Some(integration), skew, is_mixed).await;
                assert_eq!(lost, 0, "{integration:?}, {skew} s, mixed: {is_mixed}");
            }
        }
    }
}

/// The key of a session belongs to the SDK. The request for a session is signed with the client's
/// key.
#[tokio::test]
async fn the_http_client_re_signs_the_request_for_a_session() {
    for integration in [
        Integration::HttpClient,
        Integration::Apply,
        Integration::Both,
    ] {
        for skew in [-2 * HOUR, 9 * HOUR] {
            let site = Site::new(Some(integration), skew, false);
            let got = site.s3.get_object().bucket(BUCKET).key("k").send().await;
            let sent = site.tap.sent();
            let for_session: Vec<_> = sent
                .iter()
                .map(|sent| sent.uri.contains("?session"))
                .collect();
            assert_eq!(for_session, [true, true, false], "{integration:?} {skew}");
            assert_eq!(
                site.wire.seen(),
                [false, true, false],
                "{integration:?} {skew}"
            );
            // The HTTP client leaves the first request to the SDK and returns the response as it
            // came. The SDK's own correction reads its `Date`, and may not retry here.
            let error = got.expect_err("there is no retry");
            let response = error.raw_response().expect("there is a response");
            assert_eq!(response.status().as_u16(), 403);
            assert!(response.headers().contains_key("date"));
            assert!(!response.headers().contains_key("age"), "{integration:?}");
        }
    }
}

#[tokio::test]
async fn a_session_that_is_known_when_the_local_clock_is_set_loses_no_call() {
    let mut rejected = Vec::new();
    for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
        let mut all = 0;
        for skew in [-2 * HOUR, 9 * HOUR] {
            let site = Site::new(integration, 0, true);
            assert!(site.gets(BUCKET).await);
            site.world.set_skew(skew);
            for _ in 0..5 {
                assert!(site.gets(BUCKET).await, "{integration:?} {skew}");
            }
            all += site.wire.rejected();
        }
        // Behind, so that the session does not count as expired.
        let site = Site::new(integration, 0, true);
        assert!(site.gets(BUCKET).await);
        site.world.set_skew(-2 * HOUR);
        assert_eq!(site.failed_in_flight(50).await, 0, "{integration:?}");
        rejected.push(all + site.wire.rejected());
    }
    let alone = rejected[0];
    assert!(rejected.iter().all(|ours| *ours <= alone), "{rejected:?}");
}

/// A client inside the SDK asks for sessions, and has none of our interceptors: it cannot find
/// out that the time which it signs with is wrong.
#[tokio::test]
async fn a_correction_that_aws_did_not_confirm_loses_no_call_to_a_directory_bucket() {
    const OTHER: &str = "https://sqs.other.example";
    for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
        let site = Site::new(integration, 0, true);
        let other = Wire::new(&site.world, minutes(5));
        other.set_ahead(-26 * HOUR);
        let sqs = sqs_of(
            integration,
            &config_in(&site.world, other, OTHER),
            &site.clock,
        );
        assert_eq!(receive(&sqs, &format!("{OTHER}/1/q")).await, Ok(()));
        for session in 0..3 {
            assert!(
                site.gets(BUCKET).await,
                "{integration:?}, session {session}"
            );
            site.world.advance(minutes(6));
        }
    }
}

/// Both local clocks stand still while a machine is paused, and AWS confirmed the clock before.
#[tokio::test]
async fn a_pause_that_no_clock_counts_loses_no_call_to_a_directory_bucket() {
    const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
    for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
        let site = Site::new(integration, -20 * MINUTE, true);
        let aws = Wire::new(&site.world, minutes(5));
        let sqs = sqs_of(integration, &config_in(&site.world, aws, AWS), &site.clock);
        assert_eq!(receive(&sqs, &format!("{AWS}/1/q")).await, Ok(()));
        assert!(site.gets(BUCKET).await, "{integration:?}");
        site.wire.set_ahead(2 * HOUR);
        for session in 0..3 {
            assert!(
                site.gets(BUCKET).await,
                "{integration:?}, session {session}"
            );
            site.world.advance(minutes(31));
        }
    }
}

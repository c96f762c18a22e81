//! Directory buckets of S3 Express: a session of five minutes is made by a client of the
//! SDK's own, and signs with a scheme of the SDK's own.

use std::time::Duration;

use aws_clock_skew::install;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::clients::{Door, config, config_of};
use crate::wire::{Manner, Wire};
use crate::world::{MINUTE, World, minutes};

/// S3, which hands out sessions.
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

/// How many of twenty calls fail, of requests to a directory bucket, and to an ordinary
/// one in turn with it.
async fn lost(door: Option<Door>, skew: i64, is_mixed: bool) -> usize {
    let world = World::with_skew(skew);
    let wire = Wire::with_manner(&world, minutes(15), Manner::InFields);
    let clock = world.skew_clock();
    let mut base = config("http://unused")
        .into_builder()
        .http_client(Express(wire.clone(), world.clone()))
        .time_source(world.clone());
    base.set_endpoint_url(None);
    // With the SDK's own retries, which it needs for what only it can sign.
    let config = config_of(door, &base.build(), &clock);
    let builder = aws_sdk_s3::config::Builder::from(&config);
    let builder = match door {
        Some(door) if door.installs() => install!(builder, &clock),
        _ => builder,
    };
    let s3 = aws_sdk_s3::Client::from_conf(builder.build());
    let mut lost = 0;
    for call in 0..20 {
        let bucket = if is_mixed && call % 2 == 1 {
            "ordinary"
        } else {
            "bucket--use1-az4--x-s3"
        };
        let got = s3.get_object().bucket(bucket).key("k").send().await;
        lost += usize::from(got.is_err());
        world.advance(Duration::from_secs(50));
    }
    lost
}

#[tokio::test]
async fn no_integration_loses_more_calls_to_directory_buckets_than_the_sdk_alone() {
    for skew in [-20 * MINUTE, 20 * MINUTE, 0] {
        for is_mixed in [false, true] {
            assert_eq!(lost(None, skew, is_mixed).await, 0, "the SDK alone, {skew}");
            for door in Door::ALL {
                let lost = lost(Some(door), skew, is_mixed).await;
                assert_eq!(lost, 0, "{door:?}, {skew} s, mixed: {is_mixed}");
            }
        }
    }
}

//! A role for each tenant, and other reasons why a signature cannot be reproduced.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::config::{Builder, IdentityCache};
use tokio::task::JoinSet;

use crate::clients::{Integration, SDK_AND_ALL, config, config_of, receive};
use crate::site::QUEUE;
use crate::unrepeatable::Role;
use crate::wire::{Answer, Fate, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";

fn base(world: &World, wire: &Wire) -> SdkConfig {
    config(AWS)
        .into_builder()
        .http_client(wire.clone())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .time_source(world.clone())
        .build()
}

/// Sessions of an hour from `AssumeRole`, with other keys at each load.
fn role(world: &World, key: String) -> SharedCredentialsProvider {
    let role = Role::new(world, minutes(60), |_, _| true);
    SharedCredentialsProvider::new(Role { key, ..role })
}

#[tokio::test]
async fn a_call_of_each_of_hundreds_of_tenants_in_flight_succeeds() {
    for (tenants, skews) in [
        (100, &[-20 * MINUTE, 20 * MINUTE][..]),
        (300, &[-20 * MINUTE]),
    ] {
        for &skew in skews {
            for integration in SDK_AND_ALL {
                let world = World::with_skew(skew);
                let wire = Wire::new(&world, minutes(5));
                wire.hold(tenants);
                let clock = world.skew_clock();
                let config = config_of(integration, &base(&world, &wire), &clock);
                let mut calls = JoinSet::new();
                for tenant in 0..tenants {
                    // Each client has its own retry quota.
                    let partition = RetryPartition::custom(format!("{tenant} of {integration:?}"));
                    let builder = Builder::from(&config)
                        .credentials_provider(role(&world, format!("ASIA{tenant}N")))
                        .retry_partition(partition.build());
                    let builder = if integration.is_some_and(Integration::installs) {
                        aws_clock_skew::install!(builder, &clock)
                    } else {
                        builder
                    };
                    let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
                    calls.spawn(async move { receive(&sqs, QUEUE).await });
                }
                let lost = calls
                    .join_all()
                    .await
                    .iter()
                    .filter(|call| call.is_err())
                    .count();
                assert_eq!(
                    lost, 0,
                    "{tenants} tenants, {integration:?}, {skew} s ahead"
                );
                assert_eq!(wire.sent(), 2 * tenants, "{integration:?}");
            }
        }
    }
}

/// How many of 200 calls in flight fail, and how many of the twenty after them, with an identity
/// cache of the user.
async fn lost(integration: Option<Integration>, is_caching: bool, skew: i64) -> (usize, usize) {
    let world = World::with_skew(skew);
    let wire = Wire::new(&world, minutes(5));
    wire.hold(200);
    let clock = world.skew_clock();
    let partition = RetryPartition::custom(format!("{integration:?} {is_caching} {skew}"));
    let builder = Builder::from(&config_of(integration, &base(&world, &wire), &clock))
        .credentials_provider(role(&world, "ASIA".to_owned()))
        .retry_partition(partition.build());
    let builder = if integration.is_some_and(Integration::installs) {
        aws_clock_skew::install!(builder, &clock)
    } else {
        builder
    };
    let builder = if is_caching {
        builder.identity_cache(IdentityCache::lazy().build())
    } else {
        builder.identity_cache(IdentityCache::no_cache())
    };
    let sqs = aws_sdk_sqs::Client::from_conf(builder.build());
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let sqs = sqs.clone();
        calls.spawn(async move { receive(&sqs, QUEUE).await });
    }
    let outcomes = calls.join_all().await;
    let in_flight = outcomes.iter().filter(|call| call.is_err()).count();
    let mut later = 0;
    for _ in 0..20 {
        later += usize::from(receive(&sqs, QUEUE).await.is_err());
        world.advance(minutes(1));
    }
    (in_flight, later)
}

/// After a request that our signer did not sign, the HTTP client takes part in all requests. It
/// still leaves to the SDK what the SDK re-signs.
#[tokio::test]
async fn keys_that_rotate_lose_no_call_after_an_operation_without_a_signature() {
    let world = World::with_skew(-20 * MINUTE);
    let wire = Wire::new(&world, minutes(5));
    let clock = world.skew_clock();
    let config = Integration::Both.config(&base(&world, &wire), &clock);
    let sts = aws_sdk_sts::config::Builder::from(&config);
    let sts = aws_sdk_sts::Client::from_conf(aws_clock_skew::install!(sts, &clock).build());
    wire.plan([Fate::answered(Answer::empty_403(world.true_time()))]);
    let unsigned = sts.assume_role_with_web_identity().role_arn("r");
    let unsigned = unsigned.role_session_name("s").web_identity_token("t");
    assert!(unsigned.send().await.is_err());
    assert!(!clock.status().is_correcting());
    let sqs = Builder::from(&config).credentials_provider(role(&world, "ASIA".to_owned()));
    let sqs = aws_clock_skew::install!(sqs, &clock).identity_cache(IdentityCache::no_cache());
    let sqs = aws_sdk_sqs::Client::from_conf(sqs.build());
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    assert_eq!(wire.seen(), [false, true]);
    assert_eq!(clock.status().event_count(), 1);
}

/// The HTTP client cannot reproduce a signature whose credentials it cannot load again. The SDK
/// then re-signs, as far as its retry quota allows.
#[tokio::test]
async fn keys_that_rotate_at_every_load_lose_no_more_calls_than_with_the_sdk_alone() {
    for skew in [-20 * MINUTE, 9 * HOUR] {
        for is_caching in [false, true] {
            let of_sdk = lost(None, is_caching, skew).await;
            assert_eq!(of_sdk, (100, 0));
            for integration in Integration::ALL {
                let (in_flight, later) = lost(Some(integration), is_caching, skew).await;
                let most = if integration.installs() { 0 } else { of_sdk.0 };
                assert!(
                    in_flight <= most,
                    "{in_flight} lost, {integration:?}, {skew} s ahead"
                );
                assert_eq!(later, 0, "{integration:?}, {skew} s ahead");
            }
        }
    }
}

/// How a call gets credentials of its own.
#[derive(Clone, Copy, Debug)]
enum Own {
    Operation,
    Client,
    /// A client with an identity cache of the user.
    ClientWithCache,
}

#[tokio::test]
async fn a_request_is_re_signed_with_the_credentials_of_its_own_provider() {
    for own in [Own::Operation, Own::Client, Own::ClientWithCache] {
        // The call is rejected with its first session, or with one that has expired. The HTTP
        // client does not know an expired one from an identity cache of the user.
        let in_use = [false, true].into_iter();
        for is_in_use in
            in_use.filter(|is_in_use| !is_in_use || !matches!(own, Own::ClientWithCache))
        {
            let world = World::with_skew(0);
            let wire = Wire::new(&world, minutes(5));
            let clock = world.skew_clock();
            let config = Integration::HttpClient.config(&base(&world, &wire), &clock);
            let config = config.into_builder();
            let config = config
                .credentials_provider(role(&world, "ASIAfirst".to_owned()))
                .build();
            let first = aws_sdk_sqs::Client::new(&config);
            assert_eq!(receive(&first, QUEUE).await, Ok(()));
            let second = role(&world, "ASIAsecond".to_owned());
            let builder = Builder::from(&config).credentials_provider(second.clone());
            let client = aws_sdk_sqs::Client::from_conf(match own {
                Own::ClientWithCache => builder
                    .identity_cache(IdentityCache::lazy().build())
                    .build(),
                _ => builder.build(),
            });
            let call = async || match own {
                Own::Operation => {
                    let call = first.receive_message().queue_url(QUEUE).customize();
                    let own = Builder::new().credentials_provider(second.clone());
                    let sent = call.config_override(own).send().await;
                    assert!(sent.is_ok(), "{sent:?}, {is_in_use}");
                }
                _ => assert_eq!(receive(&client, QUEUE).await, Ok(())),
            };
            if is_in_use {
                call().await;
            }
            world.advance(minutes(120));
            world.set_skew(-2 * HOUR);
            let accepted = wire.seen().len();
            call().await;
            let seen = &wire.seen()[accepted..];
            assert_eq!(seen, [false, true], "{own:?}, {is_in_use}");
            let keys = &wire.keys()[accepted..];
            let is_own = keys.iter().all(|key| key.starts_with("ASIAsecond"));
            assert!(is_own, "{keys:?}, {own:?}, {is_in_use}");
        }
    }
}

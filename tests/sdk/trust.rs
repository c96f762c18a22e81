//! Two servers whose times contradict each other.

use std::time::Duration;

use crate::clients::{
    Integration, SDK_AND_ALL, config_in, config_on, head, receive, s3, sqs, sqs_of, without_retries,
};
use crate::net::Net;
use crate::two_servers::{AWS, MINIO, TwoServers, with_short_backoff};
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

#[tokio::test]
async fn another_server_cannot_change_a_clock_that_aws_confirmed() {
    for manner in [Manner::InFields, Manner::ByCode, Manner::Silently] {
        for (skew, ahead) in [(0, HOUR), (0, -HOUR), (-20 * MINUTE, HOUR)] {
            let servers = TwoServers::installed(skew, manner);
            servers.minio.set_ahead(ahead);
            assert_eq!(servers.call_aws().await, Ok(()));
            let rejected = servers.aws.rejected();
            assert_eq!(rejected, usize::from(skew != 0));
            let mut failed = 0;
            for _ in 0..20 {
                failed += usize::from(servers.call_minio().await.is_err());
                servers.assert_true_time();
                assert_eq!(servers.call_aws().await, Ok(()));
                servers.world.advance(Duration::from_secs(20));
            }
            assert_eq!(
                servers.aws.rejected(),
                rejected,
                "{manner:?} {skew} {ahead}"
            );
            let warnings = servers.log.names();
            let of_hosts = warnings.iter().filter(|name| *name == "hosts_disagree");
            assert_eq!(of_hosts.count(), 1, "{warnings:?}");
            let last = servers.log.events().pop().unwrap();
            assert_eq!(last.level, tracing::Level::WARN);
            assert_eq!(last.get("server.address"), Some("minio.example"));
            assert_eq!(
                last.get("other.address"),
                Some("sqs.us-east-1.amazonaws.com")
            );
            assert_eq!(failed, 0, "{manner:?} {skew} {ahead}");
            assert_eq!(servers.minio.rejected(), 1, "{manner:?} {skew} {ahead}");
        }
    }
}

#[tokio::test]
async fn without_retries_a_conflicting_host_costs_one_attempt_and_no_call() {
    for manner in [Manner::InFields, Manner::ByCode] {
        let servers = TwoServers::installed(0, manner);
        servers.minio.set_ahead(HOUR);
        let config = without_retries(config_on(&servers.minio, MINIO));
        let minio = s3(&config, &servers.clock);
        for _ in 0..10 {
            assert_eq!(servers.call_aws().await, Ok(()));
            assert_eq!(head(&minio).await, Ok(()), "{manner:?}");
            servers.world.advance(Duration::from_secs(20));
        }
        assert_eq!((servers.minio.rejected(), servers.minio.sent()), (1, 11));
    }
}

#[tokio::test]
async fn every_client_of_a_conflicting_host_uses_its_time_and_one_warning_is_enough() {
    let servers = TwoServers::installed(0, Manner::ByCode);
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    for _ in 0..3 {
        let another = s3(
            &with_short_backoff(config_on(&servers.minio, MINIO)),
            &servers.clock,
        );
        for _ in 0..3 {
            assert_eq!(head(&another).await, Ok(()));
        }
    }
    assert_eq!(servers.clock.now(), servers.world.machine_wall());
    let warnings = servers.log.counted("events", "event", "hosts_disagree");
    assert_eq!(warnings, 1);
}

#[tokio::test]
async fn a_server_that_is_repaired_is_no_conflicting_host_any_more() {
    let servers = TwoServers::installed(0, Manner::ByCode);
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    assert_eq!(servers.call_minio().await, Ok(()));
    servers.minio.set_ahead(0);
    assert_eq!(servers.call_minio().await, Ok(()));
    assert_eq!(servers.call_minio().await, Ok(()));
    // One wrong `Date` on an accepted response changes nothing.
    let date = shifted(servers.world.true_time(), 10 * HOUR);
    servers
        .minio
        .plan([Fate::answered(Answer::new(200, "").dated(date))]);
    assert_eq!(servers.call_minio().await, Ok(()));
    let rejected = servers.minio.rejected();
    assert_eq!(servers.call_minio().await, Ok(()));
    assert_eq!(servers.minio.rejected(), rejected);
}

#[tokio::test]
async fn a_minio_that_shares_the_wrong_local_clock_costs_aws_one_rejection() {
    for manner in [Manner::InFields, Manner::ByCode, Manner::Silently] {
        for skew in [-20 * MINUTE, 2 * HOUR] {
            let servers = TwoServers::installed(skew, manner);
            servers.minio.set_ahead(skew);
            let mut failed = 0;
            for _ in 0..100 {
                for _ in 0..3 {
                    failed += usize::from(servers.call_minio().await.is_err());
                    servers.world.advance(Duration::from_millis(300));
                }
                assert_eq!(servers.call_aws().await, Ok(()));
            }
            assert_eq!(servers.aws.rejected(), 1, "{manner:?} {skew}");
            assert_eq!(failed, 0, "{manner:?} {skew}");
        }
    }
}

/// Whether MinIO can change the clock after AWS has confirmed it and `change` has happened.
async fn minio_changes_clock_after(change: impl FnOnce(&World)) -> bool {
    let servers = TwoServers::installed(0, Manner::InFields);
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    change(&servers.world);
    drop(servers.call_minio().await);
    servers.clock.status().is_correcting()
}

#[tokio::test]
async fn a_confirmation_lasts_an_hour() {
    assert!(!minio_changes_clock_after(|world| world.advance(Duration::from_secs(3_599))).await);
    assert!(minio_changes_clock_after(|world| world.advance(Duration::from_secs(3_600))).await);
}

#[tokio::test]
async fn a_confirmation_ends_when_the_wall_clock_is_set() {
    for (seconds, changes) in [(29, false), (-29, false), (30, true), (-30, true)] {
        let changed = minio_changes_clock_after(|world| world.set_skew(seconds)).await;
        assert_eq!(changed, changes, "{seconds}");
    }
}

#[tokio::test]
async fn aws_confirms_the_clock_again_as_soon_as_it_has_changed() {
    let servers = TwoServers::installed(0, Manner::ByCode);
    assert_eq!(servers.call_aws().await, Ok(()));
    // A trial with a wrong `Date` fails and leaves the clock as it was.
    let misdated = Answer::empty_403(shifted(servers.world.true_time(), 2 * HOUR));
    servers.aws.plan(vec![Fate::answered(misdated); 2]);
    assert!(servers.call_aws().await.is_err());
    assert_eq!(servers.call_aws().await, Ok(()));
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_minio().await, Ok(()));
    assert!(!servers.clock.status().is_correcting());
}

#[tokio::test]
async fn an_answer_to_an_older_generation_does_not_keep_aws_from_confirming() {
    let servers = TwoServers::installed(0, Manner::ByCode);
    let slow = Wire::new(&servers.world, minutes(5));
    let slow_sqs = sqs(&without_retries(config_on(&slow, AWS)), &servers.clock);
    slow.hold(2);
    let waits = tokio::spawn(async move { receive(&slow_sqs, "https://x/1/q").await });
    while slow.sent() == 0 {
        tokio::task::yield_now().await;
    }
    // Meanwhile a trial starts and fails.
    let misdated = Answer::empty_403(shifted(servers.world.true_time(), 2 * HOUR));
    servers.aws.plan(vec![Fate::answered(misdated); 2]);
    assert!(servers.call_aws().await.is_err());
    let bystander = s3(&config_on(&slow, "https://other.example"), &servers.clock);
    assert_eq!(head(&bystander).await, Ok(()));
    assert_eq!(waits.await.expect("it ends"), Ok(()));
    assert_eq!(servers.call_aws().await, Ok(()));
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_minio().await, Ok(()));
    assert_eq!(servers.clock.now(), servers.world.machine_wall());
}

#[tokio::test]
async fn between_two_servers_that_are_not_aws_the_last_rejection_counts_once_a_second() {
    let servers = TwoServers::installed(0, Manner::InFields);
    let other = Wire::new(&servers.world, minutes(15));
    let others = s3(
        &with_short_backoff(config_on(&other, "https://other.example")),
        &servers.clock,
    );
    servers.minio.set_ahead(HOUR);
    other.set_ahead(-HOUR);
    let offset = || servers.clock.status().offset().as_millis() / 60_000;
    assert_eq!(servers.call_minio().await, Ok(()));
    assert_eq!(offset(), 60);
    servers.world.advance(Duration::from_secs(1));
    assert_eq!(head(&others).await, Ok(()));
    assert_eq!(offset(), -59, "the last counts");
    servers.world.advance(Duration::from_millis(900));
    assert_eq!(servers.call_minio().await, Ok(()), "by its own time");
    assert_eq!(offset(), -59, "one change a second");
    assert_eq!(servers.log.names().last().unwrap(), "hosts_disagree");
}

#[tokio::test]
async fn the_clock_follows_a_conflicting_host_without_a_confirmation_and_aws_ends_that() {
    let servers = TwoServers::installed(0, Manner::ByCode);
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    assert_eq!(servers.call_minio().await, Ok(()));
    // AWS has not confirmed the clock for two hours.
    servers.world.advance(minutes(120));
    servers.minio.set_ahead(3 * HOUR);
    assert_eq!(servers.call_minio().await, Ok(()));
    assert!(servers.clock.status().is_correcting());
    for _ in 0..10 {
        assert_eq!(servers.call_aws().await, Ok(()));
        assert_eq!(servers.call_minio().await, Ok(()));
    }
    servers.assert_true_time();
    assert_eq!((servers.aws.rejected(), servers.minio.rejected()), (1, 3));
}

#[tokio::test]
async fn a_signature_by_another_time_confirms_nothing() {
    let servers = TwoServers::installed(0, Manner::ByCode);
    servers.minio.set_ahead(HOUR);
    assert_eq!(servers.call_aws().await, Ok(()));
    assert_eq!(servers.call_minio().await, Ok(()));
    let misdated = Answer::empty_403(shifted(servers.world.true_time(), 20 * MINUTE));
    servers.aws.plan([Fate::answered(misdated), Fate::lost()]);
    assert!(servers.call_aws().await.is_err());
    assert_eq!(servers.clock.now(), servers.world.machine_wall());
    // MinIO accepts a signature with its own time. The trial is for AWS.
    assert_eq!(servers.call_minio().await, Ok(()));
    servers.world.advance(Duration::from_secs(60));
    assert_eq!(servers.clock.now(), servers.world.machine_wall());
}

/// How many of twenty calls to a host fail, and how many requests it rejects, after a pause of 20
/// minutes that neither clock of the machine counts. AWS confirmed the clock before.
async fn lost_after_a_pause(
    host: &'static str,
    is_dateless: bool,
    is_sdk_off: bool,
    integration: Option<Integration>,
) -> (usize, usize) {
    let world = World::with_skew(0);
    let clock = world.skew_clock();
    let (aws, other) = (Wire::new(&world, minutes(5)), Wire::new(&world, minutes(5)));
    if is_dateless {
        other.leave_out_dates();
    }
    let net = Net::new([(AWS, aws.clone()), (host, other.clone())]);
    let on_aws = config_in(&world, net, AWS).into_builder();
    let on_aws = on_aws.disable_clock_skew_correction(is_sdk_off).build();
    let at_host = on_aws.to_builder().endpoint_url(host).build();
    let (confirms, client) = (
        sqs_of(integration, &on_aws, &clock),
        sqs_of(integration, &at_host, &clock),
    );
    assert_eq!(receive(&confirms, &format!("{AWS}/1/q")).await, Ok(()));
    aws.set_ahead(20 * MINUTE);
    other.set_ahead(20 * MINUTE);
    let mut lost = 0;
    for _ in 0..20 {
        world.advance(minutes(1));
        lost += usize::from(receive(&client, &format!("{host}/1/q")).await.is_err());
    }
    let rejected = other.rejected();
    if integration.is_some() {
        // AWS states the same time, and from then on no request is rejected.
        for _ in 0..5 {
            assert_eq!(receive(&confirms, &format!("{AWS}/1/q")).await, Ok(()));
            assert_eq!(receive(&client, &format!("{host}/1/q")).await, Ok(()));
        }
        assert!(aws.rejected() <= 1);
        assert_eq!(other.rejected(), rejected);
    }
    (lost, rejected)
}

#[tokio::test]
async fn a_pause_that_no_clock_counts_costs_one_rejection_whichever_host_reports_it_first() {
    for host in [
        MINIO,
        "https://abc123.execute-api.us-east-1.amazonaws.com",
        "https://ec2-instance-connect.us-east-1.amazonaws.com",
        "https://kms.us-east-1.amazonaws.com",
    ] {
        for (is_dateless, is_sdk_off) in [(false, false), (true, false), (false, true)] {
            for integration in SDK_AND_ALL {
                let outcome = lost_after_a_pause(host, is_dateless, is_sdk_off, integration).await;
                let expected = match integration {
                    Some(_) => (0, 1),
                    None if is_dateless || is_sdk_off => (20, 20),
                    None => (0, 1),
                };
                assert_eq!(
                    outcome, expected,
                    "{host} {is_dateless} {is_sdk_off} {integration:?}"
                );
            }
        }
    }
}

/// A function behind S3 Object Lambda chooses the status, the code and the message itself.
#[tokio::test]
async fn a_function_behind_s3_object_lambda_does_not_change_a_confirmed_clock() {
    for host in [
        "https://point-123456789012.s3-object-lambda.us-east-1.amazonaws.com",
        "https://alias-x1y2--ol-s3.s3.us-east-1.amazonaws.com",
        "https://abc123.execute-api.us-east-1.amazonaws.com",
        "https://ec2-203-0-113-25.compute-1.amazonaws.com",
    ] {
        for integration in SDK_AND_ALL {
            let world = World::with_skew(0);
            let clock = world.skew_clock();
            let (aws, other) = (Wire::new(&world, minutes(5)), Wire::new(&world, minutes(5)));
            other.set_ahead(300 * DAY);
            let net = Net::new([(AWS, aws.clone()), (host, other.clone())]);
            let on_aws = config_in(&world, net, AWS);
            let at_host = on_aws.to_builder().endpoint_url(host).build();
            let (sqs, customer) = (
                sqs_of(integration, &on_aws, &clock),
                sqs_of(integration, &at_host, &clock),
            );
            for _ in 0..5 {
                assert_eq!(receive(&sqs, &format!("{AWS}/1/q")).await, Ok(()));
                assert_eq!(receive(&customer, &format!("{host}/1/q")).await, Ok(()));
                world.advance(minutes(1));
            }
            assert_eq!(
                (aws.rejected(), other.rejected()),
                (0, 1),
                "{host} {integration:?}"
            );
            assert_eq!(clock.now(), world.machine_wall(), "{host} {integration:?}");
        }
    }
}

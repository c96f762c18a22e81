//! HTTP clients of a clock that observes only, of another clock, inside another HTTP client, and
//! for a conflicting host.

use aws_clock_skew::SkewClock;
use aws_config::SdkConfig;

use crate::clients::{Integration, behind, config_on, receive, sqs, without_retries};
use crate::log::Log;
use crate::observer::observer;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const OTHER: &str = "https://queue.example";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

fn on(wire: &Wire, url: &str) -> SdkConfig {
    without_retries(config_on(wire, url))
}

/// A client with `of_client` installed, behind the HTTP client of `of_integration`.
fn client(
    wire: &Wire,
    url: &str,
    of_integration: &SkewClock,
    of_client: &SkewClock,
) -> aws_sdk_sqs::Client {
    sqs(&behind(&on(wire, url), of_integration), of_client)
}

#[tokio::test]
async fn an_observer_signs_nothing_for_a_conflicting_host() {
    let world = World::with_skew(0);
    let aws = Wire::new(&world, minutes(5));
    let other = Wire::with_manner(&world, minutes(15), Manner::InFields);
    other.set_ahead(HOUR);
    let clock = observer(&world);
    let log = Log::start();
    let client = |wire, url| {
        let config = behind(&on(wire, url), &clock).into_builder();
        let config = config.time_source(world.clone());
        aws_sdk_sqs::Client::new(&config.disable_clock_skew_correction(true).build())
    };
    let (to_aws, to_other) = (client(&aws, AWS), client(&other, OTHER));
    for _ in 0..5 {
        assert_eq!(receive(&to_aws, QUEUE).await, Ok(()));
        receive(&to_other, QUEUE)
            .await
            .expect_err("nothing corrects");
    }
    assert_eq!(log.names(), ["hosts_disagree"]);
    assert_eq!((other.sent(), other.rejected()), (5, 5));
}

#[tokio::test]
async fn a_clock_corrects_behind_the_http_client_of_an_observer() {
    let world = World::with_skew(-20 * MINUTE);
    let wire = Wire::new(&world, minutes(5));
    let (watching, correcting) = (observer(&world), world.skew_clock());
    let sqs = client(&wire, AWS, &watching, &correcting);
    for _ in 0..5 {
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    }
    assert_eq!(wire.seen(), [false, true, true, true, true, true]);
    assert!(correcting.status().is_correcting());
}

/// The clock of its own that `hosts_disagree` advises, in a config that has the HTTP client of the
/// first clock.
#[tokio::test]
async fn the_http_client_of_one_clock_leaves_requests_of_another_clock_alone() {
    let world = World::with_skew(0);
    let aws = Wire::new(&world, minutes(5));
    let other = Wire::with_manner(&world, minutes(15), Manner::InMessage);
    other.set_ahead(HOUR);
    let log = Log::start();
    let (clock, of_other) = (world.skew_clock(), world.skew_clock());
    let to_aws = client(&aws, AWS, &clock, &clock);
    let to_other = client(&other, OTHER, &clock, &of_other);
    for _ in 0..5 {
        assert_eq!(receive(&to_other, QUEUE).await, Ok(()));
        assert_eq!(receive(&to_aws, QUEUE).await, Ok(()));
    }
    assert_eq!((other.rejected(), aws.rejected()), (1, 0));
    assert_eq!(clock.now(), world.machine_wall());
    assert!(of_other.status().is_correcting());
    assert_eq!(log.names(), ["skew_detected"]);
}

#[tokio::test]
async fn nested_http_clients_of_one_clock_send_twice_at_most() {
    let world = World::with_skew(-20 * MINUTE);
    let wire = Wire::new(&world, minutes(5));
    let clock = world.skew_clock();
    let config = behind(&behind(&on(&wire, AWS), &clock), &clock);
    let sqs = aws_sdk_sqs::Client::new(&config);
    // The resend expires in transit.
    wire.plan([
        Fate::default(),
        Fate {
            before: minutes(10),
            ..Fate::default()
        },
    ]);
    receive(&sqs, QUEUE).await.expect_err("rejected twice");
    assert_eq!(wire.sent(), 2);
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    assert_eq!(wire.sent(), 3);
}

#[tokio::test]
async fn unchanged_answers_count_as_accepted() {
    let world = World::with_skew(0);
    let wire = Wire::new(&world, minutes(15));
    let clock = world.skew_clock();
    let sqs = Integration::HttpClient.sqs(&config_on(&wire, AWS), &clock);
    // The service tolerates ten minutes.
    let misdated = "Signature expired: 20270101T060000Z is now earlier than 20270101T062500Z \
        (20270101T063000Z - 5 min.)";
    // The message states the time of this very request.
    let misdated = misdated.replace("20270101T060000Z", &basic(&world, 0));
    let truth = || crate::wire::http_date(world.true_time());
    let misdated = misdated.replace("20270101T063000Z", &basic(&world, 600));
    let misdated = misdated.replace("20270101T062500Z", &basic(&world, 300));
    wire.plan([Answer::new(403, &misdated).into()]);
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    assert!(clock.status().is_correcting());
    for _ in 0..3 {
        wire.plan([Answer::new(304, "").with("date", truth()).into()]);
        drop(receive(&sqs, QUEUE).await);
    }
    assert_eq!(clock.now(), world.machine_wall());
}

/// The local time plus `ahead` seconds, as AWS writes it.
fn basic(world: &World, ahead: i64) -> String {
    let time = crate::world::shifted(world.true_time(), ahead);
    let time = aws_smithy_types::DateTime::from_secs(aws_smithy_types::DateTime::from(time).secs());
    let format = aws_smithy_types::date_time::Format::DateTime;
    time.fmt(format)
        .expect("a year of four digits")
        .replace(['-', ':'], "")
}

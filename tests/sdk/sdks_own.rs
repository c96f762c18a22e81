//! The SDK's own correction beside the HTTP client: it never acts on top of the crate's correction,
//! and it still works in a client whose HTTP client was replaced.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_clock_skew::{SkewClock, install};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint, SECRET_ACCESS_KEY};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use tokio::task::JoinSet;

use crate::clients::{behind, config, config_on, receive, send, through, without_retries};
use crate::log::Log;
use crate::observer::observer;
use crate::tap::Tap;
use crate::wire::{Answer, Fate, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

async fn endpoint(world: &World) -> Endpoint {
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    endpoint
}

/// The config of a process that calls `configure` and sets nothing else.
async fn configured(url: &str, clock: &SkewClock) -> SdkConfig {
    let keys = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(keys)
        .timeout_config(TimeoutConfig::disabled());
    let http_client = aws_smithy_http_client::Builder::new().build_http();
    clock
        .configure_with_http_client(loader, http_client)
        .load()
        .await
}

#[tokio::test]
async fn standard_retries_never_correct_a_second_time() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE, 9 * HOUR] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let endpoint = endpoint(&world).await;
        let queue = endpoint.queue_url("q");
        let config = configured(&endpoint.url(), &world.skew_clock()).await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        for call in 0..20 {
            assert_eq!(send(&sqs, &queue).await, Ok(()));
            assert_eq!(endpoint.counts().rejected, 1, "{skew}, call {call}");
        }
        // NTP repairs the clock. A client that still applied a correction of its own would then be
        // wrong by it.
        world.set_skew(0);
        for _ in 0..20 {
            assert_eq!(send(&sqs, &queue).await, Ok(()));
        }
        assert_eq!(endpoint.counts().requests, 41);
        assert_eq!(endpoint.counts().rejected, 1);
        assert_eq!(log.names(), ["skew_detected", "correction_cleared"]);
    }
}

#[tokio::test]
async fn a_burst_with_standard_retries_is_two_sends_each() {
    const CALLS: usize = 200;
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = endpoint(&world).await;
    let queue = Arc::<str>::from(endpoint.queue_url("q"));
    let config = configured(&endpoint.url(), &world.skew_clock()).await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let hold = endpoint.hold(CALLS);
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let (sqs, queue) = (sqs.clone(), queue.clone());
        calls.spawn(async move { send(&sqs, &queue).await });
    }
    hold.arrived().await;
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(endpoint.counts().requests, 2 * CALLS as u64);
}

#[tokio::test]
async fn an_answer_is_given_an_age_unless_it_has_one() {
    let world = World::with_skew(0);
    let wire = Wire::new(&world, minutes(15));
    let config = without_retries(config_on(&wire, AWS));
    let sqs = aws_sdk_sqs::Client::new(&behind(&config, &world.skew_clock()));
    for (given, expected) in [(None, "0"), (Some("7"), "7")] {
        let mut answer = Answer::new(400, "{}").dated(world.true_time());
        if let Some(age) = given {
            answer = answer.with("age", age);
        }
        wire.plan([Fate::answered(answer)]);
        let sent = sqs.receive_message().queue_url(QUEUE).send().await;
        let error = sent.expect_err("is rejected");
        let raw = error.raw_response().expect("an answer");
        let ages: Vec<_> = raw.headers().get_all("age").collect();
        assert_eq!(ages, [expected]);
    }
}

#[tokio::test]
async fn a_client_that_is_given_another_http_client_corrects_by_itself() {
    for skew in [-20 * MINUTE, 20 * MINUTE] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let endpoint = endpoint(&world).await;
        let config = configured(&endpoint.url(), &world.skew_clock()).await;
        let plain = aws_sdk_sqs::config::Builder::from(&config)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let sqs = aws_sdk_sqs::Client::from_conf(plain.build());
        for _ in 0..20 {
            assert_eq!(send(&sqs, &endpoint.queue_url("q")).await, Ok(()));
        }
        assert_eq!(endpoint.counts().rejected, 1);
        assert_eq!(log.names(), ["incomplete_installation"]);
    }
}

// ---- Observe-only clocks.

#[tokio::test]
async fn an_observe_only_clock_reports_and_changes_nothing() {
    let log = Log::start();
    let world = World::with_skew(-20 * MINUTE);
    let wire = Wire::new(&world, minutes(15));
    let tap = Tap::new(wire.clone());
    let clock = observer(&world);
    let config = without_retries(config(AWS)).into_builder();
    let config = config.disable_clock_skew_correction(true).build();
    let sqs = aws_sdk_sqs::Client::new(&through(&config, tap.clone(), &clock));
    for call in 1..=5 {
        let sent = sqs.receive_message().queue_url(QUEUE).send().await;
        let error = sent.expect_err("nothing corrects");
        let raw = error.raw_response().expect("an answer");
        assert_eq!(raw.headers().get("age"), None);
        let body = raw.body().bytes().unwrap_or_default();
        assert!(String::from_utf8_lossy(body).contains("Signature expired"));
        assert_eq!(tap.sent().len(), call);
        assert_eq!(clock.now(), world.machine_wall());
    }
    assert_eq!(log.names(), ["observe_only", "skew_detected"]);
    assert!(log.metrics().iter().all(|event| {
        let resends = event.get("monotonic_counter.aws_clock_skew.resends");
        resends.is_none_or(|count| count == "0")
    }));
}

#[tokio::test]
async fn an_observe_only_clock_leaves_the_sdks_own_correction_as_it_is() {
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = endpoint(&world).await;
    let clock = observer(&world);
    // The loader's time source is the clock of the machine that the test runs on. The client gets
    // the clock of the scenario.
    let config = configured(&endpoint.url(), &clock).await;
    let given = format!("{:?} {:?}", config.time_source(), config.identity_cache());
    assert!(!given.contains("Skew"), "{given}");
    let config = config.into_builder().time_source(clock.clone()).build();
    let sqs = aws_sdk_sqs::Client::new(&config);
    for _ in 0..20 {
        assert_eq!(send(&sqs, &endpoint.queue_url("q")).await, Ok(()));
    }
    assert_eq!(endpoint.counts().rejected, 1);
    assert_eq!(clock.now(), world.machine_wall());
}

// ---- Adaptive retries.

/// A sleep that lets virtual time pass, and adds it up.
#[derive(Clone, Debug)]
struct CountedSleep(World, Arc<Mutex<Duration>>);

impl AsyncSleep for CountedSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let Self(world, waited) = self.clone();
        Sleep::new(async move {
            world.advance(duration);
            *waited.lock().expect("is not poisoned") += duration;
        })
    }
}

/// How long the next call waits after an adaptive client was throttled once and a correction moved
/// the time back by an hour.
async fn wait_after_a_change_back(has_interceptor: bool, partition: &'static str) -> Duration {
    let world = World::with_skew(HOUR);
    let wire = Wire::new(&world, minutes(15));
    let clock = world.skew_clock();
    let sleep = CountedSleep(world.clone(), Arc::default());
    let config = behind(&config_on(&wire, AWS), &clock)
        .into_builder()
        .retry_config(RetryConfig::adaptive())
        .sleep_impl(sleep.clone())
        .build();
    let config =
        aws_sdk_sqs::config::Builder::from(&config).retry_partition(RetryPartition::new(partition));
    let config = if has_interceptor {
        install!(config, &clock)
    } else {
        config
    };
    let sqs = aws_sdk_sqs::Client::from_conf(config.build());
    let throttled = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}"#;
    wire.plan([Fate::answered(Answer::new(400, throttled))]);
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    assert_eq!(wire.rejected(), 1);
    *sleep.1.lock().expect("is not poisoned") = Duration::ZERO;
    assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    *sleep.1.lock().expect("is not poisoned")
}

#[tokio::test]
async fn with_adaptive_retries_and_nothing_beside_it_the_next_call_does_not_wait() {
    // The rate limiter reads the local clock, which no correction changes.
    let waited = wait_after_a_change_back(false, "configure alone").await;
    assert!(waited < Duration::from_secs(30), "{waited:?}");
}

#[tokio::test]
async fn with_the_interceptor_beside_it_adaptive_retries_do_not_wait() {
    let waited = wait_after_a_change_back(true, "configure and more").await;
    assert!(waited < Duration::from_secs(30), "{waited:?}");
}

#[tokio::test]
async fn configure_takes_the_sdks_own_https_client() {
    use aws_smithy_runtime_api::client::http::HttpClient;

    let clock = World::with_skew(0).skew_clock();
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1"));
    let config = clock.configure(loader.no_credentials()).load().await;
    let metadata = config
        .http_client()
        .and_then(|client| client.connector_metadata());
    // The user agent names the HTTPS client; it takes proxies from the environment.
    assert_eq!(
        metadata.map(|known| known.name().into_owned()).as_deref(),
        Some("hyper")
    );
    let shown = format!("{:?}", config.http_client());
    assert!(shown.contains("SkewHttpClient"), "{shown}");
    assert!(!format!("{:?}", config.time_source()).contains("SkewClock"));
}

//! Calls that are dropped at any moment, credentials that load slowly or cannot be loaded again,
//! and denials that look like a wrong time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_clock_skew::{ClockOffset, LocalClock, SkewClock};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::timeout::Timeout;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use crate::by_date::TEXTS;
use crate::polled::polled;
use crate::script::{Answer, Script, basic, dated, signed};
use crate::stack::{INTEGRATIONS, Integration, credentials, operation};
use crate::world::{HOUR, MINUTE, World, minutes, shifted};

/// A provider of sessions, each with its own keys.
#[derive(Clone, Debug)]
struct Sts {
    world: World,
    lifetime: Duration,
    takes: Duration,
    /// Whether it is available, after this many loads and this much time.
    answers: fn(usize, Duration) -> bool,
    loads: Arc<AtomicUsize>,
}

impl Sts {
    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

impl ProvideCredentials for Sts {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            pause(self.takes).await;
            let load = self.loads.fetch_add(1, Ordering::Relaxed);
            if !(self.answers)(load, self.world.machine.monotonic()) {
                return Err(CredentialsError::provider_error("it is not available now"));
            }
            let (key, end) = (
                format!("ASIA{load}"),
                self.world.true_time() + self.lifetime,
            );
            Ok(Credentials::new(key, "secret", None, Some(end), "sts"))
        })
    }
}

async fn pause(takes: Duration) {
    if takes.is_zero() {
        tokio::task::yield_now().await;
    } else {
        sleep(takes).await;
    }
}

const fn always(_: usize, _: Duration) -> bool {
    true
}

const fn once(loads: usize, _: Duration) -> bool {
    loads == 0
}

/// STS throttles from the second minute to the fourteenth.
const fn throttled(_: usize, since_boot: Duration) -> bool {
    let seconds = since_boot.as_secs();
    seconds < 120 || seconds >= 840
}

/// A service, and a stack for it.
struct Scenario {
    integration: Integration,
    world: World,
    clock: SkewClock,
    script: Script,
    sts: Sts,
    stack: BoxCloneSyncService<Request<Full<Bytes>>, StatusCode, BoxError>,
}

impl Scenario {
    /// A service that states the time in its error message, or sends `message` instead. Sessions
    /// last an hour. Below a signer the credentials are those of the other tests.
    fn new(integration: Integration, skew: i64, message: Option<&'static str>) -> Self {
        Self::with(integration, skew, message, |sts| sts, Duration::ZERO)
    }

    fn with(
        integration: Integration,
        skew: i64,
        message: Option<&'static str>,
        prepare: impl Fn(Sts) -> Sts,
        takes: Duration,
    ) -> Self {
        let world = World::with_skew(skew);
        let sts = prepare(Sts {
            world: world.clone(),
            lifetime: minutes(60),
            takes: Duration::ZERO,
            answers: always,
            loads: Arc::default(),
        });
        let script = message.map_or_else(
            || Script::new(&world),
            |message| Script::with_message(&world, message),
        );
        let wait = move |sent: Pin<Box<dyn Future<Output = Answer> + Send>>| async move {
            pause(takes).await;
            sent.await
        };
        let slow = ServiceExt::<Request<Full<Bytes>>>::map_future(script.clone(), wait);
        let slow: BoxCloneSyncService<Request<Full<Bytes>>, _, _> = BoxCloneSyncService::new(slow);
        let clock = world.skew_clock();
        let status = |answer: http::Response<_>| answer.status();
        let stack = match integration {
            Integration::BelowASigner => {
                let stack = ServiceBuilder::new().layer(clock.layer(credentials()));
                BoxCloneSyncService::new(
                    stack
                        .service(slow)
                        .map_response(status)
                        .map_err(BoxError::from),
                )
            }
            Integration::SigningService => {
                let layer = clock.signing_layer(sts.clone(), "us-east-1", "sqs");
                let stack = ServiceBuilder::new().layer(layer);
                BoxCloneSyncService::new(stack.service(slow).map_response(status))
            }
        };
        Self {
            integration,
            world,
            clock,
            script,
            sts,
            stack,
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        match self.integration {
            Integration::BelowASigner => signed(&self.world),
            Integration::SigningService => {
                operation("http://sqs.test/", "AmazonSQS.Op", "hello".to_owned())
            }
        }
    }

    async fn call(&self) -> bool {
        let answer = self.stack.clone().oneshot(self.request()).await;
        answer.is_ok_and(|status| status == StatusCode::OK)
    }

    /// How many of `calls` calls fail, with a pause before each.
    async fn lost(&self, calls: usize, apart: Duration) -> usize {
        let mut lost = 0;
        for _ in 0..calls {
            self.world.advance(apart);
            lost += usize::from(!self.call().await);
        }
        lost
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MESSAGES: [Option<&str>; 3] = [None, Some(TEXTS[0]), Some(TEXTS[1])];

#[tokio::test]
async fn a_call_that_is_dropped_at_any_poll_costs_the_next_ones_nothing() {
    for message in MESSAGES {
        for (skew, steps) in [
            (-20 * MINUTE, true),
            (-20 * MINUTE, false),
            (2 * HOUR, false),
        ] {
            for integration in INTEGRATIONS {
                for polls in 0.. {
                    let scenario =
                        Scenario::new(integration, if steps { 0 } else { skew }, message);
                    if steps {
                        assert!(scenario.call().await);
                        scenario.world.set_skew(skew);
                    }
                    let is_done = polled(polls, scenario.call()).await.is_some();
                    let lost = scenario.lost(5, SECOND).await;
                    assert_eq!(
                        lost, 0,
                        "{integration:?}, {message:?}, {skew} s ahead, {polls} polls"
                    );
                    if is_done {
                        assert!(polls > 4, "{polls} polls");
                        break;
                    }
                }
            }
        }
    }
}

/// There is time for one round trip and not for two. On a machine two hours ahead, where the
/// credentials count as expired, there is time for one load and not for two.
#[tokio::test(start_paused = true)]
async fn a_time_out_that_always_elapses_before_the_second_response_costs_one_call() {
    let cases = MESSAGES.map(|message| (message, -20 * MINUTE, [600, 0], 1_000));
    for (message, skew, takes, waits) in
        cases
            .into_iter()
            .chain([(None, 2 * HOUR, [100, 800], 1_000)])
    {
        let [wire, sts] = takes.map(Duration::from_millis);
        for integration in INTEGRATIONS {
            let slow_sts = |prepared| Sts {
                takes: sts,
                ..prepared
            };
            let scenario = Scenario::with(integration, skew, message, slow_sts, wire);
            let mut lost = 0;
            for _ in 0..10 {
                scenario.world.advance(SECOND);
                let stack = Timeout::new(scenario.stack.clone(), Duration::from_millis(waits));
                lost += usize::from(stack.oneshot(scenario.request()).await.is_err());
            }
            // Below a signer the credentials are there already, and the service responds quickly in
            // the last case.
            let expected = usize::from(integration == Integration::SigningService || sts.is_zero());
            assert_eq!(
                lost, expected,
                "{integration:?}, {message:?}, {skew} s ahead"
            );
        }
    }
}

/// After a change of the clock, credentials are loaded again. Callers wait for a shorter time than
/// that takes.
#[tokio::test(start_paused = true)]
async fn of_calls_that_are_cancelled_while_credentials_load_again_one_fails() {
    let slow_sts = |prepared| Sts {
        takes: Duration::from_millis(100),
        ..prepared
    };
    let signing = Integration::SigningService;
    let scenario = Scenario::with(signing, 0, None, slow_sts, Duration::ZERO);
    assert!(scenario.call().await);
    scenario
        .clock
        .set_offset(ClockOffset::from_millis(MINUTE * 1_000));
    let mut lost = 0;
    for _ in 0..5 {
        let stack = Timeout::new(scenario.stack.clone(), Duration::from_millis(50));
        lost += usize::from(stack.oneshot(scenario.request()).await.is_err());
    }
    assert_eq!(lost, 1);
}

/// On a clock nine hours ahead, every session of an hour counts as expired when it is loaded.
#[tokio::test(start_paused = true)]
async fn a_burst_shares_the_loads_of_credentials_that_count_as_expired() {
    // One load for the calls that come before it ends, and one for those after it and before the
    // first response.
    for (waves, loads, lasts) in [(1, 1, 400), (10, 2, 650)] {
        let [wire, sts] = [50, 300].map(Duration::from_millis);
        let slow_sts = |prepared| Sts {
            takes: sts,
            ..prepared
        };
        let scenario = Scenario::with(Integration::SigningService, 9 * HOUR, None, slow_sts, wire);
        let began = Instant::now();
        let calls = (0..200).map(|call| {
            let scenario = &scenario;
            async move {
                sleep(Duration::from_millis(call % waves * 50)).await;
                scenario.call().await
            }
        });
        let lost = join_all(calls)
            .await
            .iter()
            .filter(|is_ok| !**is_ok)
            .count();
        assert_eq!(lost, 0, "{waves} waves");
        assert_eq!(scenario.sts.loads(), loads, "{waves} waves");
        let took = began.elapsed();
        assert!(
            took <= Duration::from_millis(lasts),
            "{took:?}, {waves} waves"
        );
    }
}

#[tokio::test]
async fn credentials_that_load_only_once_outlive_every_change_of_the_clock() {
    let skews = [-20 * MINUTE, 20 * MINUTE, 13 * HOUR];
    let changes = skews.map(|skew| [(0, skew), (skew, skew), (skew, 0)]);
    for (skew, later) in changes.into_iter().flatten() {
        for answers in [once, throttled] as [fn(usize, Duration) -> bool; 2] {
            let half_a_day = |sts| Sts {
                answers,
                lifetime: minutes(12 * 60),
                ..sts
            };
            let integration = Integration::SigningService;
            let scenario = Scenario::with(integration, skew, None, half_a_day, Duration::ZERO);
            let lost = scenario.lost(5, minutes(1)).await;
            scenario.world.set_skew(later);
            let lost = lost + scenario.lost(15, minutes(1)).await;
            assert_eq!(lost, 0, "{skew} s ahead, then {later}");
        }
    }
}

/// A wall clock that is set wrong and repaired in turn, every ten seconds for an hour.
#[tokio::test]
async fn a_clock_that_alternates_multiplies_no_loads_of_credentials() {
    for skew in [-20 * MINUTE, 20 * MINUTE] {
        for integration in INTEGRATIONS {
            let half_a_day = |sts| Sts {
                lifetime: minutes(12 * 60),
                ..sts
            };
            let scenario = Scenario::with(integration, 0, None, half_a_day, Duration::ZERO);
            let mut lost = 0;
            for call in 0..360 {
                scenario
                    .world
                    .set_skew(if call % 2 == 0 { 0 } else { skew });
                lost += scenario.lost(1, 10 * SECOND).await;
            }
            let loads = usize::from(integration == Integration::SigningService);
            assert_eq!(
                (lost, scenario.sts.loads()),
                (0, loads),
                "{integration:?}, {skew} s ahead"
            );
        }
    }
}

#[tokio::test]
async fn a_denial_that_looks_like_a_wrong_time_costs_the_next_calls_nothing() {
    for skew in [-20 * MINUTE, 20 * MINUTE, 9 * HOUR, 0] {
        for integration in INTEGRATIONS {
            let scenario = Scenario::new(integration, skew, Some(""));
            let mut lost = 0;
            for _ in 0..180 {
                let denied = || Some(Ok(dated("", scenario.world.true_time())));
                scenario.script.plan([denied(), denied()]);
                assert!(!scenario.call().await);
                scenario.script.forget_plans();
                lost += scenario.lost(1, 20 * SECOND).await;
            }
            assert_eq!(lost, 0, "{integration:?}, {skew} s ahead");
        }
    }
}

#[tokio::test]
async fn a_response_whose_date_contradicts_a_trial_ends_it_whatever_its_status() {
    for status in [200, 304, 301, 302, 307, 404, 405, 409, 412, 416] {
        for ahead in [-10 * MINUTE, 10 * MINUTE] {
            for integration in INTEGRATIONS {
                let scenario = Scenario::new(integration, 0, Some(""));
                let (world, script) = (&scenario.world, &scenario.script);
                let passed = || {
                    let mut passed = dated("", world.true_time());
                    *passed.status_mut() = StatusCode::from_u16(status).unwrap();
                    Some(Ok(passed))
                };
                let lie = dated("", shifted(world.true_time(), ahead));
                script.plan([Some(Ok(lie)), passed()]);
                scenario.call().await;
                for _ in 0..20 {
                    world.advance(SECOND);
                    script.plan([passed()]);
                    scenario.call().await;
                    let sent = script.sent().pop().unwrap();
                    assert_eq!(sent.headers["x-amz-date"], basic(world.true_time()));
                }
                assert_eq!(script.sent().len(), 22, "{integration:?}, {status}");
                assert_eq!(scenario.clock.now(), world.machine_wall());
            }
        }
    }
}

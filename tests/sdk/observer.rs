//! Clocks that only observe.

use std::process::Command;

use aws_clock_skew::SkewClock;
use aws_config::SdkConfig;

use crate::clients::{receive, without_retries};
use crate::log::Log;
use crate::site::{Parts, QUEUE, Site};
use crate::wire::Answer;
use crate::world::{MINUTE, World, minutes};

pub(crate) fn observer(world: &World) -> SkewClock {
    SkewClock::builder()
        .local_clock(world.machine.clone())
        .observe_only(true)
        .build()
}

#[tokio::test]
async fn an_observer_reports_and_leaves_the_sdks_own_correction_as_it_is_set() {
    for is_sdk_on in [true, false] {
        for parts in [Parts::All, Parts::InterceptorAlone] {
            let log = Log::start();
            let world = World::with_skew(-20 * MINUTE);
            let prepare: fn(SdkConfig) -> SdkConfig = if is_sdk_on {
                |config| config
            } else {
                |config: SdkConfig| {
                    config
                        .into_builder()
                        .disable_clock_skew_correction(true)
                        .build()
                }
            };
            let clock = observer(&world);
            let site = Site::with_clock(world, clock, parts, prepare);
            let expected = if is_sdk_on { 0 } else { 10 };
            assert_eq!(site.lost(10).await, expected, "{parts:?}");
            assert_eq!(
                site.wire.seen().len(),
                if is_sdk_on { 11 } else { 10 },
                "retries nothing itself"
            );
            if parts == Parts::InterceptorAlone {
                // It watches requests that the crate's auth scheme has signed, and reports a
                // missing part.
                assert_eq!(log.names(), ["observe_only", "incomplete_installation"]);
                continue;
            }
            assert_eq!(log.names(), ["observe_only", "skew_detected"]);
            let status = site.clock.status();
            assert!(status.is_observe_only() && !status.is_correcting());
            let error = status.offset().as_millis() - 20 * MINUTE * 1_000;
            assert!(error.abs() <= 1_000, "{error}");
            assert_eq!(
                site.clock.now(),
                site.world.machine_wall(),
                "the time is not corrected"
            );
            // It reports the repair too.
            site.world.set_skew(0);
            assert!(site.clock.status().offset().is_zero());
            assert_eq!(
                log.names(),
                ["observe_only", "skew_detected", "correction_cleared"]
            );
        }
    }
}

/// An observe-only clock signs nothing, so it cannot start a trial.
#[tokio::test]
async fn an_observer_reports_no_skew_for_an_error_that_does_not_name_it() {
    let log = Log::start();
    let world = World::with_skew(0);
    let clock = observer(&world);
    let site = Site::with_clock(world, clock, Parts::All, |config| {
        let config = config.into_builder();
        config.disable_clock_skew_correction(true).build()
    });
    let misdated = Answer {
        status: 403,
        headers: vec![
            (
                "date",
                crate::wire::http_date(site.world.true_time() + minutes(600)),
            ),
            ("x-amzn-requestid", "id-1".to_owned()),
        ],
        body: r#"{"__type":"AccessDeniedException","message":"no"}"#.into(),
    };
    site.wire.plan([misdated.into()]);
    assert!(receive(&site.sqs, QUEUE).await.is_err());
    assert_eq!(receive(&site.sqs, QUEUE).await, Ok(()));
    site.world.advance(minutes(1));
    assert!(site.clock.status().offset().is_zero());
    assert_eq!(log.names(), ["observe_only"]);
}

#[test]
fn the_environment_variable_makes_an_observer_of_any_clock() {
    for (value, observes) in [
        ("true", true),
        (" TRUE ", true),
        ("false", false),
        ("1", false),
        ("", false),
    ] {
        let child = Command::new(std::env::current_exe().expect("this is a program"))
            .args(["--exact", "observer::in_a_process_of_its_own"])
            .args(["--ignored", "--test-threads=1"])
            .env("AWS_DISABLE_CLOCK_SKEW_CORRECTION", value)
            .env("EXPECT_OBSERVER", observes.to_string())
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{value:?}: {said}");
        assert!(said.contains("1 passed"), "{value:?}: {said}");
    }
}

#[tokio::test]
#[ignore = "started by the_environment_variable_makes_an_observer_of_any_clock"]
async fn in_a_process_of_its_own() {
    let expect_observer = std::env::var("EXPECT_OBSERVER").is_ok_and(|value| value == "true");
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    // Without retries the SDK's own correction loses the call that updates it.
    let lost = site.lost(5).await;
    assert_eq!(lost, usize::from(expect_observer));
    let (said, names): (Vec<_>, Vec<_>) = log
        .events()
        .into_iter()
        .partition(|event| event.get("event") == Some("observe_only"));
    assert_eq!(!said.is_empty(), expect_observer);
    for event in said {
        let reason = event.get("reason");
        assert_eq!(reason, Some("AWS_DISABLE_CLOCK_SKEW_CORRECTION"));
    }
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(names[0].get("event"), Some("skew_detected"));
    let is_shifted = site.clock.now() != site.world.machine_wall();
    assert_eq!(is_shifted, !expect_observer);
}

//! The rows of `docs/comparison.md`: the SDK alone beside each integration.

use aws_clock_skew::SkewClock;
use aws_config::SdkConfig;
use aws_smithy_async::rt::sleep::TokioSleep;
use tokio::task::JoinSet;
use tracing::Level;

use crate::clients::{
    Integration, SDK_AND_ALL, config_in, head, receive, s3_of, sqs_of, without_retries,
};
use crate::log::Log;
use crate::output::Output;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes, shifted};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// Fails unless the page has a row with this scenario and what the SDK alone does.
#[track_caller]
fn is_a_row(scenario: &str, sdk_alone: &str) {
    let page = include_str!("../../docs/comparison.md");
    let row = format!("| {scenario} | {sdk_alone} |");
    assert!(page.contains(&row), "docs/comparison.md lacks {row}");
}

/// A client, with an integration or of the SDK alone, of a service that tolerates five minutes.
struct Site {
    world: World,
    wire: Wire,
    clock: SkewClock,
    integration: Option<Integration>,
    config: SdkConfig,
    sqs: aws_sdk_sqs::Client,
}

impl Site {
    fn new(integration: Option<Integration>, skew: i64) -> Self {
        Self::with(integration, skew, Manner::InMessage, |config| config)
    }

    fn with(
        integration: Option<Integration>,
        skew: i64,
        manner: Manner,
        prepare: fn(SdkConfig) -> SdkConfig,
    ) -> Self {
        let world = World::with_skew(skew);
        let wire = Wire::with_manner(&world, minutes(5), manner);
        let clock = world.skew_clock();
        let config = prepare(config_in(&world, wire.clone(), URL));
        let sqs = sqs_of(integration, &config, &clock);
        Self {
            world,
            wire,
            clock,
            integration,
            config,
            sqs,
        }
    }

    /// One call a minute: which of them fail.
    async fn failing(&self, calls: usize) -> Vec<usize> {
        let mut failing = Vec::new();
        for call in 0..calls {
            if receive(&self.sqs, QUEUE).await.is_err() {
                failing.push(call);
            }
            self.world.advance(minutes(1));
        }
        failing
    }

    /// Fails unless these calls fail of the SDK alone, and none with an integration.
    #[track_caller]
    fn fails(&self, failing: &[usize], of_sdk_alone: &[usize]) {
        let expected = match self.integration {
            Some(_) => &[],
            None => of_sdk_alone,
        };
        assert_eq!(failing, expected, "{:?}", self.integration);
    }
}

/// Retries wait in Tokio's time, and so until all calls have been rejected.
#[tokio::test(start_paused = true)]
async fn of_a_thousand_calls_in_flight_the_sdk_alone_loses_nine_hundred() {
    is_a_row(
        "1,000 calls are in flight when the clock skew shows",
        "900 fail: the retry quota lasts for 100",
    );
    for integration in SDK_AND_ALL {
        let site = Site::with(integration, -20 * MINUTE, Manner::InMessage, |config| {
            config.into_builder().sleep_impl(TokioSleep::new()).build()
        });
        site.wire.hold(1_000);
        let mut calls = JoinSet::new();
        for _ in 0..1_000 {
            let sqs = site.sqs.clone();
            calls.spawn(async move { receive(&sqs, QUEUE).await });
        }
        let outcomes = calls.join_all().await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let expected = if integration.is_some() { 0 } else { 900 };
        assert_eq!(failed, expected, "{integration:?}");
    }
}

#[tokio::test]
async fn after_a_repair_the_sdk_alone_loses_the_next_call() {
    is_a_row(
        "NTP repairs the clock after a correction",
        "the next call fails",
    );
    for integration in SDK_AND_ALL {
        let site = Site::new(integration, -20 * MINUTE);
        site.fails(&site.failing(5).await, &[]);
        site.world.set_skew(0);
        site.fails(&site.failing(5).await, &[0]);
    }
}

#[tokio::test]
async fn after_a_call_of_fourteen_minutes_the_sdk_alone_loses_the_next_one() {
    is_a_row(
        "the clock is correct, and one call takes 14 minutes",
        "the next call fails",
    );
    for integration in SDK_AND_ALL {
        let site = Site::new(integration, 0);
        site.wire.plan([Fate {
            after: minutes(14),
            ..Fate::default()
        }]);
        site.fails(&site.failing(5).await, &[1]);
    }
}

#[tokio::test]
async fn a_suspended_process_costs_the_sdk_alone_one_call() {
    is_a_row(
        "the clock is correct, and the process is suspended for 12 minutes between signing and \
         arrival",
        "one call fails",
    );
    for integration in SDK_AND_ALL {
        let site = Site::new(integration, 0);
        site.wire.plan([Fate {
            before: minutes(12),
            ..Fate::default()
        }]);
        site.fails(&site.failing(5).await, &[0]);
    }
}

#[tokio::test]
async fn after_a_wrong_date_the_sdk_alone_loses_the_next_call() {
    is_a_row(
        "the clock is correct, and a proxy's 503 or a success has a wrong `Date`",
        "the next call fails",
    );
    for integration in SDK_AND_ALL {
        for status in [503, 200] {
            let site = Site::new(integration, 0);
            let date = shifted(site.world.true_time(), 2 * HOUR);
            let answer = Answer::new(status, "{}").dated(date);
            // A 503 to each attempt of the first call.
            let times = if status == 503 { 3 } else { 1 };
            site.wire.plan(vec![answer.into(); times]);
            assert_eq!(receive(&site.sqs, QUEUE).await.is_ok(), status == 200);
            site.wire.forget_plans();
            site.world.advance(minutes(1));
            site.fails(&site.failing(5).await, &[0]);
        }
    }
}

#[tokio::test]
async fn without_a_usable_date_the_sdk_alone_loses_every_call() {
    is_a_row(
        "the error has no `Date`, or one of 1970, and its message states the time",
        "every call fails",
    );
    for integration in SDK_AND_ALL {
        let site = Site::new(integration, -20 * MINUTE);
        site.wire.leave_out_dates();
        site.fails(&site.failing(5).await, &[0, 1, 2, 3, 4]);

        let site = Site::new(integration, -20 * MINUTE);
        site.wire.date_all(std::time::UNIX_EPOCH);
        site.fails(&site.failing(5).await, &[0, 1, 2, 3, 4]);
    }
}

#[tokio::test]
async fn without_retries_the_sdk_alone_loses_the_first_call() {
    is_a_row("retries are disabled", "the first call fails");
    for integration in SDK_AND_ALL {
        let site = Site::with(
            integration,
            -20 * MINUTE,
            Manner::InMessage,
            without_retries,
        );
        site.fails(&site.failing(5).await, &[0]);
    }
}

#[tokio::test]
async fn with_an_empty_403_the_sdk_alone_loses_the_first_call() {
    is_a_row(
        "the error is an empty 403 with a request id, as S3 returns for `HEAD`",
        "the first call fails",
    );
    for integration in SDK_AND_ALL {
        let site = Site::with(integration, -20 * MINUTE, Manner::Silently, |config| config);
        let s3 = s3_of(integration, &site.config, &site.clock);
        let mut failing = Vec::new();
        for call in 0..5 {
            if head(&s3).await.is_err() {
                failing.push(call);
            }
        }
        site.fails(&failing, &[0]);
    }
}

#[tokio::test]
async fn where_nothing_states_a_time_every_call_fails_with_and_without_us() {
    for integration in SDK_AND_ALL {
        let manner = Manner::AuthFailure;
        let site = Site::with(integration, -20 * MINUTE, manner, |config| config);
        site.wire.leave_out_dates();
        assert_eq!(site.failing(3).await, [0, 1, 2], "{integration:?}");
    }
}

#[tokio::test]
async fn each_client_of_the_sdk_alone_has_a_rejected_request() {
    is_a_row(
        "the process has three clients",
        "each has one rejected request",
    );
    for integration in SDK_AND_ALL {
        let site = Site::new(integration, -20 * MINUTE);
        for _ in 0..3 {
            let another = sqs_of(integration, &site.config, &site.clock);
            for _ in 0..3 {
                assert_eq!(receive(&another, QUEUE).await, Ok(()));
            }
        }
        let expected = if integration.is_some() { 1 } else { 3 };
        assert_eq!(site.wire.rejected(), expected, "{integration:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_sent_three_times_by_the_sdk_alone() {
    is_a_row(
        "the key is wrong as well as the clock",
        "each call is sent three times",
    );
    for integration in SDK_AND_ALL {
        let site = Site::new(integration, -20 * MINUTE);
        let mut sent = Vec::new();
        for call in 0..4 {
            let text = "The request signature we calculated does not match the signature you \
                provided.";
            let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"}}"#);
            let wrong_key = Answer::new(403, &body)
                .dated(site.world.true_time())
                .with("x-amzn-requestid", "id-1");
            // The service looks at the time first.
            let first = (call == 0).then(Fate::default);
            let rest = vec![Fate::answered(wrong_key); 9];
            site.wire.plan(first.into_iter().chain(rest));
            let before = site.wire.sent();
            assert!(receive(&site.sqs, QUEUE).await.is_err());
            site.wire.forget_plans();
            sent.push(site.wire.sent() - before);
        }
        let expected = match integration {
            Some(_) => [2, 1, 1, 1],
            None => [3; 4],
        };
        assert_eq!(sent, expected, "{integration:?}");
    }
}

/// Returns what a call of a client logs, in the format of `tracing-subscriber`.
async fn logged(level: Level, integration: Option<Integration>, skew: i64) -> String {
    let _listens = Log::start();
    let output = Output::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(level)
        .with_writer(output.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let site = Site::new(integration, skew);
    assert_eq!(receive(&site.sqs, QUEUE).await, Ok(()));
    assert_eq!(site.wire.sent(), 2);
    drop(guard);
    output.text()
}

#[tokio::test]
async fn the_sdk_alone_logs_clock_skew_at_trace_only() {
    is_a_row(
        "a person looks for the cause",
        "[a `trace!` line](https://docs.rs/crate/aws-runtime/1.10.2/source/src/service_clock_skew.rs) \
         for each response",
    );
    for (level, expected) in [(Level::DEBUG, 0), (Level::TRACE, 2)] {
        let text = logged(level, None, -20 * MINUTE).await.to_lowercase();
        assert!(text.contains("receivemessage"), "something is logged");
        let lines = text.lines().filter(|line| line.contains("clock skew"));
        assert_eq!(lines.count(), expected, "{level}");
    }
}

#[tokio::test]
async fn the_log_line_of_the_readme_is_the_one_that_is_logged() {
    let (_, line) = include_str!("../../README.md")
        .split_once("\n`clock skew detected; ")
        .expect("the README has it");
    let (line, _) = line.split_once(" …").expect("it is abridged");
    for integration in Integration::ALL {
        let text = logged(Level::WARN, Some(integration), -2 * DAY).await;
        assert!(
            text.contains(&format!("clock skew detected; {line}")),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

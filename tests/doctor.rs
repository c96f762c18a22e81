//! The example `doctor`: what it finds, and what scripts are told.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, ManualClock};
use aws_clock_skew_endpoint::Endpoint;
use doctor::asking::{Range, Server};
use doctor::examine;
use doctor::finding::{Drift, Finding, Likely};
use doctor::picture::{picture, table};

#[expect(dead_code, reason = "what only the example's own `main` needs")]
#[path = "../examples/doctor/main.rs"]
mod doctor;

fn truth() -> SystemTime {
    // 2027-01-15T08:00:00Z
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

async fn server(time: SystemTime) -> Endpoint {
    let endpoint = Endpoint::builder(move || time).start().await;
    endpoint.expect("loopback can be bound")
}

async fn examined(wall: SystemTime) -> Finding {
    let servers = [server(truth()).await, server(truth()).await];
    let urls: Vec<_> = servers.iter().map(Endpoint::url).collect();
    examine(&ManualClock::new(wall), &urls, None, Duration::ZERO).await
}

#[tokio::test]
async fn each_error_is_called_by_its_likely_cause() {
    for (seconds, likely) in [
        (9 * 3_600, Likely::TimeZone),
        (-5 * 3_600, Likely::TimeZone),
        (5 * 3_600 + 1_800, Likely::TimeZone),
        (2 * 86_400 + 1_234, Likely::Sleep),
        (-17 * 60 - 400, Likely::NoNtp),
        (200, Likely::NoNtp),
    ] {
        let distance = Duration::from_secs(i64::unsigned_abs(seconds));
        let wall = if seconds > 0 {
            truth() - distance
        } else {
            truth() + distance
        };
        let finding = examined(wall).await;
        let Finding::Wrong(range, found) = finding else {
            panic!("{seconds}: {finding:?}");
        };
        assert_eq!(found, likely, "{seconds}");
        assert!(
            (range.low..=range.high).contains(&(seconds * 1_000)),
            "{range:?}"
        );
        assert!(range.margin() <= 1_000, "{range:?}");
        assert_eq!(finding.exit_code(), 1);
        let words = finding.in_words(None);
        assert_eq!(
            words.last().expect("says something"),
            "Calls to AWS are rejected by this clock."
        );
        assert!(words.iter().any(|line| line.starts_with("To set it: ")));
    }
    let finding = examined(UNIX_EPOCH + Duration::from_secs(77)).await;
    assert!(
        matches!(finding, Finding::Wrong(_, Likely::NoBattery)),
        "{finding:?}"
    );
}

#[tokio::test]
async fn a_clock_that_no_service_minds_is_no_failure() {
    let finding = examined(truth()).await;
    assert!(matches!(finding, Finding::Right(_)), "{finding:?}");
    assert_eq!(finding.exit_code(), 0);
    assert_eq!(finding.in_words(None), ["The clock is right."]);
    let finding = examined(truth() + Duration::from_secs(60)).await;
    assert!(matches!(finding, Finding::Off(_)), "{finding:?}");
    assert_eq!(finding.exit_code(), 0);
    assert_eq!(
        finding.in_words(None)[0],
        "This machine's clock is 59 s ahead, give or take 1000 ms."
    );
}

#[tokio::test]
async fn what_cannot_be_told_is_a_failure_of_its_own() {
    let machine = ManualClock::new(truth());
    let silent = ["http://127.0.0.1:1".to_owned()];
    let finding = examine(&machine, &silent, None, Duration::ZERO).await;
    assert_eq!((finding, finding.exit_code()), (Finding::Silent, 2));

    let servers = [
        server(truth()).await,
        server(truth() + Duration::from_secs(3_600)).await,
    ];
    let urls: Vec<_> = servers.iter().map(Endpoint::url).collect();
    let finding = examine(&machine, &urls, None, Duration::ZERO).await;
    assert_eq!((finding, finding.exit_code()), (Finding::Contradictory, 2));

    let undated = Endpoint::builder(truth).send_date(false).start().await;
    let undated = [undated.expect("loopback can be bound").url()];
    let finding = examine(&machine, &undated, None, Duration::ZERO).await;
    assert_eq!(finding, Finding::Silent);
}

#[tokio::test]
async fn the_truth_is_in_the_range_wherever_in_its_second_a_server_is() {
    for millis in (0..1_000).step_by(97) {
        let now = truth() + Duration::from_millis(millis);
        let server = server(now).await;
        let machine = ManualClock::new(now - Duration::from_secs(500));
        let url = [server.url()];
        let finding = examine(&machine, &url, None, Duration::ZERO).await;
        let Finding::Wrong(range, _) = finding else {
            panic!("{finding:?}");
        };
        assert!(
            (range.low..=range.high).contains(&500_000),
            "{millis}: {range:?}"
        );
        assert_eq!(machine.wall(), now - Duration::from_secs(500));
    }
}

#[test]
fn a_growing_error_is_drift() {
    let range = |low, high| Range { low, high };
    let ten_minutes = Duration::from_secs(600);
    let drift = |before, after| Drift::between(before, after, ten_minutes);
    let none = drift(range(0, 1_000), range(400, 1_400));
    assert_eq!(none, drift(range(0, 0), range(0, 0)));
    let finding = Finding::Off(range(60_000, 61_000));
    assert_eq!(finding.in_words(Some(none)).len(), 2);
    let some = drift(range(0, 1_000), range(61_000, 62_000));
    let words = finding.in_words(Some(some));
    assert_eq!(
        words[1],
        "The error grows by 100000 ms in 1,000 s, so the clock drifts: NTP does not run."
    );
}

#[test]
fn the_picture_shows_the_machine_against_the_servers() {
    let server = |name: &str, range| Server {
        name: name.to_owned(),
        answers: 5,
        range,
        round_trip: Some(Duration::from_millis(23)),
        trouble: None,
    };
    let range = |low, high| Some(Range { low, high });
    let servers = [
        server("one.example", range(8_000, 10_000)),
        server("two.example", range(-1_000, 1_000)),
        server("three.example", None),
    ];
    let picture = picture(&servers);
    let lines: Vec<_> = picture.lines().collect();
    assert_eq!(lines.len(), 4, "{picture}");
    let at = |line: &str, c: char| line.chars().position(|known| known == c);
    assert!(at(lines[1], '|') < at(lines[1], '├'), "{picture}");
    assert_eq!(at(lines[2], '┼'), at(lines[1], '|'), "{picture}");
    assert!(at(lines[2], '┤') < at(lines[1], '├'), "{picture}");
    let table = table(&servers);
    assert!(
        table.contains("one.example                            5      23 ms  +9 s ± 1000 ms"),
        "{table}"
    );
}

//! The example `doctor`: its findings and its exit codes.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::diagnosis::Origin;
use aws_clock_skew::{LocalClock, ManualClock};
use aws_clock_skew_endpoint::Endpoint;
use doctor::arguments::Command;
use doctor::asking::{Range, Server};
use doctor::examine;
use doctor::explanation::Explanation;
use doctor::finding::{Drift, Finding};
use doctor::picture::{picture, table};

#[expect(dead_code, reason = "used by the example's `main`")]
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
async fn a_clock_that_aws_rejects_is_a_failure_with_its_probable_origin() {
    for (seconds, origin, result) in [
        (9 * 3_600, Origin::TimeZone, "AWS rejects"),
        (-5 * 3_600, Origin::TimeZone, "AWS rejects"),
        (2 * 86_400 + 1_234, Origin::Suspend, "AWS rejects"),
        (-17 * 60 - 400, Origin::NoNtp, "AWS rejects"),
        (-365 * 86_400, Origin::Year, "AWS rejects"),
        (1_799_999_923, Origin::NoBattery, "AWS rejects"),
        (400, Origin::NoNtp, "Some services of AWS reject"),
    ] {
        let distance = Duration::from_secs(i64::unsigned_abs(seconds));
        let wall = if seconds > 0 {
            truth() - distance
        } else {
            truth() + distance
        };
        let finding = examined(wall).await;
        let Finding::Rejected(range, found) = finding else {
            panic!("{seconds}: {finding:?}");
        };
        assert_eq!(found, origin, "{seconds}");
        assert!(
            (range.low..=range.high).contains(&(seconds * 1_000)),
            "{range:?}"
        );
        assert!(range.margin() <= 1_000, "{range:?}");
        assert_eq!(finding.exit_code(), 1);
        let lines = finding.lines(None);
        let last = lines.last().expect("says something");
        assert!(last.starts_with(result), "{last}");
        assert!(lines.contains(&origin.to_string()), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("To set it: ")));
    }
}

#[tokio::test]
async fn a_clock_that_aws_tolerates_is_no_failure() {
    let finding = examined(truth()).await;
    assert!(matches!(finding, Finding::Correct(_)), "{finding:?}");
    assert_eq!(finding.exit_code(), 0);
    assert_eq!(finding.lines(None), ["The local clock is correct."]);
    for (seconds, said) in [
        (60, "The local clock is 59 s ahead (± 1000 ms)."),
        (200, "The local clock is 3 min 19 s ahead (± 1000 ms)."),
    ] {
        let finding = examined(truth() + Duration::from_secs(seconds)).await;
        assert!(matches!(finding, Finding::Tolerated(_)), "{finding:?}");
        assert_eq!(finding.exit_code(), 0);
        let lines = finding.lines(None);
        assert_eq!(lines[0], said);
        assert!(lines[1].starts_with("To set it: "), "{lines:?}");
        assert_eq!(
            lines[2],
            "AWS accepts requests signed with the local clock: services tolerate 5 minutes or more."
        );
    }
}

#[tokio::test]
async fn an_offset_that_cannot_be_determined_is_a_failure_of_its_own() {
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
async fn the_true_offset_is_in_the_range_at_any_point_of_the_servers_second() {
    for millis in (0..1_000).step_by(97) {
        let now = truth() + Duration::from_millis(millis);
        let server = server(now).await;
        let machine = ManualClock::new(now - Duration::from_secs(500));
        let url = [server.url()];
        let finding = examine(&machine, &url, None, Duration::ZERO).await;
        let Finding::Rejected(range, _) = finding else {
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
fn a_growing_offset_is_drift() {
    let range = |low, high| Range { low, high };
    let ten_minutes = Duration::from_secs(600);
    let drift = |before, after| Drift::between(before, after, ten_minutes);
    let none = drift(range(0, 1_000), range(400, 1_400));
    assert_eq!(none, drift(range(0, 0), range(0, 0)));
    let finding = Finding::Tolerated(range(60_000, 61_000));
    assert_eq!(finding.lines(Some(none)).len(), 3);
    let some = drift(range(0, 1_000), range(61_000, 62_000));
    assert_eq!(
        finding.lines(Some(some))[1],
        "The offset grows by 100000 ppm: the clock drifts, so NTP is probably not running."
    );
}

#[test]
fn an_error_is_explained_by_the_times_that_it_states() {
    // The local clock plays no part: the error may be old.
    let local = ManualClock::new(truth());
    for (text, exit_code, expected) in [
        (
            "InvalidSignatureException: Signature expired: 20160619T100249Z is now earlier than \
             20160619T101532Z (20160619T103032Z - 15 min.)",
            1,
            &[
                "Either the local clock is 27 min 43 s behind.",
                "Or the signature was 27 min 43 s old on arrival; the local clock is correct.",
            ][..],
        ),
        (
            "Signature not yet current: 20260101T190000Z is still later than 20260101T101500Z \
             (20260101T100000Z + 15 min.)",
            1,
            &[
                "Either the local clock is 9 h ahead.",
                "Or the signature was made by a clock that was 9 h ahead; the local clock is correct.",
            ],
        ),
        (
            "RequestTimeTooSkewed: The difference between the request time and the current time is \
             too large.",
            1,
            &["Cause: the local clock is wrong, or the signature expired in transit."],
        ),
        (
            "SignatureDoesNotMatch: The request signature we calculated does not match the \
             signature you provided.",
            0,
            &["Cause: the secret key is wrong, or the request was changed in transit."],
        ),
        (
            "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The \
             security token included in the request is expired",
            0,
            &["Cause: the credentials have expired."],
        ),
        ("something else", 2, &["The text does not name the cause."]),
        (" \n", 2, &["There is no text to explain; try --help."]),
    ] {
        let explanation = Explanation::of(text, &local);
        let lines = explanation.lines();
        let causes: Vec<_> = lines.iter().step_by(2).take(expected.len()).collect();
        assert_eq!(causes, expected, "{text}");
        assert_eq!(explanation.exit_code(), exit_code, "{text}");
    }
    let nine_hours = Explanation::of(
        "Signature not yet current: 20260101T190000Z is still later than 20260101T101500Z \
         (20260101T100000Z + 15 min.)",
        &local,
    );
    let advice = nine_hours.lines()[1].clone();
    assert!(
        advice.contains("time zone") && advice.contains("chronyc"),
        "{advice}"
    );
}

#[test]
fn wrong_arguments_of_the_doctor_are_named_in_a_sentence() {
    for (arguments, sentence) in [
        (&["--bogus"][..], "cannot understand `--bogus`; try --help"),
        (
            &["sts.amazonaws.com"],
            "`sts.amazonaws.com` is not a URL: write https://sts.amazonaws.com",
        ),
        (
            &["localhost:9"],
            "`localhost:9` is not a URL: write https://localhost:9",
        ),
        (&["ftp://host"], "`ftp://host` is neither http nor https"),
        (&[""], "`` is not a URL: write https://HOST"),
        (
            &["http://"],
            "`http://` names no server: write http://HOST or http://HOST:PORT",
        ),
        (
            &["https://exa mple"],
            "`https://exa mple` names no server: write https://HOST or https://HOST:PORT",
        ),
        (
            &["http://127.0.0.1:99999"],
            "`http://127.0.0.1:99999` names no server: write http://HOST or http://HOST:PORT",
        ),
        (
            &["--watch=foo"],
            "--watch needs whole seconds: `foo` is not one; try --watch=600",
        ),
        (
            &["--watch"],
            "--watch needs whole seconds: `` is not one; try --watch=600",
        ),
        (
            &["--skew", "-9h"],
            "--skew needs an offset: --skew=-9h or --skew=+20m, up to ten years",
        ),
    ] {
        assert_eq!(parse(arguments), Err(sentence.to_owned()), "{arguments:?}");
    }
    assert_eq!(parse(&["--help"]), Ok(Command::Help));
    let explained = Ok(Command::Explain(Some("Signature expired: x".to_owned())));
    assert_eq!(
        parse(&["--explain", "Signature", "expired:", "x"]),
        explained
    );
    assert_eq!(parse(&["--explain=Signature expired: x"]), explained);
    assert_eq!(parse(&["--explain"]), Ok(Command::Explain(None)));
    assert_eq!(parse(&["--explain", "--help"]), Ok(Command::Help));
    for url in [
        "http://[::1]:8080",
        "https://sts.amazonaws.com/",
        "http://host?a=b",
    ] {
        assert!(
            matches!(parse(&[url]), Ok(Command::Examine { urls, .. }) if urls == [url]),
            "{url}"
        );
    }
}

fn parse(arguments: &[&str]) -> Result<Command, String> {
    Command::parse(arguments.iter().map(|&argument| argument.to_owned()))
}

#[test]
fn the_picture_shows_the_local_clock_against_the_servers() {
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

use super::*;
use crate::evidence::ResponseView;

fn at(seconds: i64) -> SystemTime {
    ClockOffset::from_millis(seconds * 1_000)
        .shift(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn reading(wall: i64, boot: u64) -> Reading {
    Reading {
        wall: at(wall),
        boot: Duration::from_secs(50_000 + boot),
    }
}

/// A request signed for `signed` and sent when the wall clock, which is our
/// clock, shows 0; answered after `took`, when the server's clock shows
/// `server`.
#[derive(Clone, Copy)]
struct Case {
    signed: i64,
    took: u64,
    server: i64,
}

impl Case {
    fn judged(self, evidence: &Evidence) -> Verdict {
        let received = reading(i64::try_from(self.took).unwrap(), self.took);
        let attempt = Attempt {
            signed_at: Some(at(self.signed)),
            signing_boot: reading(0, 0).boot,
            sent: reading(0, 0),
            received,
        };
        judge(&attempt, evidence, received, received.wall)
    }
}

fn stamp(seconds: i64) -> String {
    // 1_800_000_000 is 2027-01-15T08:00:00Z.
    let of_day = 8 * 3_600 + seconds;
    let (day, rest) = (15 + of_day.div_euclid(86_400), of_day.rem_euclid(86_400));
    format!(
        "202701{day:02}T{:02}{:02}{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

fn in_words(case: Case) -> Evidence {
    let (signed, server) = (case.signed, case.server);
    let text = if signed < server {
        format!(
            "Signature expired: {} is now earlier than {} ({} - 1 min.)",
            stamp(signed),
            stamp(server - 60),
            stamp(server)
        )
    } else {
        format!(
            "Signature not yet current: {} is still later than {} ({} + 1 min.)",
            stamp(signed),
            stamp(server + 60),
            stamp(server)
        )
    };
    Evidence::read(&ResponseView::new(403, text.as_bytes()))
}

#[track_caller]
fn comes_out(signed: i64, took: u64, server: i64) -> Verdict {
    let case = Case {
        signed,
        took,
        server,
    };
    let evidence = in_words(case);
    assert!(evidence.rejection().is_some());
    case.judged(&evidence)
}

#[test]
fn a_clock_far_from_the_server_is_skew() {
    for server in [-172_800, -32_400, -1_200, 1_200, 172_800] {
        let Verdict::Skew(lesson) = comes_out(0, 1, server) else {
            panic!("{server} s is not called skew");
        };
        assert_eq!(
            lesson.point.at_boot(reading(0, 1).boot),
            at(server) + Duration::from_millis(500)
        );
        assert_eq!(lesson.strength, Strength::Message);
    }
}

#[test]
fn a_freeze_on_a_right_clock_is_a_stale_signature() {
    assert_eq!(comes_out(0, 720, 720), Verdict::StaleSignature);
    assert_eq!(comes_out(0, 720, 360), Verdict::StaleSignature);
}

#[test]
fn what_was_signed_before_the_lesson_teaches_nothing() {
    assert_eq!(comes_out(-172_800, 1, 1), Verdict::AlreadyLearned);
    assert_eq!(comes_out(172_800, 1, 1), Verdict::AlreadyLearned);
}

#[test]
fn a_freeze_on_a_wrong_clock_hides_the_clock() {
    // Twenty minutes behind and frozen for as long: one answer cannot tell.
    assert_eq!(comes_out(0, 1_300, 1_200), Verdict::StaleSignature);
    // Frozen for less, the rest must be the clock.
    assert!(matches!(comes_out(0, 600, 1_800), Verdict::Skew(_)));
}

#[test]
fn the_interval_allows_for_a_boot_clock_that_runs_slow_on_the_way() {
    // Answered at once, and 10,000 s on its way back; the clocks lose two of them.
    let attempt = Attempt {
        signed_at: Some(at(0)),
        signing_boot: reading(0, 0).boot,
        sent: reading(0, 0),
        received: reading(9_998, 9_998),
    };
    let truth = ClockOffset::from_boot(at(10_000), attempt.received.boot);
    let range = TimeRange::exactly(at(0));
    let interval = boot_interval(&attempt, &range, Duration::ZERO).unwrap();
    assert!(interval.contains(truth), "{interval:?}");
}

#[test]
fn less_than_two_minutes_is_unsure() {
    assert_eq!(comes_out(0, 1, 119), Verdict::Unsure);
    assert!(matches!(comes_out(0, 1, 124), Verdict::Skew(_)));
}

#[test]
fn a_suspect_with_a_credible_signature_is_not_the_clock() {
    let evidence = |date: &str| {
        Evidence::read(
            &ResponseView::new(403, b"")
                .with_date(date)
                .with_request_id("r"),
        )
    };
    let case = Case {
        signed: 0,
        took: 1,
        server: 0,
    };
    // 2027-01-15T08:04:00Z is 240 s later.
    assert_eq!(
        case.judged(&evidence("Fri, 15 Jan 2027 08:04:00 GMT")),
        Verdict::NotTheClock
    );
    assert!(matches!(
        case.judged(&evidence("Fri, 15 Jan 2027 08:05:00 GMT")),
        Verdict::Skew(Lesson {
            strength: Strength::Date,
            ..
        })
    ));
}

#[test]
fn a_rejection_without_a_time_is_tried_again_if_the_signature_is_far_from_now() {
    let evidence = Evidence::read(&ResponseView::new(
        403,
        b"<Error><Code>RequestTimeTooSkewed</Code><Message>x</Message></Error>",
    ));
    let case = Case {
        signed: 0,
        took: 1,
        server: 0,
    };
    assert_eq!(case.judged(&evidence), Verdict::Unknown { resign: false });
    let old = Case { took: 720, ..case };
    assert_eq!(old.judged(&evidence), Verdict::Unknown { resign: true });
    let learned = Case {
        signed: -1_200,
        ..case
    };
    assert_eq!(learned.judged(&evidence), Verdict::Unknown { resign: true });
}

#[test]
fn the_answer_to_an_unsigned_request_is_nothing() {
    let attempt = Attempt {
        signed_at: None,
        signing_boot: reading(0, 0).boot,
        sent: reading(0, 0),
        received: reading(1, 1),
    };
    let words = "Signature expired: 20270114T080000Z is now earlier than 20270115T080500Z \
        (20270115T082000Z - 15 min.)";
    for body in [words, "<Code>RequestTimeTooSkewed</Code>", ""] {
        let view = ResponseView::new(403, body.as_bytes())
            .with_date("Fri, 15 Jan 2027 08:20:00 GMT")
            .with_request_id("r");
        let verdict = judge(&attempt, &Evidence::read(&view), attempt.received, at(1));
        assert_eq!(verdict, Verdict::Nothing, "{body}");
    }
}

#[test]
fn an_ordinary_answer_is_nothing() {
    let case = Case {
        signed: 0,
        took: 1,
        server: 0,
    };
    for status in [200, 304, 404, 429, 500, 503] {
        let view = ResponseView::new(status, b"").with_date("Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(
            case.judged(&Evidence::read(&view)),
            Verdict::Nothing,
            "{status}"
        );
    }
}

#[test]
fn what_calls_for_a_new_signature_is_what_the_table_says() {
    let lesson = Lesson {
        point: ClockOffset::ZERO,
        interval: Interval::exactly(ClockOffset::ZERO),
        at: Duration::ZERO,
        server_time: at(0),
        source: Source::Message,
        strength: Strength::Message,
        is_rejection: true,
    };
    for (verdict, wants) in [
        (Verdict::Nothing, false),
        (Verdict::Unknown { resign: false }, false),
        (Verdict::Unknown { resign: true }, true),
        (Verdict::NotTheClock, false),
        (Verdict::StaleSignature, true),
        (Verdict::AlreadyLearned, true),
        (Verdict::Skew(lesson), true),
        (Verdict::Unsure, true),
    ] {
        assert_eq!(verdict.wants_resign(), wants, "{verdict:?}");
    }
}

/// Sent when our clock shows 0, answered after ten seconds.
fn ten_seconds() -> Attempt {
    Attempt {
        signed_at: Some(at(0)),
        signing_boot: reading(0, 0).boot,
        sent: reading(0, 0),
        received: reading(10, 10),
    }
}

/// The ends of an interval, in seconds that the server may be ahead, with the 2 ms that a
/// boot clock 200 ppm slow loses in ten seconds, and 1 ms for what is cut off.
#[track_caller]
fn reaches(interval: Interval, low: i64, high: i64) {
    let truth = ClockOffset::from_boot(at(0), reading(0, 0).boot);
    let ahead = |millis: i64| ClockOffset::from_millis(truth.as_millis() + millis);
    for (millis, is_in) in [
        (low * 1_000 - 1, false),
        (low * 1_000, true),
        (high * 1_000 + 3, true),
        (high * 1_000 + 4, false),
    ] {
        assert_eq!(interval.contains(ahead(millis)), is_in, "{millis} ms");
    }
}

#[test]
fn a_date_is_of_some_moment_between_sending_and_the_head_or_cut_or_cached() {
    let interval = weak_interval(&ten_seconds(), at(500)).unwrap();
    // Two seconds: what is cut off, and what a server renders once a second.
    reaches(interval, 490, 502);
}

#[test]
fn a_text_is_cut_and_not_cached() {
    let attempt = ten_seconds();
    let texts = |evidence: &Evidence| judge(&attempt, evidence, attempt.received, at(10));
    let in_words = in_words(Case {
        signed: 0,
        took: 10,
        server: 500,
    });
    let Verdict::Skew(lesson) = texts(&in_words) else {
        panic!("not called skew");
    };
    reaches(lesson.interval, 490, 501);
    let by_date = Evidence::read(
        &ResponseView::new(403, b"")
            .with_date("Fri, 15 Jan 2027 08:08:20 GMT")
            .with_request_id("r"),
    );
    let Verdict::Skew(lesson) = texts(&by_date) else {
        panic!("not called skew");
    };
    reaches(lesson.interval, 490, 502);
}

#[test]
fn a_signature_of_the_servers_very_second_is_not_old() {
    let case = Case {
        signed: 0,
        took: 720,
        server: 0,
    };
    for (date, verdict) in [
        ("Fri, 15 Jan 2027 08:00:00 GMT", Verdict::AlreadyLearned),
        ("Fri, 15 Jan 2027 08:00:01 GMT", Verdict::StaleSignature),
    ] {
        let view = ResponseView::new(403, b"").with_error_code("RequestTimeTooSkewed");
        assert_eq!(case.judged(&Evidence::read(&view.with_date(date))), verdict);
    }
}

#[test]
fn the_distance_to_a_range_is_that_to_its_nearer_end() {
    let range = TimeRange {
        earliest: at(100),
        latest: at(200),
    };
    for (time, distance) in [(40, 60), (100, 0), (150, 0), (200, 0), (260, 60)] {
        assert_eq!(range.distance_to(at(time)), Duration::from_secs(distance));
    }
}

/// Whatever the status and the code are: a proxy may hide the status of our own clock skew error,
/// and Varnish writes `Age: 0` on everything.
#[test]
fn a_message_that_states_the_requests_time_counts_if_it_is_that_of_this_signature() {
    let case = |signed| Case {
        signed,
        took: 1,
        server: 172_800,
    };
    let text = |signed: i64| {
        format!(
            "Signature expired: {} is now earlier than {} ({} - 1 min.)",
            stamp(signed),
            stamp(172_740),
            stamp(172_800)
        )
    };
    for (status, is_aged, code) in [
        (500, false, None),
        (502, true, None),
        (404, false, None),
        (403, true, None),
        (403, false, None),
        (403, false, Some("InvalidSignatureException")),
        // EC2 tells back what it was asked for.
        (400, false, Some("InvalidInstanceID.Malformed")),
    ] {
        for (quoted, is_ours) in [(0, true), (-1, true), (-7_200, false), (3, false)] {
            let text = text(quoted);
            let mut view = ResponseView::new(status, text.as_bytes());
            if is_aged {
                view = view.with_age("0");
            }
            if let Some(code) = code {
                view = view.with_error_code(code);
            }
            let verdict = case(0).judged(&Evidence::read(&view));
            if is_ours {
                assert!(matches!(verdict, Verdict::Skew(_)), "{status}, {quoted}");
            } else {
                assert_eq!(verdict, Verdict::Nothing, "{status}, {quoted}");
            }
        }
        // One that states none needs a status that rejects the request, and no cache.
        let nameless =
            "<Code>RequestTimeTooSkewed</Code><ServerTime>2027-01-17T08:00:00Z</ServerTime>";
        let mut view = ResponseView::new(status, nameless.as_bytes());
        if is_aged {
            view = view.with_age("0");
        }
        let verdict = case(0).judged(&Evidence::read(&view));
        let is_believed = matches!(verdict, Verdict::Skew(_));
        assert_eq!(
            is_believed,
            matches!(status, 400 | 403) && !is_aged,
            "{status}: {verdict:?}"
        );
    }
    // And a listed code, in a field that no user of the caller can write.
    for (body, is_believed) in [
        (
            r#"{"__type":"InvalidSignatureException","message":"|"}"#,
            true,
        ),
        ("<Code>AccessDenied</Code><Message>|</Message>", true),
        (
            r#"{"__type":"InvalidRequestException","message":"AccessDenied |"}"#,
            false,
        ),
        (r#"{"message":"code: AccessDenied |"}"#, false),
    ] {
        let timeless = "Signature expired: date is now earlier than 20270117T074500Z (20270117T080000Z - 15 min.)";
        let body = body.replace('|', timeless);
        let verdict = case(0).judged(&Evidence::read(&ResponseView::new(403, body.as_bytes())));
        assert_eq!(matches!(verdict, Verdict::Skew(_)), is_believed, "{body}");
    }
}

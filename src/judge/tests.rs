use super::*;
use crate::evidence::ResponseView;

fn at(seconds: i64) -> SystemTime {
    ClockOffset::from_millis(seconds * 1_000)
        .shift(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn reading(wall: i64, mono: u64) -> Reading {
    Reading {
        wall: at(wall),
        monotonic: Duration::from_secs(50_000 + mono),
    }
}

/// A request that was signed for `signed` and sent when the wall clock, which is our clock,
/// shows 0. The response comes after `took`; the server's clock then shows `server`.
#[derive(Clone, Copy)]
struct Case {
    signed: i64,
    signed_by: SignedBy,
    took: u64,
    server: i64,
}

const PRESENT: SignedBy = SignedBy::Clock(7);

/// Returns the signing time of a clock without a correction.
fn by_the_wall(reading: Reading) -> SigningTime {
    SigningTime {
        now: reading.wall,
        by: PRESENT,
    }
}

impl Case {
    /// Returns a request that was signed by the present clock.
    const fn new(signed: i64, took: u64, server: i64) -> Self {
        Self {
            signed,
            signed_by: PRESENT,
            took,
            server,
        }
    }

    /// Returns the same request, signed before the last change of the correction.
    const fn by_another(self) -> Self {
        Self {
            signed_by: SignedBy::Clock(6),
            ..self
        }
    }

    fn judged(self, evidence: &Evidence) -> Verdict {
        let received = reading(i64::try_from(self.took).unwrap(), self.took);
        let trip = RoundTrip {
            signed_at: Some(at(self.signed)),
            signed_by: self.signed_by,
            sent: reading(0, 0),
            received,
        };
        judge(&trip, evidence, received, by_the_wall(received))
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

fn by_message(case: Case) -> Evidence {
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
    let case = Case::new(signed, took, server);
    let evidence = by_message(case);
    assert!(evidence.clock_skew_error().is_some());
    case.judged(&evidence)
}

#[test]
fn a_clock_far_from_the_server_is_skew() {
    for server in [-172_800, -32_400, -1_200, 1_200, 172_800] {
        let Verdict::ClockSkew(sample) = comes_out(0, 1, server) else {
            panic!("{server} s is not called clock skew");
        };
        assert_eq!(
            sample.point.at_monotonic(reading(0, 1).monotonic),
            at(server) + Duration::from_millis(500)
        );
        assert_eq!(sample.stated.strength, Strength::Message);
    }
}

#[test]
fn a_freeze_on_a_correct_clock_is_a_signature_that_expired_in_transit() {
    assert_eq!(comes_out(0, 720, 720), Verdict::ExpiredInTransit);
    assert_eq!(comes_out(0, 720, 360), Verdict::ExpiredInTransit);
}

#[test]
fn a_request_signed_before_the_correction_says_nothing_new() {
    for signed in [-172_800, 172_800] {
        let case = Case::new(signed, 1, 1).by_another();
        let verdict = case.judged(&by_message(case));
        assert_eq!(verdict, Verdict::AlreadyCorrected);
    }
}

/// Only a signature of the present clock can have expired in transit.
#[test]
fn a_signature_by_any_other_time_has_not_expired_in_transit() {
    for (signed_by, verdict) in [
        (PRESENT, Verdict::ExpiredInTransit),
        (SignedBy::Clock(6), Verdict::AlreadyCorrected),
        (SignedBy::HostTime, Verdict::AlreadyCorrected),
        (SignedBy::Other, Verdict::AlreadyCorrected),
    ] {
        let case = Case {
            signed_by,
            ..Case::new(0, 720, 720)
        };
        assert_eq!(case.judged(&by_message(case)), verdict, "{signed_by:?}");
    }
}

#[test]
fn a_freeze_on_a_wrong_clock_hides_the_clock() {
    // The clock is twenty minutes behind, and the machine was frozen for as long. One
    // response cannot tell the two apart.
    assert_eq!(comes_out(0, 1_300, 1_200), Verdict::ExpiredInTransit);
    // The machine was frozen for less, so the clock must be wrong by the rest.
    assert!(matches!(comes_out(0, 600, 1_800), Verdict::ClockSkew(_)));
}

#[test]
fn the_interval_allows_for_a_monotonic_clock_that_runs_slow() {
    // The server responds at once, and the response is in transit for 10,000 s, of which
    // the clocks lose two.
    let trip = RoundTrip {
        received: reading(9_998, 9_998),
        ..ten_seconds()
    };
    let truth = ClockOffset::from_monotonic(at(10_000), trip.received.monotonic);
    let interval = trip.interval_of(at(0), at(0), Duration::ZERO);
    assert!(interval.contains(truth), "{interval:?}");
}

#[test]
fn less_than_two_minutes_is_inconclusive() {
    assert_eq!(by_s3(1, 122, None), Verdict::Inconclusive);
    assert!(matches!(by_s3(1, 123, None), Verdict::ClockSkew(_)));
}

#[test]
fn a_possible_clock_skew_error_with_a_credible_signature_is_not_clock_skew() {
    let evidence = |date: &str| {
        Evidence::read(
            &ResponseView::new(403, b"")
                .with_date(date)
                .with_request_id("r"),
        )
    };
    let case = Case::new(0, 1, 0);
    // 2027-01-15T08:04:00Z is 240 s later.
    assert_eq!(
        case.judged(&evidence("Fri, 15 Jan 2027 08:04:00 GMT")),
        Verdict::NotClockSkew
    );
    let verdict = case.judged(&evidence("Fri, 15 Jan 2027 08:05:00 GMT"));
    let Verdict::ClockSkew(sample) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(sample.stated.strength, Strength::Date);
}

#[test]
fn a_clock_skew_error_without_a_time_is_resent_if_the_signature_is_far_from_now() {
    let evidence = Evidence::read(&ResponseView::new(
        403,
        b"<Error><Code>RequestTimeTooSkewed</Code><Message>x</Message></Error>",
    ));
    let case = Case::new(0, 1, 0);
    assert_eq!(case.judged(&evidence), Verdict::NoTime { resign: false });
    let old = Case { took: 720, ..case };
    assert_eq!(old.judged(&evidence), Verdict::NoTime { resign: true });
    let corrected = Case {
        signed: -1_200,
        ..case
    };
    assert_eq!(
        corrected.judged(&evidence),
        Verdict::NoTime { resign: true }
    );
}

#[test]
fn the_response_to_an_unsigned_request_says_nothing() {
    let trip = RoundTrip {
        signed_at: None,
        received: reading(1, 1),
        ..ten_seconds()
    };
    let words = "Signature expired: 20270114T080000Z is now earlier than 20270115T080500Z \
        (20270115T082000Z - 15 min.)";
    for body in [words, "<Code>RequestTimeTooSkewed</Code>", ""] {
        let view = ResponseView::new(403, body.as_bytes())
            .with_date("Fri, 15 Jan 2027 08:20:00 GMT")
            .with_request_id("r");
        let evidence = Evidence::read(&view);
        let verdict = judge(&trip, &evidence, trip.received, by_the_wall(trip.received));
        assert_eq!(verdict, Verdict::Other, "{body}");
    }
}

#[test]
fn an_ordinary_response_says_nothing() {
    let case = Case::new(0, 1, 0);
    for status in [200, 304, 404, 429, 500, 503] {
        let view = ResponseView::new(status, b"").with_date("Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(
            case.judged(&Evidence::read(&view)),
            Verdict::Other,
            "{status}"
        );
    }
}

/// Returns a round trip of ten seconds that began when our clock showed 0.
fn ten_seconds() -> RoundTrip {
    RoundTrip {
        signed_at: Some(at(0)),
        signed_by: PRESENT,
        sent: reading(0, 0),
        received: reading(10, 10),
    }
}

/// Checks the ends of an interval, in seconds by which the server may be ahead. It includes
/// the 2 ms that a monotonic clock loses in ten seconds if it is 200 ppm slow, and 1 ms for
/// rounding.
#[track_caller]
fn reaches(interval: Interval, low: i64, high: i64) {
    let truth = ClockOffset::from_monotonic(at(0), reading(0, 0).monotonic);
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
    let interval = ten_seconds().interval_of_date(at(500));
    // The two seconds are for the cut to whole seconds, and for a `Date` that is rendered
    // once a second.
    reaches(interval, 490, 502);
}

#[test]
fn a_text_is_cut_and_not_cached() {
    let trip = ten_seconds();
    let texts =
        |evidence: &Evidence| judge(&trip, evidence, trip.received, by_the_wall(trip.received));
    let stated = by_message(Case::new(0, 10, 500));
    let Verdict::ClockSkew(sample) = texts(&stated) else {
        panic!("not called clock skew");
    };
    reaches(sample.interval, 490, 501);
    let by_date = Evidence::read(
        &ResponseView::new(403, b"")
            .with_date("Fri, 15 Jan 2027 08:08:20 GMT")
            .with_request_id("r"),
    );
    let Verdict::ClockSkew(sample) = texts(&by_date) else {
        panic!("not called clock skew");
    };
    reaches(sample.interval, 490, 502);
}

#[test]
fn a_signature_of_the_servers_very_second_is_not_old() {
    let case = Case::new(0, 720, 0);
    for (date, verdict) in [
        ("Fri, 15 Jan 2027 08:00:00 GMT", Verdict::AlreadyCorrected),
        ("Fri, 15 Jan 2027 08:00:01 GMT", Verdict::ExpiredInTransit),
    ] {
        let view = ResponseView::new(403, b"").with_error_code("RequestTimeTooSkewed");
        assert_eq!(case.judged(&Evidence::read(&view.with_date(date))), verdict);
    }
}

#[test]
fn the_distance_to_a_range_is_that_to_its_nearer_end() {
    let sample = Sample {
        earliest: at(100),
        latest: at(200),
        best: at(150),
        strength: Strength::Message,
    };
    for (signed, distance) in [(40, 60), (100, 0), (150, 0), (200, 0), (260, 60)] {
        assert_eq!(
            sample.distance_to(at(signed)),
            Duration::from_secs(distance)
        );
    }
}

/// S3 states its tolerance. A service with a smaller tolerance rejects a smaller error.
#[test]
fn a_tolerance_of_less_than_four_minutes_lowers_the_threshold() {
    for (took, server, tolerance, is_skew) in [
        // Two seconds of grace.
        (40, 71, 60, false),
        (40, 72, 60, true),
        (100, 191, 180, false),
        (100, 192, 180, true),
        (130, 251, 240, false),
        (130, 252, 240, true),
        (800, 921, 900, false),
        (800, 922, 900, true),
    ] {
        let verdict = by_s3(took, server, Some(tolerance));
        let expected = if is_skew {
            matches!(verdict, Verdict::ClockSkew(_))
        } else {
            verdict == Verdict::Inconclusive
        };
        assert!(expected, "{server} s, {tolerance} s: {verdict:?}");
    }
}

/// Returns the verdict on a response in which S3 states its time and, if there is one, its
/// tolerance in seconds.
#[track_caller]
fn by_s3(took: u64, server: u64, tolerance: Option<u64>) -> Verdict {
    let allowed = tolerance.map_or_else(String::new, |seconds| {
        let millis = seconds * 1_000;
        format!("<MaxAllowedSkewMilliseconds>{millis}</MaxAllowedSkewMilliseconds>")
    });
    let text = format!(
        "<Error><Code>RequestTimeTooSkewed</Code><RequestTime>20270115T080000Z</RequestTime>\
         <ServerTime>2027-01-15T08:{:02}:{:02}Z</ServerTime>{allowed}</Error>",
        server / 60,
        server % 60,
    );
    let evidence = Evidence::read(&ResponseView::new(403, text.as_bytes()));
    assert_eq!(evidence.tolerance(), tolerance.map(Duration::from_secs));
    Case::new(0, took, 0).judged(&evidence)
}

/// It counts whatever the status and the code are: a proxy may hide the status of a clock
/// skew error, and Varnish adds `Age: 0` to every response.
#[test]
fn a_message_that_states_the_requests_time_counts_if_it_is_that_of_this_signature() {
    let case = |signed| Case::new(signed, 1, 172_800);
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
        // EC2 repeats a value of the request.
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
                assert!(
                    matches!(verdict, Verdict::ClockSkew(_)),
                    "{status}, {quoted}"
                );
            } else {
                assert_eq!(verdict, Verdict::Other, "{status}, {quoted}");
            }
        }
        // A message without a request time needs a status that rejects the request, and
        // must not come from a cache.
        let nameless =
            "<Code>RequestTimeTooSkewed</Code><ServerTime>2027-01-17T08:00:00Z</ServerTime>";
        let mut view = ResponseView::new(status, nameless.as_bytes());
        if is_aged {
            view = view.with_age("0");
        }
        let verdict = case(0).judged(&Evidence::read(&view));
        let is_believed = matches!(verdict, Verdict::ClockSkew(_));
        assert_eq!(
            is_believed,
            matches!(status, 400 | 403) && !is_aged,
            "{status}: {verdict:?}"
        );
    }
    // It also needs a listed code in a field that no user of the caller can write.
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
        let is_skew = matches!(verdict, Verdict::ClockSkew(_));
        assert_eq!(is_skew, is_believed, "{body}");
    }
}

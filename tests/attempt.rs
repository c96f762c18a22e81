//! The clock without the SDK, without Tower and without async: the example `blocking`, and the
//! outcome of an [`Attempt`] for each kind of response.

#[expect(dead_code, reason = "used by the example's `main`")]
#[path = "../examples/blocking.rs"]
mod blocking;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::event::{ClearReason, EventKind};
use aws_clock_skew::evidence::ResponseView;
use aws_clock_skew::{Attempt, ClockOffset, ManualClock, NextStep, SkewClock, SkewEvent};
use aws_clock_skew_endpoint::Endpoint;

const HOUR: i64 = 3_600_000;
const URL: &str = "https://sqs.us-east-1.amazonaws.com/";

fn true_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A machine that is ahead of the true time by `skew` milliseconds.
fn machine(skew: i64) -> ManualClock {
    let by = Duration::from_millis(skew.unsigned_abs());
    let time = if skew < 0 {
        true_time() - by
    } else {
        true_time() + by
    };
    ManualClock::new(time)
}

fn clock_of(machine: &ManualClock) -> SkewClock {
    SkewClock::builder().local_clock(machine.clone()).build()
}

#[test]
fn a_blocking_program_loses_no_call_and_one_request() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime for the endpoint");
    for sends_date in [true, false] {
        for skew in [-2 * HOUR, 9 * HOUR, 0] {
            let endpoint = Endpoint::builder(true_time).send_date(sends_date);
            let endpoint = runtime.block_on(endpoint.start()).expect("loopback");
            endpoint.feed("orders", "first");
            let clock = clock_of(&machine(skew));
            let agent = blocking::agent();
            for _ in 0..10 {
                let status = blocking::send(&agent, &clock, &endpoint, "hello");
                assert_eq!(status.expect("the endpoint answers"), 200);
            }
            let counts = endpoint.counts();
            let rejected = u64::from(skew != 0);
            assert_eq!(
                (counts.rejected, counts.requests),
                (rejected, 10 + rejected)
            );
            assert_eq!(clock.status().event_count(), rejected);
        }
    }
}

/// To a second, since servers state whole seconds.
fn near_true_time(time: SystemTime) -> bool {
    let late = time.duration_since(true_time()).unwrap_or_default();
    let early = true_time().duration_since(time).unwrap_or_default();
    late.max(early) < Duration::from_secs(1)
}

const EXPIRED: &[u8] = b"Signature expired: 20270115T060000Z is now earlier than \
    20270115T074500Z (20270115T080000Z - 15 min.)";

/// An attempt on a machine two hours behind, whose first request was rejected for its time.
fn rejected_once(clock: &SkewClock) -> Attempt {
    let mut attempt = clock.attempt(URL);
    assert_eq!(attempt.signing_time(), clock.now());
    let step = attempt.observe(&ResponseView::new(403, EXPIRED));
    assert_eq!(step, NextStep::SignAgain);
    attempt
}

#[test]
fn no_attempt_is_sent_a_third_time() {
    let machine = machine(-2 * HOUR);
    let clock = clock_of(&machine);
    let mut attempt = rejected_once(&clock);
    let _ = attempt.signing_time();
    // The local clock was set meanwhile, and the server rejects the resend too.
    let again = b"Signature expired: 20270115T080000Z is now earlier than 20270115T094500Z \
        (20270115T100000Z - 15 min.)";
    assert_eq!(
        attempt.observe(&ResponseView::new(403, again)),
        NextStep::Finish
    );
    // The second rejection has updated the clock.
    assert!(near_true_time(clock.now() - Duration::from_hours(2)));
}

#[test]
fn a_response_that_is_no_clock_skew_error_finishes_the_attempt() {
    for (status, body) in [
        (200, &b""[..]),
        (404, b""),
        (500, b"Signature expired"),
        (403, b"{\"__type\":\"SignatureDoesNotMatch\",\"message\":\"The request signature we calculated does not match the signature you provided.\"}"),
    ] {
        let clock = clock_of(&machine(0));
        let mut attempt = clock.attempt(URL);
        let view = ResponseView::new(status, body).with_date("Fri, 15 Jan 2027 08:00:00 GMT");
        assert_eq!(attempt.observe(&view), NextStep::Finish, "{status}");
        assert!(!clock.status().is_correcting());
    }
}

#[test]
fn a_message_about_another_request_is_ignored() {
    let clock = clock_of(&machine(0));
    let mut attempt = clock.attempt(URL);
    let step = attempt.observe(&ResponseView::new(403, EXPIRED));
    assert_eq!(step, NextStep::Finish);
    assert!(!clock.status().is_correcting());
}

#[test]
fn a_date_alone_is_tried_for_its_host_and_then_becomes_the_correction() {
    let clock = clock_of(&machine(-2 * HOUR));
    let mut attempt = clock.attempt("https://s3.example.com/bucket/key");
    let date = "Fri, 15 Jan 2027 08:00:00 GMT";
    let rejection = ResponseView::new(403, b"")
        .with_date(date)
        .with_request_id("1");
    assert_eq!(attempt.observe(&rejection), NextStep::SignAgain);
    assert!(near_true_time(attempt.signing_time()));
    assert!(
        !near_true_time(clock.attempt(URL).signing_time()),
        "of another host"
    );
    let accepted = ResponseView::new(200, b"").with_date(date);
    assert_eq!(attempt.observe(&accepted), NextStep::Finish);
    assert!(near_true_time(clock.attempt(URL).signing_time()));
}

#[test]
fn an_observe_only_clock_asks_for_no_resend() {
    let machine = machine(-2 * HOUR);
    let clock = SkewClock::builder()
        .local_clock(machine.clone())
        .observe_only(true)
        .build();
    let mut attempt = clock.attempt(URL);
    let step = attempt.observe(&ResponseView::new(403, EXPIRED));
    assert_eq!(step, NextStep::Finish);
    assert_eq!(
        attempt.signing_time(),
        aws_clock_skew::LocalClock::wall(&machine)
    );
    assert_eq!(clock.status().event_count(), 1);
}

#[test]
fn a_repaired_local_clock_signs_the_next_attempt() {
    let machine = machine(-2 * HOUR);
    let clock = clock_of(&machine);
    drop(rejected_once(&clock));
    machine.set_wall(true_time());
    assert_eq!(clock.attempt(URL).signing_time(), true_time());
    assert!(!clock.status().is_correcting());
}

fn last_event(clock: &SkewClock) -> Option<EventKind> {
    clock.status().last_event().map(SkewEvent::kind)
}

#[test]
fn an_offset_can_be_set_at_any_time() {
    let machine = machine(-2 * HOUR);
    let clock = clock_of(&machine);
    for hours in [1, 3, 2] {
        clock.set_offset(ClockOffset::from_millis(hours * HOUR));
        let expected =
            true_time() + Duration::from_hours(1) * (u32::try_from(hours).expect("small"));
        assert_eq!(clock.now() + Duration::from_hours(2), expected);
        assert!(matches!(last_event(&clock), Some(EventKind::SkewDetected)));
    }
    assert_eq!(clock.status().event_count(), 3);
    // The server agrees, so the first request is accepted.
    let mut attempt = clock.attempt(URL);
    assert_eq!(attempt.signing_time(), true_time());
    let accepted = ResponseView::new(200, b"").with_date("Fri, 15 Jan 2027 08:00:00 GMT");
    assert_eq!(attempt.observe(&accepted), NextStep::Finish);
    assert_eq!(clock.now(), true_time());
}

#[test]
fn an_offset_of_zero_ends_the_correction() {
    let machine = machine(-2 * HOUR);
    let clock = clock_of(&machine);
    drop(rejected_once(&clock));
    clock.set_offset(ClockOffset::from_millis(0));
    assert!(!clock.status().is_correcting());
    let cleared = last_event(&clock);
    let Some(EventKind::CorrectionCleared { reason, .. }) = cleared else {
        panic!("{cleared:?}");
    };
    assert_eq!(reason, ClearReason::Reset);
    // Without a correction it changes nothing and emits no event.
    clock.set_offset(ClockOffset::from_millis(0));
    assert_eq!(clock.status().event_count(), 2);
}

#[test]
fn evidence_replaces_an_offset_that_was_set() {
    let machine = machine(-2 * HOUR);
    let clock = clock_of(&machine);
    clock.set_offset(ClockOffset::from_millis(5 * HOUR));
    let mut attempt = clock.attempt(URL);
    let _ = attempt.signing_time();
    let early = b"Signature not yet current: 20270115T110000Z is still later than \
        20270115T081500Z (20270115T080000Z + 15 min.)";
    assert_eq!(
        attempt.observe(&ResponseView::new(403, early)),
        NextStep::SignAgain
    );
    assert!(near_true_time(attempt.signing_time()));
}

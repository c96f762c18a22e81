//! The effect of each response on the clock of one machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::evidence::{Evidence, ResponseView, Sample, Source};
use crate::host::Host;
use crate::judge::{RoundTrip, SigningTime};
use crate::trust::{Limits, RELEASED};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const AWS: &str = "s3.us-east-1.amazonaws.com";
const KMS: &str = "kms.eu-west-1.amazonaws.com";
const MINIO: &str = "minio.example";
const CEPH: &str = "ceph.example";

/// A machine with a clock. All times are in seconds, relative to its local clock.
struct Machine {
    state: ClockState,
    reading: Reading,
    mode: Mode,
}

/// The response of a server.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// A status with a `Date` and a request id, without a body.
    Status(u16, i64),
    /// The same without a `Date`.
    Undated(u16),
    /// A 403 without a `Date`, a request id or a body, as a proxy sends it.
    Page,
    /// `RequestTimeTooSkewed`, without times.
    Code(i64),
    /// The same without a `Date`.
    CodeAlone,
    /// The error message of a clock skew error.
    Message(i64),
    WrongKey(i64),
}

use Answer::{Code, CodeAlone, Message, Page, Status, Undated, WrongKey};

impl Machine {
    fn new() -> Self {
        Self {
            state: ClockState::new(Limits::default()),
            reading: Reading {
                // The limits count from the release date at the earliest.
                wall: UNIX_EPOCH + RELEASED + Duration::from_secs(86_400),
                monotonic: Duration::from_secs(100_000),
            },
            mode: Mode::Correct,
        }
    }

    /// Returns a machine whose clock AWS has confirmed.
    fn confirmed() -> Self {
        let mut machine = Self::new();
        assert_eq!(machine.sends(AWS, Status(200, 0)), Decision::Pass);
        assert!(machine.is_confirmed());
        machine
    }

    /// Returns a machine with a trial for a host.
    fn trying(host: &str, ahead: i64) -> Self {
        let mut machine = Self::new();
        assert_eq!(machine.sends(host, Status(403, ahead)), Decision::Resign);
        assert_eq!(machine.kind(host), Some(HostTimeKind::Trial));
        machine
    }

    fn passes(&mut self, seconds: u64) {
        self.reading.wall += Duration::from_secs(seconds);
        self.reading.monotonic += Duration::from_secs(seconds);
    }

    fn at(&self, seconds: i64) -> SystemTime {
        ClockOffset::from_millis(seconds * 1_000).shift(self.reading.wall)
    }

    /// Sends a request that is signed with the time for its host, and observes the
    /// response.
    fn sends(&mut self, host: &str, answer: Answer) -> Decision {
        self.observes(host, answer, |_| {})
    }

    /// Does the same for the resend.
    fn resends(&mut self, host: &str, answer: Answer) -> Decision {
        self.observes(host, answer, |exchange| exchange.is_resend = true)
    }

    fn observes(
        &mut self,
        host: &str,
        answer: Answer,
        alter: impl FnOnce(&mut Exchange<'_>),
    ) -> Decision {
        let signing = self.signing(host);
        let date = |ahead| httpdate::fmt_http_date(self.at(ahead));
        let (status, date, body) = match answer {
            Status(status, ahead) => (status, date(ahead), String::new()),
            Undated(status) => (status, String::new(), String::new()),
            Page => (403, String::new(), String::new()),
            Code(ahead) => (403, date(ahead), TOO_SKEWED.to_owned()),
            CodeAlone => (403, String::new(), TOO_SKEWED.to_owned()),
            Message(ahead) => (403, String::new(), message(signing.now, self.at(ahead))),
            WrongKey(ahead) => (403, date(ahead), WRONG_KEY.to_owned()),
        };
        let mut view = ResponseView::new(status, body.as_bytes());
        if !matches!(answer, Page) {
            view = view.with_request_id("id-1");
        }
        if !date.is_empty() {
            view = view.with_date(&date);
        }
        let evidence = Evidence::read(&view);
        let host = Host::new(host, true);
        let mut exchange = Exchange {
            trip: RoundTrip {
                signed_at: Some(signing.now),
                signed_by: signing.by,
                sent: self.reading,
                received: self.reading,
            },
            evidence: &evidence,
            host: host.as_ref(),
            service: None,
            operation: None,
            is_resend: false,
        };
        alter(&mut exchange);
        observe(&mut self.state, &exchange, self.mode, self.reading)
    }

    fn signing(&self, host: &str) -> SigningTime {
        self.state.signing_time(host, self.reading)
    }

    /// Returns how far the time to sign with is ahead of the local clock.
    fn ahead(&self, host: &str) -> i64 {
        let ahead = ClockOffset::between(self.reading.wall, self.signing(host).now);
        ahead.as_millis().div_euclid(1_000)
    }

    fn kind(&self, host: &str) -> Option<HostTimeKind> {
        self.state.trust.host_time(host).map(|known| known.kind)
    }

    fn is_confirmed(&self) -> bool {
        let stranger = Host::new("stranger.example", true);
        self.state
            .trust
            .objection_to(stranger.as_ref(), self.reading)
            == Some(AWS)
    }

    /// Returns the last event.
    #[track_caller]
    fn event(&self) -> &SkewEvent {
        self.state.events.last().unwrap()
    }

    #[track_caller]
    fn says(&self, expected: &[&str]) {
        let names: Vec<_> = self.state.events.iter().map(SkewEvent::name).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn a_message_starts_changes_and_ends_the_correction() {
    let mut machine = Machine::new();
    for (ahead, generation) in [(20 * MINUTE, 1), (-2 * DAY, 2), (0, 3)] {
        assert_eq!(machine.sends(AWS, Message(ahead)), Decision::Resign);
        for host in [AWS, KMS, MINIO] {
            assert_eq!(machine.ahead(host), ahead, "{host}");
        }
        assert_eq!(machine.state.generation(), generation);
    }
    assert_eq!(machine.state.correction(), None);
    machine.says(&["skew_detected", "skew_detected", "correction_cleared"]);
}

#[test]
fn a_thousand_rejections_with_one_cause_are_one_correction_and_a_thousand_resends() {
    let mut machine = Machine::new();
    // All were signed before the first response came.
    let signed = machine.reading.wall;
    for _ in 0..1_000 {
        let decision = machine.observes(AWS, Message(2 * DAY), |exchange| {
            exchange.trip.signed_at = Some(signed);
            exchange.trip.signed_by = SignedBy::Clock(0);
        });
        assert_eq!(decision, Decision::Resign);
    }
    assert_eq!(machine.state.generation(), 1);
    assert_eq!(machine.ahead(AWS), 2 * DAY);
    machine.says(&["skew_detected"]);
}

#[test]
fn a_message_of_aws_changes_a_confirmed_clock_and_drops_the_confirmation() {
    let mut machine = Machine::confirmed();
    assert_eq!(machine.sends(KMS, Message(20 * MINUTE)), Decision::Resign);
    assert_eq!(machine.ahead(MINIO), 20 * MINUTE);
    assert!(!machine.is_confirmed());
    machine.says(&["skew_detected"]);
}

#[test]
fn aws_confirms_the_clock_that_signs_now_and_no_other() {
    type Alter = fn(&mut Exchange<'_>);
    let as_it_is: Alter = |_| {};
    let by_another: Alter = |exchange| exchange.trip.signed_by = SignedBy::Other;
    let by_an_older: Alter = |exchange| exchange.trip.signed_by = SignedBy::Clock(u64::MAX);
    let by_host_time: Alter = |exchange| exchange.trip.signed_by = SignedBy::HostTime;
    for (host, answer, alter, confirms) in [
        (AWS, Status(200, 0), as_it_is, true),
        (AWS, Status(304, 120), as_it_is, true),
        (AWS, Status(200, 121), as_it_is, false),
        (AWS, Undated(200), as_it_is, false),
        (AWS, Status(404, 0), as_it_is, false),
        (AWS, WrongKey(0), as_it_is, false),
        (MINIO, Status(200, 0), as_it_is, false),
        (AWS, Status(200, 0), by_another, false),
        (AWS, Status(200, 0), by_an_older, false),
        (AWS, Status(200, 0), by_host_time, false),
    ] {
        let mut machine = Machine::new();
        machine.observes(host, answer, alter);
        assert_eq!(machine.is_confirmed(), confirms, "{host} {answer:?}");
    }
}

#[test]
fn a_date_starts_a_trial_for_its_host_alone() {
    for answer in [Status(403, 20 * MINUTE), Code(20 * MINUTE)] {
        for host in [AWS, MINIO] {
            let mut machine = Machine::new();
            assert_eq!(machine.sends(host, answer), Decision::Resign);
            assert_eq!(machine.kind(host), Some(HostTimeKind::Trial));
            assert_eq!(machine.ahead(host), 20 * MINUTE);
            assert_eq!(machine.signing(host).by, SignedBy::HostTime);
            assert_eq!(machine.ahead(KMS), 0);
            assert_eq!(machine.ahead(CEPH), 0);
            assert_eq!(machine.state.generation(), 0);
            // A trial does not expire by itself.
            machine.passes(30 * 86_400);
            assert_eq!(machine.ahead(host), 20 * MINUTE);
            machine.says(&[]);
        }
    }
}

/// The effect of each response to a request that is signed with a host's time, in each
/// state of that time.
#[test]
fn each_response_does_in_each_state_of_a_host_what_the_table_says() {
    use HostTimeKind::{Conflicting, Trial};
    const AHEAD: i64 = 20 * MINUTE;
    const LATER: i64 = 90 * MINUTE;
    /// The correction and the host's time afterwards, in seconds ahead, and the event.
    type After = (i64, Option<(HostTimeKind, i64)>, Option<&'static str>);
    let accepted: After = (AHEAD, None, Some("skew_detected"));
    let trial: After = (0, Some((Trial, AHEAD)), None);
    let newer: After = (0, Some((Trial, LATER)), None);
    let forgotten: After = (0, None, None);
    let rejected: After = (0, None, Some("trial_rejected"));
    let conflicting: After = (0, Some((Conflicting, AHEAD)), None);
    for (answer, to_trial, to_conflicting) in [
        (Status(200, AHEAD), accepted, conflicting),
        (Status(204, AHEAD), accepted, conflicting),
        (Status(301, AHEAD), accepted, conflicting),
        (Status(304, AHEAD), accepted, conflicting),
        (Status(404, AHEAD), accepted, conflicting),
        (Status(405, AHEAD), accepted, conflicting),
        (Status(409, AHEAD), accepted, conflicting),
        (Status(412, AHEAD), accepted, conflicting),
        (Status(416, AHEAD), accepted, conflicting),
        (Undated(200), accepted, conflicting),
        (
            WrongKey(AHEAD),
            (AHEAD, None, Some("skew_detected")),
            conflicting,
        ),
        // These say nothing about the time.
        (Status(429, AHEAD), trial, conflicting),
        (Status(500, AHEAD), trial, conflicting),
        (Status(503, 0), trial, conflicting),
        // The request passed the check, and the `Date` contradicts the host's time.
        (Status(404, 0), forgotten, forgotten),
        (Status(200, AHEAD - 125), forgotten, forgotten),
        (Status(304, AHEAD + 200), forgotten, forgotten),
        // By this `Date` the accepted signature would not be acceptable, so the trial is
        // not removed. Nor does a trial that the `Date` contradicts become the correction.
        (Status(200, 0), trial, conflicting),
        (Status(200, LATER), trial, conflicting),
        // A denied HEAD. Without a `Date` it may be the rejection of a trial whose time
        // came from a cache.
        (Status(403, AHEAD), trial, conflicting),
        (Undated(403), forgotten, conflicting),
        (Status(403, LATER), newer, (0, Some((Trial, LATER)), None)),
        (Status(403, 0), forgotten, forgotten),
        // Clock skew errors.
        (Code(AHEAD), rejected, conflicting),
        (CodeAlone, rejected, conflicting),
        (
            Code(LATER),
            (0, Some((Trial, LATER)), Some("trial_rejected")),
            (0, Some((Trial, LATER)), None),
        ),
        (Code(0), rejected, forgotten),
        (Message(0), rejected, forgotten),
    ] {
        for (kind, (ahead, host_time, event)) in [(Trial, to_trial), (Conflicting, to_conflicting)]
        {
            let mut machine = Machine::trying(MINIO, AHEAD);
            let sample = machine.state.trust.host_time(MINIO).unwrap().sample;
            machine.state.trust.keep_time(MINIO, kind, sample);
            machine.passes(10);
            machine.sends(MINIO, answer);
            let what = format!("{answer:?}, {kind:?}");
            assert_eq!(machine.ahead(KMS), ahead, "{what}");
            let now = machine.state.trust.host_time(MINIO).map(|known| {
                let time = known.sample.point.at_monotonic(machine.reading.monotonic);
                let ahead = ClockOffset::between(machine.reading.wall, time);
                (known.kind, ahead.as_millis().div_euclid(1_000))
            });
            assert_eq!(now, host_time, "{what}");
            let is_for_trials = |event: &&SkewEvent| event.name() != "not_clock_skew";
            let events: Vec<_> = machine.state.events.iter().filter(is_for_trials).collect();
            let names: Vec<_> = events.iter().map(|event| event.name()).collect();
            assert_eq!(names, event.into_iter().collect::<Vec<_>>(), "{what}");
            let is_backing_off = machine.state.trust.is_backing_off(MINIO, machine.reading);
            // The host rejects a signature that agrees with its `Date`, or sends no `Date`.
            let backs_off = kind == Trial && matches!(answer, Code(AHEAD) | CodeAlone | Message(_));
            assert_eq!(is_backing_off, backs_off, "{what}");
        }
    }
}

#[test]
fn a_trial_that_is_accepted_becomes_the_correction_of_all_hosts() {
    let mut machine = Machine::trying(AWS, 20 * MINUTE);
    assert_eq!(
        machine.resends(AWS, Status(404, 20 * MINUTE)),
        Decision::Pass
    );
    assert_eq!(machine.state.generation(), 1);
    for host in [AWS, KMS, MINIO] {
        assert_eq!(machine.ahead(host), 20 * MINUTE);
        let by = SignedBy::Clock(1);
        assert_eq!(machine.signing(host).by, by, "{host}");
    }
    machine.says(&["skew_detected"]);
}

#[test]
fn an_accepted_request_that_the_clock_signed_does_not_accept_a_trial() {
    for signed_by in [SignedBy::Clock(0), SignedBy::Other] {
        let mut machine = Machine::trying(MINIO, 20 * MINUTE);
        machine.observes(MINIO, Undated(200), |exchange| {
            exchange.trip.signed_by = signed_by;
        });
        assert_eq!(machine.state.generation(), 0);
        assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Trial));
    }
}

/// The server tolerates fifteen minutes, and its clock is correct.
#[test]
fn an_accepted_response_that_contradicts_the_trial_removes_it() {
    let mut machine = Machine::trying(AWS, 10 * MINUTE);
    machine.resends(AWS, Status(200, 0));
    assert_eq!(machine.ahead(AWS), 0);
    assert_eq!(machine.state.generation(), 0);
    machine.says(&[]);
}

/// S3 answers that a bucket does not exist before it looks at the signature.
#[test]
fn a_404_whose_date_contradicts_the_trial_removes_it() {
    for ahead in [10 * MINUTE, 20 * MINUTE, DAY] {
        let mut machine = Machine::trying(AWS, ahead);
        machine.resends(AWS, Status(404, 0));
        assert_eq!(machine.kind(AWS), None);
        assert_eq!(machine.state.generation(), 0);
        machine.says(&[]);
    }
}

#[test]
fn a_rejected_trial_is_removed_and_the_hosts_date_ignored_for_a_minute_then_two() {
    let mut machine = Machine::trying(MINIO, 20 * MINUTE);
    for period in [60, 120, 240] {
        // Its `Date` states the time of the signature that it rejects.
        assert_eq!(machine.resends(MINIO, Code(20 * MINUTE)), Decision::Pass);
        assert_eq!(machine.kind(MINIO), None);
        let names = machine.state.events.drain(..).map(|event| event.name());
        assert!(names.eq(["trial_rejected", "resend_rejected"]));
        machine.passes(period - 1);
        assert_eq!(machine.sends(MINIO, Code(20 * MINUTE)), Decision::Pass);
        assert_eq!(machine.sends(MINIO, Status(403, HOUR)), Decision::Pass);
        machine.passes(1);
        assert_eq!(machine.sends(MINIO, Code(20 * MINUTE)), Decision::Resign);
        assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Trial));
    }
    // The host accepts a request, so the next failure counts as the first.
    machine.sends(MINIO, Undated(200));
    assert_eq!(machine.ahead(KMS), 20 * MINUTE);
    let trial = Code(3 * HOUR);
    assert_eq!(machine.sends(MINIO, trial), Decision::Resign);
    machine.resends(MINIO, trial);
    machine.passes(60);
    assert_eq!(machine.sends(MINIO, trial), Decision::Resign);
}

#[test]
fn a_trial_that_a_server_with_another_date_rejects_is_replaced_without_a_back_off() {
    let mut machine = Machine::trying(MINIO, 20 * MINUTE);
    assert_eq!(machine.resends(MINIO, Code(HOUR)), Decision::Pass);
    assert_eq!(machine.ahead(MINIO), HOUR);
    machine.says(&["trial_rejected", "resend_rejected"]);
    assert_eq!(machine.sends(MINIO, Code(20 * MINUTE)), Decision::Resign);
    assert_eq!(machine.ahead(MINIO), 20 * MINUTE);
}

/// They were signed with the time of a cached response.
#[test]
fn all_requests_in_flight_that_a_trial_signed_are_resent_by_the_clock() {
    let mut machine = Machine::trying(MINIO, -HOUR);
    let signing = machine.signing(MINIO);
    for _ in 0..3 {
        let decision = machine.observes(MINIO, Undated(403), |exchange| {
            exchange.trip.signed_at = Some(signing.now);
            exchange.trip.signed_by = signing.by;
        });
        assert_eq!(decision, Decision::Resign);
        assert_eq!(machine.ahead(MINIO), 0);
    }
}

#[test]
fn the_local_clock_is_tried_after_a_denial_unless_aws_confirmed_the_correction() {
    let mut machine = Machine::new();
    machine.sends(MINIO, Message(HOUR));
    assert_eq!(machine.sends(CEPH, Page), Decision::Pass);
    assert_eq!(machine.sends(CEPH, Undated(403)), Decision::Resign);
    assert_eq!((machine.ahead(CEPH), machine.ahead(MINIO)), (0, HOUR));
    // It is denied by both clocks: the next request is not resent without end.
    assert_eq!(machine.resends(CEPH, Undated(403)), Decision::Pass);
    assert_eq!(machine.sends(CEPH, Undated(403)), Decision::Resign);
    assert_eq!(machine.resends(CEPH, Undated(403)), Decision::Pass);
    assert_eq!(machine.ahead(CEPH), HOUR);

    machine.sends(AWS, Status(200, HOUR));
    assert!(machine.is_confirmed());
    assert_eq!(machine.sends(CEPH, Undated(403)), Decision::Pass);
    assert_eq!(machine.ahead(CEPH), HOUR);
}

#[test]
fn a_message_updates_the_clock_while_its_host_is_in_back_off() {
    let mut machine = Machine::trying(MINIO, 20 * MINUTE);
    machine.resends(MINIO, Code(HOUR));
    assert_eq!(machine.sends(MINIO, Message(40 * MINUTE)), Decision::Resign);
    assert_eq!(machine.ahead(KMS), 40 * MINUTE);
}

#[test]
fn a_second_rejection_by_date_changes_nothing_for_other_hosts() {
    let mut machine = Machine::trying(AWS, 20 * MINUTE);
    let second = machine.resends(AWS, Status(403, 60 * MINUTE));
    assert_eq!(second, Decision::Pass);
    assert_eq!(machine.state.generation(), 0);
    assert_eq!((machine.ahead(KMS), machine.ahead(AWS)), (0, 60 * MINUTE));
    machine.says(&[]);
}

#[test]
fn a_denial_removes_no_trial_and_starts_no_back_off() {
    let mut machine = Machine::trying(MINIO, 20 * MINUTE);
    machine.resends(MINIO, Status(403, 20 * MINUTE));
    assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Trial));
    let reading = machine.reading;
    assert!(!machine.state.trust.is_backing_off(MINIO, reading));
}

#[test]
fn a_denial_that_states_no_time_ends_a_trial_and_starts_no_back_off() {
    let mut machine = Machine::trying(MINIO, -HOUR);
    // The trial stays after its resend, which may have been denied.
    assert_eq!(machine.resends(MINIO, Undated(403)), Decision::Pass);
    assert_eq!(machine.ahead(MINIO), -HOUR);
    assert_eq!(machine.sends(MINIO, Undated(403)), Decision::Resign);
    assert_eq!(machine.ahead(MINIO), 0);
    assert_eq!(machine.resends(MINIO, Undated(200)), Decision::Pass);
    // The local clock is tried once.
    assert_eq!(machine.sends(MINIO, Undated(403)), Decision::Pass);
    assert_eq!(machine.sends(MINIO, Status(403, HOUR)), Decision::Resign);
    machine.says(&[]);
}

/// A host that states no time denies a request, with the corrected and with the local time.
#[test]
fn a_denial_at_the_local_time_as_well_leaves_the_correction() {
    let mut machine = Machine::new();
    assert_eq!(machine.sends(MINIO, Message(HOUR)), Decision::Resign);
    assert_eq!(machine.resends(MINIO, Undated(200)), Decision::Pass);
    assert_eq!(machine.sends(MINIO, Undated(403)), Decision::Resign);
    assert_eq!(machine.ahead(MINIO), 0);
    assert_eq!(machine.resends(MINIO, Undated(403)), Decision::Pass);
    assert_eq!(machine.ahead(MINIO), HOUR);
    machine.says(&["skew_detected"]);
}

/// A wrong trial makes signatures look old, which is not expiry in transit.
#[test]
fn a_trial_that_is_behind_is_rejected_as_well() {
    for answer in [Message(0), Code(0), CodeAlone] {
        for back in [-20 * MINUTE, -DAY] {
            let mut machine = Machine::trying(AWS, back);
            machine.state.events.clear();
            assert_eq!(machine.sends(AWS, answer), Decision::Resign);
            assert_eq!(machine.ahead(AWS), 0, "{answer:?}");
            machine.says(&["trial_rejected"]);
        }
    }
}

/// The host rejects a signature that is not that old: it judges by a clock other than that of
/// its `Date`.
#[test]
fn a_signature_by_a_trial_that_expired_in_transit_does_not_remove_it() {
    for (age, is_removed) in [(60, true), (119, true), (120, false), (720, false)] {
        let mut machine = Machine::trying(AWS, 20 * MINUTE);
        let (sent, signed) = (machine.reading, machine.at(20 * MINUTE));
        machine.passes(age);
        let decision = machine.observes(AWS, Code(20 * MINUTE), |exchange| {
            exchange.trip.sent = sent;
            exchange.trip.signed_at = Some(signed);
        });
        if is_removed {
            assert_eq!(machine.kind(AWS), None, "{age}");
            machine.says(&["trial_rejected"]);
        } else {
            assert_eq!(decision, Decision::Resign, "{age}");
            assert_eq!(machine.kind(AWS), Some(HostTimeKind::Trial));
            machine.says(&["expired_in_transit"]);
        }
    }
}

/// The error says that the time is wrong, and neither states one nor has a `Date`.
#[test]
fn the_local_clock_is_tried_after_the_correction_if_an_error_states_no_time() {
    type Alter = fn(&mut Exchange<'_>);
    let as_it_is: Alter = |_| {};
    let by_another: Alter = |exchange| exchange.trip.signed_by = SignedBy::Other;
    let by_an_older: Alter = |exchange| exchange.trip.signed_by = SignedBy::Clock(0);
    for (is_corrected, mode, answer, alter, is_tried) in [
        (true, Mode::Correct, CodeAlone, as_it_is, true),
        (true, Mode::Correct, CodeAlone, by_another, false),
        (true, Mode::Correct, CodeAlone, by_an_older, false),
        (true, Mode::Correct, Undated(403), as_it_is, false),
        (true, Mode::Observe, CodeAlone, as_it_is, false),
        (false, Mode::Correct, CodeAlone, as_it_is, false),
    ] {
        let what = format!("{is_corrected} {mode:?} {answer:?}");
        let mut machine = Machine::new();
        if is_corrected {
            machine.sends(AWS, Message(HOUR));
            machine.sends(AWS, Status(200, HOUR));
        }
        machine.mode = mode;
        let decision = machine.observes(MINIO, answer, alter);
        assert_eq!(decision == Decision::Resign, is_tried, "{what}");
        assert_eq!(machine.kind(MINIO).is_some(), is_tried, "{what}");
        let ahead = if is_corrected { HOUR } else { 0 };
        let own = if is_tried { 0 } else { ahead };
        assert_eq!((machine.ahead(KMS), machine.ahead(MINIO)), (ahead, own));
        if is_tried {
            // The host rejects that as well, and is in back-off.
            assert_eq!(machine.resends(MINIO, CodeAlone), Decision::Pass);
            assert_eq!(machine.sends(MINIO, CodeAlone), Decision::Pass);
            machine.passes(60);
            assert_eq!(machine.sends(MINIO, CodeAlone), Decision::Resign);
        }
    }
}

#[test]
fn a_trial_that_is_accepted_becomes_the_correction_if_it_differs_by_two_minutes() {
    for (millis, ahead) in [(119_999, 0), (120_000, 120)] {
        let mut machine = Machine::new();
        let mut reading = machine.reading;
        reading.wall += Duration::from_millis(millis);
        let (kind, sample) = (HostTimeKind::Trial, OffsetSample::of_clock(reading));
        machine.state.trust.keep_time(MINIO, kind, sample);
        machine.sends(MINIO, Undated(200));
        assert_eq!(machine.kind(MINIO), None);
        assert_eq!(machine.ahead(KMS), ahead, "{millis} ms");
    }
}

#[test]
fn a_message_ends_a_trial() {
    let mut machine = Machine::trying(AWS, 20 * MINUTE);
    assert_eq!(machine.sends(AWS, Message(2 * DAY)), Decision::Resign);
    assert_eq!(machine.kind(AWS), None);
    assert_eq!(machine.ahead(KMS), 2 * DAY);
    machine.says(&["trial_rejected", "skew_detected"]);
}

#[test]
fn nothing_is_signed_for_a_time_beyond_the_limit() {
    for (answer, ahead) in [
        (Status(403, 8 * DAY), 0),
        (Code(8 * DAY), 0),
        (Message(401 * DAY), 0),
    ] {
        for mut machine in [Machine::new(), Machine::confirmed()] {
            assert_eq!(machine.sends(MINIO, answer), Decision::Pass, "{answer:?}");
            assert_eq!(machine.state.generation(), 0);
            assert_eq!((machine.ahead(MINIO), machine.ahead(KMS)), (ahead, ahead));
            machine.says(&["offset_limit_exceeded"]);
        }
    }
}

#[test]
fn requests_to_a_conflicting_host_are_signed_with_its_own_time() {
    let mut machine = Machine::confirmed();
    assert_eq!(machine.sends(MINIO, Message(20 * MINUTE)), Decision::Resign);
    assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Conflicting));
    assert_eq!((machine.ahead(MINIO), machine.ahead(KMS)), (20 * MINUTE, 0));
    assert_eq!(machine.state.generation(), 0);
    machine.says(&["hosts_disagree"]);
    let details = machine.state.events[0].details();
    let name = |label: &Option<Label>| label.as_ref().unwrap().as_str().to_owned();
    assert_eq!(name(&details.server_address), MINIO);
    assert_eq!(name(&details.other_address), AWS);
    // The host's clock drifts further, without a second warning.
    for answer in [Message(30 * MINUTE), Code(40 * MINUTE)] {
        assert_eq!(machine.sends(MINIO, answer), Decision::Resign);
        assert_eq!(machine.resends(MINIO, Undated(200)), Decision::Pass);
        assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Conflicting));
    }
    assert_eq!((machine.ahead(MINIO), machine.ahead(KMS)), (40 * MINUTE, 0));
    machine.says(&["hosts_disagree"]);
}

#[test]
fn a_trial_that_is_accepted_against_a_confirmation_makes_a_conflicting_host() {
    let mut machine = Machine::confirmed();
    assert_eq!(machine.sends(MINIO, Code(20 * MINUTE)), Decision::Resign);
    assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Trial));
    for _ in 0..3 {
        machine.resends(MINIO, Status(200, 20 * MINUTE));
    }
    assert_eq!(machine.kind(MINIO), Some(HostTimeKind::Conflicting));
    assert_eq!((machine.ahead(MINIO), machine.ahead(KMS)), (20 * MINUTE, 0));
    assert_eq!(machine.state.generation(), 0);
    machine.says(&["hosts_disagree"]);
}

#[test]
fn a_trial_of_aws_becomes_the_correction_although_aws_confirmed_the_clock() {
    let mut machine = Machine::confirmed();
    machine.sends(KMS, Code(20 * MINUTE));
    machine.resends(KMS, Status(200, 20 * MINUTE));
    assert_eq!(machine.ahead(MINIO), 20 * MINUTE);
    assert!(!machine.is_confirmed());
}

#[test]
fn a_conflicting_host_that_agrees_again_is_no_longer_conflicting() {
    for is_confirmed in [true, false] {
        let mut machine = Machine::confirmed();
        machine.sends(MINIO, Message(20 * MINUTE));
        machine.state.events.clear();
        if !is_confirmed {
            machine.passes(3_600);
        }
        // Somebody repairs its clock.
        assert_eq!(machine.sends(MINIO, Message(0)), Decision::Resign);
        assert_eq!((machine.kind(MINIO), machine.ahead(MINIO)), (None, 0));
        assert_eq!(machine.state.generation(), 0);
        machine.says(&[]);
    }
}

#[test]
fn among_other_hosts_the_last_error_counts_once_a_second() {
    let mut machine = Machine::new();
    machine.sends(MINIO, Message(20 * MINUTE));
    machine.sends(CEPH, Message(HOUR));
    assert_eq!(machine.ahead(KMS), 20 * MINUTE);
    assert_eq!(machine.kind(CEPH), Some(HostTimeKind::Conflicting));
    machine.passes(1);
    machine.sends(CEPH, Message(2 * HOUR));
    assert_eq!(
        (machine.ahead(KMS), machine.ahead(CEPH)),
        (2 * HOUR, 2 * HOUR)
    );
}

/// A `Date` affects only the host that sent it, until that host accepts a request signed
/// with it.
#[test]
fn no_date_changes_the_time_of_another_host() {
    for status in 200..600 {
        for ahead in [-DAY, -20 * MINUTE, -130, 130, 20 * MINUTE, DAY] {
            for is_resend in [false, true] {
                for mut machine in [Machine::new(), Machine::confirmed()] {
                    for _ in 0..5 {
                        machine.observes(MINIO, Status(status, ahead), |exchange| {
                            // No request is signed with the time of the trial.
                            exchange.trip.signed_at = Some(exchange.trip.sent.wall);
                            exchange.trip.signed_by = SignedBy::Clock(0);
                            exchange.is_resend = is_resend;
                        });
                    }
                    for host in [AWS, KMS, CEPH] {
                        assert_eq!(machine.signing(host).now, machine.reading.wall);
                    }
                    assert_eq!(machine.state.generation(), 0, "{status} {ahead}");
                }
            }
        }
    }
}

#[test]
fn the_response_to_an_unsigned_request_changes_nothing() {
    for answer in [
        Message(HOUR),
        Code(HOUR),
        Status(403, HOUR),
        Status(200, HOUR),
    ] {
        let mut machine = Machine::new();
        let decision = machine.observes(MINIO, answer, |exchange| {
            exchange.trip.signed_at = None;
        });
        assert_eq!(decision, Decision::Pass);
        assert_eq!((machine.ahead(MINIO), machine.ahead(AWS)), (0, 0));
        machine.says(&[]);
    }
}

#[test]
fn the_response_to_a_resend_updates_the_clock_and_is_never_resent() {
    let mut machine = Machine::new();
    assert_eq!(machine.resends(AWS, Message(HOUR)), Decision::Pass);
    assert_eq!(machine.ahead(KMS), HOUR);
    machine.says(&["skew_detected", "resend_rejected"]);
}

#[test]
fn a_request_that_expired_in_transit_is_resent_and_the_clock_stays() {
    let mut machine = Machine::new();
    let sent = machine.reading;
    machine.passes(720);
    let decision = machine.observes(AWS, Code(0), |exchange| {
        exchange.trip.sent = sent;
        exchange.trip.signed_at = Some(sent.wall);
    });
    assert_eq!(decision, Decision::Resign);
    assert_eq!(machine.state.generation(), 0);
    machine.says(&["expired_in_transit"]);
}

#[test]
fn an_observe_only_clock_tries_nothing_and_reports_each_skew_once() {
    for answer in [Message(HOUR), Code(HOUR)] {
        let mut machine = Machine::new();
        machine.mode = Mode::Observe;
        for _ in 0..3 {
            machine.observes(AWS, answer, |exchange| {
                // An observe-only clock signs nothing, so requests carry the local time.
                exchange.trip.signed_at = Some(exchange.trip.sent.wall);
            });
        }
        assert!(!machine.state.trust.has_host_times());
        machine.says(&["skew_detected"]);
    }
    let mut machine = Machine::new();
    machine.mode = Mode::Observe;
    assert_eq!(machine.sends(AWS, Status(403, HOUR)), Decision::Pass);
    assert_eq!(machine.state.correction(), None);
    machine.says(&[]);
}

#[test]
fn a_monotonic_clock_that_goes_back_restarts_all_periods() {
    let mut machine = Machine::trying(MINIO, 20 * MINUTE);
    machine.resends(MINIO, Code(HOUR));
    machine.sends(AWS, Status(200, 0));
    assert!(machine.is_confirmed());
    // Yesterday's checkpoint is restored.
    machine.reading.monotonic -= Duration::from_secs(86_400);
    machine.reading.wall -= Duration::from_secs(86_400);
    assert_eq!(machine.sends(MINIO, Code(20 * MINUTE)), Decision::Resign);
    assert!(machine.is_confirmed());
    machine.passes(3_600);
    clear_outdated(&mut machine.state, machine.reading);
    assert!(!machine.is_confirmed());
}

#[test]
fn a_repaired_local_clock_ends_the_correction_with_the_next_response() {
    let mut machine = Machine::new();
    machine.sends(AWS, Message(HOUR));
    machine.reading.wall += Duration::from_secs(3_600);
    machine.sends(AWS, Status(503, 0));
    assert_eq!(machine.state.correction(), None);
    machine.says(&["skew_detected", "correction_cleared"]);
    let kind = machine.state.events[1].kind();
    let reason = ClearReason::LocalClockRepaired;
    assert_eq!(kind, EventKind::CorrectionCleared { reason });
}

#[test]
fn three_contradictions_end_a_correction() {
    let mut machine = Machine::new();
    machine.sends(AWS, Message(10 * MINUTE));
    for count in 1..=3 {
        assert!(machine.state.correction().is_some());
        machine.sends(KMS, Status(200, 0));
        assert_eq!(machine.state.is_contradicted(), count < 3);
    }
    assert_eq!(machine.ahead(AWS), 0);
    machine.says(&["skew_detected", "correction_cleared"]);
}

#[test]
fn aws_confirms_a_corrected_clock_and_its_signatures_may_expire_in_transit() {
    let mut machine = Machine::new();
    machine.sends(AWS, Message(20 * MINUTE));
    machine.sends(AWS, Status(200, 20 * MINUTE));
    assert!(machine.is_confirmed());
    let (sent, signed) = (machine.reading, machine.at(20 * MINUTE));
    machine.passes(720);
    let decision = machine.observes(AWS, Code(20 * MINUTE), |exchange| {
        exchange.trip.sent = sent;
        exchange.trip.signed_at = Some(signed);
    });
    assert_eq!(decision, Decision::Resign);
    machine.says(&["skew_detected", "expired_in_transit"]);
}

/// The program has asked a server for the time, with an unsigned request.
#[test]
fn a_sample_that_the_program_asked_for_becomes_the_correction_unless_there_is_an_objection() {
    let asks = |machine: &mut Machine, name: &str, ahead: i64| {
        let host = Host::new(name, true);
        let trip = RoundTrip {
            signed_at: None,
            signed_by: SignedBy::Other,
            sent: machine.reading,
            received: machine.reading,
        };
        let exchange = Exchange {
            trip,
            evidence: &Evidence::read(&ResponseView::new(200, b"")),
            host: host.as_ref(),
            service: None,
            operation: None,
            is_resend: false,
        };
        let sample = OffsetSample::of(Sample::from_date(machine.at(ahead), Strength::Date), &trip);
        let adopted = adopt(&mut machine.state, &exchange, &sample, machine.reading);
        (adopted, machine.ahead(KMS), machine.ahead(name))
    };
    let (day, limit) = (Ok(()), Err(Objection::Limit));
    let conflict = Err(Objection::Host(AWS.into()));
    let mut machine = Machine::new();
    assert_eq!(asks(&mut machine, MINIO, DAY), (day, DAY, DAY));
    machine.says(&["skew_detected"]);
    let mut machine = Machine::new();
    assert_eq!(asks(&mut machine, MINIO, 8 * DAY), (limit, 0, 0));
    machine.says(&["offset_limit_exceeded"]);
    let mut machine = Machine::confirmed();
    assert_eq!(asks(&mut machine, MINIO, DAY), (conflict, 0, DAY));
    machine.says(&["hosts_disagree"]);
}

#[test]
fn each_event_states_its_numbers_and_names() {
    let offset = |seconds: i64, millis| Some(ClockOffset::from_millis(seconds * 1_000 + millis));
    let name = |name| Label::new(name);
    let mut machine = Machine::new();
    machine.observes(AWS, Message(2 * DAY), |exchange| {
        exchange.service = Some("s3");
        exchange.operation = Some("GetObject");
    });
    let first = Details {
        offset: offset(2 * DAY, 500),
        previous_offset: offset(0, 0),
        uncertainty: Some(Duration::from_millis(502)),
        age: Some(Duration::from_secs(2 * 86_400)),
        time_source: Some(Source::Message),
        signed_at: Some(machine.at(0)),
        server_time: Some(machine.at(2 * DAY)),
        server_address: name(AWS),
        service: name("s3"),
        method: name("GetObject"),
        request_id: name("id-1"),
        ..Details::default()
    };
    assert_eq!(*machine.event().details(), first);
    // The signature is for a later time than the server's, so it has no age.
    machine.passes(10);
    machine.sends(AWS, Message(HOUR));
    let second = Details {
        offset: offset(HOUR, 500),
        previous_offset: offset(2 * DAY, 500),
        age: None,
        signed_at: Some(machine.at(2 * DAY) + Duration::from_millis(500)),
        server_time: Some(machine.at(HOUR)),
        service: None,
        method: None,
        ..first.clone()
    };
    assert_eq!(*machine.event().details(), second);
    machine.sends(AWS, WrongKey(HOUR));
    let wrong_key = Details {
        previous_offset: None,
        age: None,
        time_source: None,
        signed_at: Some(machine.at(HOUR) + Duration::from_millis(500)),
        server_time: None,
        error_type: name("SignatureDoesNotMatch"),
        ..second.clone()
    };
    assert_eq!(*machine.event().details(), wrong_key);
    // The local clock is correct after all. The age is that of the correction.
    machine.passes(30);
    machine.sends(AWS, Message(0));
    let cleared = Details {
        offset: offset(0, 0),
        previous_offset: offset(HOUR, 500),
        uncertainty: None,
        age: Some(Duration::from_secs(30)),
        signed_at: Some(machine.at(HOUR) + Duration::from_millis(500)),
        server_time: Some(machine.at(0)),
        ..second
    };
    assert_eq!(*machine.event().details(), cleared);
    // AWS confirms it, so another host is in conflict.
    machine.sends(AWS, Status(200, 0));
    machine.sends(MINIO, Message(20 * MINUTE));
    let conflict = Details {
        previous_offset: None,
        age: Some(Duration::from_secs(20 * 60)),
        signed_at: Some(machine.at(0)),
        server_time: Some(machine.at(20 * MINUTE)),
        server_address: name(MINIO),
        other_address: name(AWS),
        ..cleared
    };
    assert_eq!(*machine.event().details(), conflict);
}

#[test]
fn an_event_states_the_servers_time_and_where_it_is_from() {
    let stated = |machine: &Machine| {
        let details = machine.event().details();
        (
            machine.event().name(),
            details.time_source,
            details.server_time,
        )
    };
    let mut machine = Machine::new();
    let sent = machine.reading;
    machine.passes(720);
    machine.observes(AWS, Code(0), |exchange| {
        exchange.trip.sent = sent;
        exchange.trip.signed_at = Some(sent.wall);
    });
    let by_date = Some(Source::Date);
    let expected = ("expired_in_transit", by_date, Some(machine.at(0)));
    assert_eq!(stated(&machine), expected);
    // The correction comes from the `Date` that started the trial, and not from the response
    // that accepts it.
    for answer in [Undated(200), Status(200, 20 * MINUTE)] {
        let mut machine = Machine::trying(MINIO, 20 * MINUTE);
        let expected = ("skew_detected", by_date, Some(machine.at(20 * MINUTE)));
        machine.passes(10);
        machine.sends(MINIO, answer);
        assert_eq!(stated(&machine), expected);
    }
}

#[test]
fn a_correction_that_starts_or_ends_without_an_error_states_its_numbers() {
    let minutes = |minutes: i64| Some(ClockOffset::from_millis(minutes * 60_000));
    let known = ClockOffset::from_millis(20 * 60_000);
    let mut machine = Machine::new();
    let change = |machine: &mut Machine, offset| {
        set_offset(&mut machine.state, offset, machine.reading);
        machine.event().clone()
    };
    let event = change(&mut machine, known);
    let started = Details {
        offset: minutes(20),
        previous_offset: minutes(0),
        uncertainty: Some(Duration::from_millis(1)),
        ..Details::default()
    };
    assert_eq!(
        event,
        SkewEvent::new(EventKind::SkewDetected, started.clone())
    );
    machine.passes(10);
    let event = change(&mut machine, ClockOffset::from_millis(5 * 60_000));
    let changed = Details {
        offset: minutes(5),
        previous_offset: minutes(20),
        ..started
    };
    assert_eq!(event, SkewEvent::new(EventKind::SkewDetected, changed));
    assert_eq!(machine.ahead(AWS), 5 * MINUTE);
    // Three ends: an offset of zero, a reset, and a repair.
    let ended = |previous_offset, age| Details {
        offset: minutes(0),
        previous_offset,
        age: Some(Duration::from_secs(age)),
        ..Details::default()
    };
    let is_end = |event: &SkewEvent, reason, details| {
        let kind = EventKind::CorrectionCleared { reason };
        assert_eq!(*event, SkewEvent::new(kind, details));
    };
    machine.passes(7);
    let event = change(&mut machine, ClockOffset::ZERO);
    is_end(&event, ClearReason::Reset, ended(minutes(5), 7));
    change(&mut machine, known);
    machine.passes(8);
    reset(&mut machine.state, machine.reading);
    is_end(machine.event(), ClearReason::Reset, ended(minutes(20), 8));
    change(&mut machine, known);
    machine.passes(9);
    machine.reading.wall += Duration::from_secs(20 * 60);
    clear_outdated(&mut machine.state, machine.reading);
    let repaired = ClearReason::LocalClockRepaired;
    is_end(machine.event(), repaired, ended(minutes(0), 9));
    // And one more: accepted responses contradict a correction.
    let mut machine = Machine::new();
    machine.sends(AWS, Message(10 * MINUTE));
    machine.passes(60);
    for _ in 0..3 {
        machine.sends(KMS, Status(200, 0));
    }
    let details = Details {
        server_address: Label::new(KMS),
        ..ended(Some(ClockOffset::from_millis(600_500)), 60)
    };
    is_end(machine.event(), ClearReason::Contradicted, details);
}

/// Returns the message of a server whose clock shows `server`, and which tolerates five
/// minutes.
fn message(signed: SystemTime, server: SystemTime) -> String {
    let tolerance = Duration::from_secs(300);
    let (bound, words, sign) = if signed < server {
        (server - tolerance, "expired: | is now earlier than", '-')
    } else {
        let words = "not yet current: | is still later than";
        (server + tolerance, words, '+')
    };
    let words = words.replace('|', &basic(signed));
    let (bound, server) = (basic(bound), basic(server));
    format!(r#"{{"message":"Signature {words} {bound} ({server} {sign} 5 min.)"}}"#)
}

/// `20270115T080000Z`
fn basic(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    let time = aws_smithy_types::DateTime::from_secs(since.as_secs().cast_signed());
    let text = time.fmt(aws_smithy_types::date_time::Format::DateTime);
    text.unwrap().replace(['-', ':'], "")
}

const TOO_SKEWED: &str = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
const WRONG_KEY: &str = "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature \
    we calculated does not match the signature you provided.</Message></Error>";

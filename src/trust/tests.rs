use super::*;

fn host(name: &str, is_tls: bool) -> Host {
    Host::new(name, is_tls).unwrap()
}

fn reading(seconds: u64) -> Reading {
    Reading {
        wall: UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds),
        monotonic: Duration::from_secs(seconds),
    }
}

#[test]
fn the_release_day_is_the_one_in_its_comment() {
    let stated = httpdate::parse_http_date("Mon, 23 Nov 2026 00:00:00 GMT").unwrap();
    assert_eq!(UNIX_EPOCH + RELEASED, stated);
}

#[test]
fn forward_is_limited_by_strength_and_tls_and_backward_is_not() {
    let day = Duration::from_secs(DAY);
    let wall = UNIX_EPOCH + RELEASED + day;
    let limits = Limits::default();
    let tls = host("sqs.us-east-1.amazonaws.com", true);
    let plain = host("localhost", false);
    for (days, strength, host, allowed) in [
        (400, Strength::Message, Some(&tls), true),
        (401, Strength::Message, Some(&tls), false),
        (7, Strength::Message, Some(&plain), true),
        (8, Strength::Message, Some(&plain), false),
        (8, Strength::Date, Some(&tls), false),
        (8, Strength::Message, None, false),
    ] {
        let time = wall + day * days;
        assert_eq!(
            limits.allow(time, strength, host, wall),
            allowed,
            "{days} {strength:?} {host:?}"
        );
    }
    assert!(limits.allow(wall - day * 3_000, Strength::Date, None, wall));
}

#[test]
fn a_machine_that_boots_in_1970_is_measured_from_the_release() {
    let limits = Limits::default();
    let released = UNIX_EPOCH + RELEASED;
    let plain = host("localhost", false);
    let allow = |time| limits.allow(time, Strength::Date, Some(&plain), UNIX_EPOCH);
    assert!(allow(released + Duration::from_secs(7 * DAY)));
    assert!(!allow(released + Duration::from_secs(8 * DAY)));
}

#[test]
fn while_aws_confirms_the_clock_no_other_host_changes_it() {
    let (aws, minio) = (
        host("sqs.us-east-1.amazonaws.com", true),
        host("minio.example", true),
    );
    let mut trust = Trust::default();
    assert_eq!(trust.objection_to(Some(&minio), reading(0)), None);
    trust.confirm(&aws, reading(0));
    assert_eq!(
        trust.objection_to(Some(&minio), reading(3_599)),
        Some(aws.name())
    );
    assert_eq!(trust.objection_to(Some(&aws), reading(5)), None);
    assert_eq!(trust.objection_to(None, reading(5)), Some(aws.name()));
    assert_eq!(trust.objection_to(Some(&minio), reading(3_600)), None);
    let stepped = Reading {
        wall: reading(5).wall + WALL_STEP,
        ..reading(5)
    };
    assert_eq!(trust.objection_to(Some(&minio), stepped), None);
}

#[test]
fn two_hosts_change_the_clock_once_a_second_at_most() {
    let (one, two) = (host("one.example", false), host("two.example", false));
    let mut trust = Trust::default();
    trust.changed(Some(&one), Duration::from_secs(10));
    assert_eq!(
        trust.objection_to(Some(&two), reading(10)),
        Some(one.name())
    );
    assert_eq!(trust.objection_to(Some(&one), reading(10)), None);
    assert_eq!(trust.objection_to(Some(&two), reading(11)), None);
}

#[test]
fn a_back_off_doubles_up_to_an_hour() {
    let mut trust = Trust::default();
    let mut at = 100;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        trust.back_off("minio.example", reading(at));
        let end = at + minutes * 60;
        assert!(trust.is_backing_off("minio.example", reading(end - 1)));
        assert!(!trust.is_backing_off("minio.example", reading(end)));
        at = end;
    }
    trust.end_back_off("minio.example");
    trust.back_off("minio.example", reading(at));
    let period = FIRST_BACK_OFF.as_secs();
    assert!(!trust.is_backing_off("minio.example", reading(at + period)));
}

/// The trial that failed may have been of the local clock.
#[test]
fn a_back_off_ends_when_the_local_clock_is_set() {
    let mut trust = Trust::default();
    trust.back_off("minio.example", reading(100));
    let moved = |by: Duration| Reading {
        wall: reading(101).wall + by,
        ..reading(101)
    };
    let still = WALL_STEP - Duration::from_secs(1);
    assert!(trust.is_backing_off("minio.example", moved(still)));
    assert!(!trust.is_backing_off("minio.example", moved(WALL_STEP)));
}

fn sample() -> OffsetSample {
    let point = ClockOffset::ZERO;
    OffsetSample {
        point,
        interval: crate::interval::Interval::exactly(point),
        at: Duration::ZERO,
        stated: crate::evidence::Sample {
            earliest: UNIX_EPOCH,
            latest: UNIX_EPOCH,
            best: UNIX_EPOCH,
            strength: Strength::Date,
        },
    }
}

#[test]
fn a_host_is_reported_once_when_it_becomes_conflicting() {
    use HostTimeKind::{Conflicting, Trial};
    let mut trust = Trust::default();
    let mut keeps = |kind| trust.keep_time("minio.example", kind, sample());
    let reports = [Trial, Conflicting, Conflicting, Trial, Conflicting].map(&mut keeps);
    assert_eq!(reports, [false, true, false, false, false]);
    trust.forget_time("minio.example");
    assert!(trust.keep_time("minio.example", Conflicting, sample()));
}

#[test]
fn at_most_32_hosts_are_remembered_and_the_oldest_is_forgotten() {
    let mut trust = Trust::default();
    for number in 0..=MOST_HOSTS {
        let host = format!("{number}.example");
        trust.keep_time(&host, HostTimeKind::Trial, sample());
        trust.back_off(&host, reading(0));
    }
    assert_eq!(trust.host_times.len(), MOST_HOSTS);
    assert_eq!(trust.back_offs.len(), MOST_HOSTS);
    assert!(trust.host_time("0.example").is_none());
    assert!(trust.host_time("32.example").is_some());
    assert!(!trust.is_backing_off("0.example", reading(0)));
}

#[test]
fn a_monotonic_clock_that_goes_back_restarts_each_period() {
    let (aws, minio) = (
        host("sqs.us-east-1.amazonaws.com", true),
        host("minio.example", true),
    );
    let back = |seconds: u64| reading(100 + seconds);
    let mut trust = Trust::default();
    trust.confirm(&aws, reading(900_000));
    trust.back_off("minio.example", reading(900_000));
    trust.restart_periods(back(0).monotonic);
    let objects = |trust: &Trust, at| trust.objection_to(Some(&minio), at).is_some();
    assert!(objects(&trust, back(3_599)) && !objects(&trust, back(3_600)));
    assert!(trust.is_backing_off("minio.example", back(59)));
    assert!(!trust.is_backing_off("minio.example", back(60)));
    let mut trust = Trust::default();
    trust.changed(Some(&aws), Duration::ZERO);
    trust.changed(
        Some(&host("other.example", false)),
        reading(900_000).monotonic,
    );
    trust.restart_periods(back(0).monotonic);
    assert!(objects(&trust, back(0)) && !objects(&trust, back(1)));
}

use super::*;

fn _obj_safe(_: &dyn LocalClock) {}

#[track_caller]
fn does_not_go_back(mono: fn() -> Duration) {
    let first = mono();
    let mut last = first;
    for _ in 0..10_000 {
        let next = mono();
        // The four readings of system clocks that make one are not atomic.
        assert!(
            next + Duration::from_micros(500) >= last,
            "{next:?} after {last:?}"
        );
        last = next;
    }
    assert!(last > first, "it stands still");
}

#[test]
fn the_monotonic_clock_does_not_go_back() {
    does_not_go_back(|| SystemClock::new().monotonic());
}

#[test]
fn the_monotonic_clocks_of_other_platforms_do_not_go_back() {
    does_not_go_back(instant::monotonic);
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "ios"))]
    does_not_go_back(continuous::monotonic);
}

/// `CLOCK_BOOTTIME` may be missing in a sandbox.
#[cfg(target_os = "linux")]
#[test]
fn a_clock_that_is_not_there_is_replaced_by_the_monotonic_clock() {
    use std::fs::File;
    use std::os::fd::AsFd;

    use rustix::time::DynamicClockId;

    let not_a_clock = File::open("/dev/null").unwrap();
    let read = || {
        let nanos = unslewed::read_or_monotonic(DynamicClockId::Dynamic(not_a_clock.as_fd()));
        Duration::from_nanos(nanos)
    };
    let (before, after) = (continuous::monotonic(), read());
    assert!(after >= before && after - before < Duration::from_secs(60));
}

#[test]
fn elapsed_time_is_bounded_by_both_clocks() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let at = |wall: i64, mono: u64| Reading {
        wall: crate::ClockOffset::from_millis(wall * 1_000).shift(start),
        monotonic: Duration::from_secs(1_000 + mono),
    };
    for (wall, mono, longest, shortest) in [
        (10, 10, 10, 10),
        (7_200, 3, 7_200, 3),
        (-50, 4, 4, 0),
        (4, 700, 700, 4),
    ] {
        assert_eq!(
            at(wall, mono).longest_since(at(0, 0)),
            Duration::from_secs(longest)
        );
        assert_eq!(
            at(wall, mono).shortest_since(at(0, 0)),
            Duration::from_secs(shortest)
        );
    }
}

//! Clocks that start with an initial offset, or are reset.

use std::time::Duration;

use aws_clock_skew::event::{ClearReason, EventKind};
use aws_clock_skew::{ClockOffset, SkewClock, SkewEvent};

use crate::clients::{Integration, config_on, head, s3_of, without_retries};
use crate::log::Log;
use crate::possible::S3;
use crate::site::{Parts, Site};
use crate::wire::{Manner, Wire};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

fn with_known_offset(world: &World, offset: i64) -> SkewClock {
    SkewClock::builder()
        .local_clock(world.machine.clone())
        .initial_offset(ClockOffset::from_millis(offset * 1_000))
        .build()
}

#[tokio::test]
async fn a_known_offset_is_correct_from_the_first_request_on() {
    for skew in [-2 * DAY, -20 * MINUTE, 20 * MINUTE] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let clock = with_known_offset(&world, -skew);
        let site = Site::with_clock(world, clock, Parts::All, without_retries);
        assert_eq!(site.clock.now(), site.world.true_time());
        assert_eq!(site.lost(5).await, 0);
        assert_eq!(site.rejected(), 0);
        assert_eq!(site.clock.status().offset().as_millis(), -skew * 1_000);
        // When NTP repairs the local clock, the next reading ends the correction.
        site.world.set_skew(0);
        assert_eq!(site.clock.now(), site.world.machine_wall());
        assert_eq!(site.lost(5).await, 0);
        assert_eq!(site.rejected(), 0);
        assert_eq!(log.names(), ["correction_cleared"]);
    }
}

#[tokio::test]
async fn evidence_replaces_a_known_offset() {
    for (skew, known) in [
        (-20 * MINUTE, 3 * HOUR),
        (20 * MINUTE, 20 * MINUTE),
        (-2 * DAY, 60),
    ] {
        let log = Log::start();
        let world = World::with_skew(skew);
        let clock = with_known_offset(&world, known);
        let site = Site::with_clock(world, clock, Parts::All, without_retries);
        assert_eq!(site.lost(5).await, 0);
        assert_eq!(site.rejected(), 1);
        let error = site.clock.status().offset().as_millis() + skew * 1_000;
        assert!(error.abs() <= 1_000, "{error}");
        assert_eq!(log.names(), ["skew_detected"]);
    }
}

#[tokio::test]
async fn a_wrong_known_offset_on_a_correct_local_clock_is_cleared() {
    // Far off: the first clock skew error clears it, since it shows that the local clock is
    // correct.
    let log = Log::start();
    let world = World::with_skew(0);
    let clock = with_known_offset(&world, 3 * HOUR);
    let site = Site::with_clock(world, clock, Parts::All, without_retries);
    assert_eq!(site.lost(5).await, 0);
    assert_eq!(site.rejected(), 1);
    assert_eq!(log.names(), ["correction_cleared"]);
    // Nearly correct: three accepted responses of AWS in a row clear it.
    let world = World::with_skew(0);
    let clock = with_known_offset(&world, 100);
    let site = Site::with_clock(world, clock, Parts::All, without_retries);
    assert_eq!(site.lost(3).await, 0);
    assert_eq!(site.rejected(), 0);
    assert_eq!(site.clock.now(), site.world.machine_wall());
}

#[tokio::test]
async fn a_wrong_known_offset_gives_way_to_the_local_clock_where_no_time_is_stated() {
    for integration in Integration::ALL {
        // The service tolerates 15 minutes, so the SDK alone loses no call.
        let world = World::with_skew(5 * MINUTE);
        let wire = Wire::with_manner(&world, minutes(15), Manner::ByCode);
        wire.leave_out_dates();
        let config = without_retries(config_on(&wire, S3)).into_builder();
        let config = config.time_source(world.clone()).build();
        let clock = with_known_offset(&world, 3 * HOUR);
        assert_eq!(head(&s3_of(None, &config, &clock)).await, Ok(()));
        let s3 = s3_of(Some(integration), &config, &clock);
        for call in 0..5 {
            assert_eq!(head(&s3).await, Ok(()), "{integration:?}, call {call}");
        }
        assert_eq!(wire.rejected(), 1, "{integration:?}");
        assert_eq!(clock.now(), world.machine_wall());
    }
}

#[test]
fn an_initial_offset_of_zero_is_no_event() {
    for offset in [0, 10, -29] {
        let log = Log::start();
        let world = World::with_skew(0);
        let clock = with_known_offset(&world, offset);
        assert_eq!(clock.now(), world.machine_wall());
        let status = clock.status();
        assert!(!status.is_correcting());
        assert_eq!(
            (status.event_count(), log.names().len()),
            (0, 0),
            "{offset} s"
        );
    }
}

#[tokio::test]
async fn a_reset_clock_starts_again() {
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    assert_eq!(site.lost(2).await, 0);
    // Restored on another machine, whose clock is wrong by another offset.
    site.world.set_skew(HOUR);
    site.clock.reset();
    let status = site.clock.status();
    assert!(!status.is_correcting());
    assert_eq!(status.offset(), ClockOffset::from_millis(0));
    assert_eq!(status.uncertainty(), Duration::ZERO);
    assert!(matches!(
        status.last_event().map(SkewEvent::kind),
        Some(EventKind::CorrectionCleared {
            reason: ClearReason::Reset,
            ..
        })
    ));
    assert_eq!(status.event_count(), 2);
    assert_eq!(site.clock.now(), site.world.machine_wall());
    assert_eq!(site.lost(2).await, 0);
    assert_eq!(site.rejected(), 2);
    assert!(site.clock.status().is_correcting());
    // Restored on a machine whose clock is correct.
    site.world.set_skew(0);
    site.clock.reset();
    assert_eq!(site.lost(2).await, 0);
    assert_eq!(site.rejected(), 2);
    assert!(!site.clock.status().is_correcting());
    let round = ["skew_detected", "correction_cleared"];
    assert_eq!(log.names(), [round, round].concat());
}

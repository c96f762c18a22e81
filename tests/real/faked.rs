//! The poller on clocks that are wrong, run wrong, are set and stand still.

use std::time::Duration;

use tokio::time::sleep;

use crate::poller::Poller;
use crate::program::{Clock, Program, example, on_clock};

#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn a_wrong_clock_costs_one_rejection() {
    for offset in ["-2d", "-20m", "+20m", "+9h"] {
        let mut poller = Poller::start(&Clock::Fixed(offset)).await;
        for _ in 0..10 {
            poller.works().await;
        }
        assert_eq!(poller.rejected(), 1, "{offset}");
        poller.stops().await;
    }
}

#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn a_correct_clock_costs_none() {
    let mut poller = Poller::start(&Clock::Fixed("+0")).await;
    for _ in 0..10 {
        poller.works().await;
    }
    assert_eq!(poller.rejected(), 0);
    let said = poller.stops().await;
    assert!(!said.contains("correcting signatures"), "{said}");
}

#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn a_clock_that_runs_away_costs_one_rejection() {
    // A minute a second: after twenty seconds it is twenty minutes ahead.
    let clock = Clock::Fixed("+0 x60");
    let mut poller = Poller::start(&clock).await;
    poller.endpoint.set_tolerance(Duration::from_secs(300));
    for _ in 0..20 {
        poller.works().await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(poller.rejected(), 1);
    poller.stops().await;
}

#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn a_clock_that_is_set_costs_one_rejection_and_its_repair_none() {
    let clock = Clock::settable("set");
    let mut poller = Poller::start(&clock).await;
    poller.works().await;
    assert_eq!(poller.rejected(), 0);
    for (offset, rejected) in [
        ("-20m", 1),
        // NTP repairs it.
        ("+0", 1),
        ("+2h", 2),
        // Corrected by the monotonic clock, whatever becomes of this one.
        ("-3d", 2),
        ("+0", 2),
    ] {
        clock.set(offset);
        for _ in 0..5 {
            poller.works().await;
        }
        assert_eq!(poller.rejected(), rejected, "{offset}");
    }
    let said = poller.stops().await;
    assert!(said.contains("event=\"correction_cleared\""), "{said}");
}

/// A virtual machine that is suspended while it waits for an answer, and comes back
/// with the clock of its snapshot.
#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn a_process_that_is_frozen_while_its_clock_is_set_loses_nothing() {
    let clock = Clock::settable("frozen");
    let mut poller = Poller::start(&clock).await;
    for offset in ["-20m", "+0", "-2d"] {
        poller.works().await;
        let hold = poller.endpoint.hold_until_released(1);
        // Whichever request comes next is on its way when the process stops.
        poller.endpoint.feed("orders", "while frozen");
        hold.arrived().await;
        poller.program.signal("STOP").await;
        sleep(Duration::from_secs(3)).await;
        clock.set(offset);
        poller.program.signal("CONT").await;
        drop(hold);
        for _ in 0..5 {
            poller.works().await;
        }
    }
    assert_eq!(poller.rejected(), 2);
    poller.stops().await;
}

#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn a_request_that_expires_in_transit_while_the_process_is_frozen_changes_no_clock() {
    let mut poller = Poller::start(&Clock::Fixed("+0")).await;
    poller.works().await;
    // Whichever request comes next is on its way when the process stops.
    let hold = poller.endpoint.hold_until_released(1);
    poller.endpoint.feed("orders", "while frozen");
    hold.arrived().await;
    poller.program.signal("STOP").await;
    poller.endpoint.set_tolerance(Duration::from_secs(2));
    sleep(Duration::from_secs(6)).await;
    drop(hold);
    sleep(Duration::from_secs(1)).await;
    poller.program.signal("CONT").await;
    for _ in 0..5 {
        poller.works().await;
    }
    assert_eq!(poller.rejected(), 1);
    let said = poller.stops().await;
    assert!(said.contains("event=\"expired_in_transit\""), "{said}");
    assert!(!said.contains("correcting signatures"), "{said}");
}

/// The limits are measured from the local clock or the release date of the crate, whichever
/// is later: a program that works only near that date fails here.
#[tokio::test]
#[ignore = "needs libfaketime: bash tests/real/install"]
async fn the_demo_loses_no_call_on_any_date() {
    for date in ["+30d", "+1y", "+10y"] {
        for skew in ["-2d", "-20m", "+9h", "-3285d"] {
            let mut demo = on_clock(example("sqs_poller"), &Clock::Fixed(date));
            let said = Program::start(demo.arg(format!("--skew={skew}")))
                .ends()
                .await;
            let last = said.lines().last().unwrap_or_default();
            assert!(
                last.ends_with(", rejected by the server 1, failed 0"),
                "{date} {skew}: {said}"
            );
        }
    }
}

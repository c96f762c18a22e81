//! Responses that passed the timestamp check and are no success: what their `Date` means for a
//! trial.

use std::time::Duration;

use crate::assertions::distance;
use crate::clients::{Integration, SDK_AND_ALL, config_on, head, s3_of, without_retries};
use crate::log::Log;
use crate::possible::S3;
use crate::wire::{Answer, Fate, Manner, Wire};
use crate::world::{MINUTE, World, minutes, shifted};

/// The server sends one empty 403 whose `Date` is `ahead` seconds ahead, and then the same response
/// to every request, with the correct `Date`. Returns how many of the next twenty signatures are 10
/// seconds or more from the true time.
async fn wrong_signatures(integration: Option<Integration>, status: u16, ahead: i64) -> usize {
    let log = Log::start();
    let world = World::with_skew(0);
    let wire = Wire::with_manner(&world, minutes(15), Manner::Silently);
    let clock = world.skew_clock();
    let config = without_retries(config_on(&wire, S3)).into_builder();
    let s3 = s3_of(
        integration,
        &config.time_source(world.clone()).build(),
        &clock,
    );
    let passed = || Fate::answered(Answer::new(status, "").dated(world.true_time()));
    let misdated = Answer::empty_403(shifted(world.true_time(), ahead));
    wire.plan([Fate::answered(misdated), passed(), passed()]);
    drop(head(&s3).await);
    wire.forget_plans();
    let mut wrong = 0;
    for _ in 0..20 {
        world.advance(Duration::from_secs(1));
        wire.plan([passed()]);
        drop(head(&s3).await);
        let signed_at = wire.signed_at().expect("a request was sent");
        let error = distance(world.true_time(), signed_at);
        wrong += usize::from(error >= Duration::from_secs(10));
        wire.forget_plans();
    }
    assert_eq!(
        clock.now(),
        world.machine_wall(),
        "{integration:?}, {status}"
    );
    assert!(log.names().is_empty(), "{integration:?}, {status}");
    wrong
}

#[tokio::test]
async fn a_response_whose_date_contradicts_a_trial_ends_it_whatever_its_status() {
    for status in [200, 304, 301, 302, 307, 404, 405, 409, 412, 416] {
        for ahead in [-10 * MINUTE, 10 * MINUTE] {
            for integration in SDK_AND_ALL {
                let wrong = wrong_signatures(integration, status, ahead).await;
                // The SDK alone signs the next request with that time.
                let expected = usize::from(integration.is_none());
                assert_eq!(
                    wrong, expected,
                    "{integration:?}, {status}, {ahead} s ahead"
                );
            }
        }
    }
}

/// A trial that ended with a 404 whose `Date` agreed is a correction like any other: accepted
/// responses end it, and so does the repair of the local clock.
#[tokio::test]
async fn a_correction_that_a_404_has_started_ends_as_any_other() {
    for ends_by_repair in [true, false] {
        for integration in Integration::ALL {
            let world = World::with_skew(0);
            let wire = Wire::with_manner(&world, minutes(15), Manner::Silently);
            let clock = world.skew_clock();
            let config = without_retries(config_on(&wire, S3)).into_builder();
            let s3 = s3_of(
                Some(integration),
                &config.time_source(world.clone()).build(),
                &clock,
            );
            // The clock of S3 is wrong, and is then set.
            let wrong = shifted(world.true_time(), 10 * MINUTE);
            let missing = Answer::new(404, "").dated(wrong);
            wire.plan([Answer::empty_403(wrong).into(), missing.into()]);
            assert!(head(&s3).await.is_err());
            assert!(clock.status().is_correcting(), "{integration:?}");
            if ends_by_repair {
                world.set_skew(10 * MINUTE);
            } else {
                for _ in 0..3 {
                    assert_eq!(head(&s3).await, Ok(()), "{integration:?}");
                }
            }
            assert_eq!(clock.now(), world.machine_wall(), "{integration:?}");
            assert_eq!(head(&s3).await, Ok(()), "{integration:?}");
            assert_eq!(wire.rejected(), 0, "{integration:?}");
        }
    }
}

//! The last line of the log states the current state.

use crate::capture::Capture;
use crate::integrations::Integration;
use crate::scenarios::{call, site};
use crate::wire::Manner;
use crate::world::DAY;

#[tokio::test]
async fn a_change_of_state_is_logged_however_soon_it_comes() {
    for integration in Integration::ALL {
        let capture = Capture::start();
        let site = site(-2 * DAY, Manner::InMessage);
        for skew in [-2 * DAY, 0, -3 * DAY, 0, 2 * DAY] {
            site.world.set_skew(skew);
            assert_eq!(call(integration, &site).await, Ok(()), "{integration:?}");
            let last = capture.names().pop();
            let is_correcting = site.clock.status().is_correcting();
            assert_eq!(is_correcting, skew != 0);
            let expected = if is_correcting {
                "skew_detected"
            } else {
                "correction_cleared"
            };
            assert_eq!(last.as_deref(), Some(expected), "{integration:?} {skew}");
        }
        assert_eq!(capture.names().len(), 5, "{integration:?}");
    }
}

#[tokio::test]
async fn a_cleared_correction_says_why() {
    for integration in Integration::ALL {
        let capture = Capture::start();
        let site = site(-2 * DAY, Manner::InMessage);
        let reasons = || {
            let cleared = capture.log().into_iter();
            let cleared = cleared.filter(|event| event.text("event") == Some("correction_cleared"));
            let reasons = cleared.map(|event| event.text("reason").map(str::to_owned));
            reasons.collect::<Option<Vec<_>>>().expect("has a reason")
        };
        site.clock.reset();
        assert!(reasons().is_empty(), "nothing ends by it");
        assert_eq!(call(integration, &site).await, Ok(()), "{integration:?}");
        site.clock.reset();
        assert_eq!(reasons(), ["reset"], "{integration:?}");
        assert_eq!(call(integration, &site).await, Ok(()), "{integration:?}");
        site.world.set_skew(0);
        assert_eq!(call(integration, &site).await, Ok(()), "{integration:?}");
        assert_eq!(
            reasons(),
            ["reset", "local_clock_repaired"],
            "{integration:?}"
        );
    }
}

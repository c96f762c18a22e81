//! A wrong key is reported as a wrong key.

use aws_clock_skew_endpoint::{Endpoint, SECRET_ACCESS_KEY};

use crate::clients::{Integration, config_with_secret, send};
use crate::log::Log;
use crate::world::{MINUTE, World};

#[tokio::test]
async fn a_wrong_secret_on_a_skewed_machine_is_reported_as_such() {
    for (integration, skew) in Integration::ALL
        .into_iter()
        .flat_map(|integration| [(integration, -20 * MINUTE), (integration, 0)])
    {
        let log = Log::start();
        let world = World::with_skew(skew);
        let endpoint = Endpoint::builder(world.clock())
            .start()
            .await
            .expect("loopback can be bound");
        let secret = format!("X{}", &SECRET_ACCESS_KEY[1..]);
        let sqs = integration.sqs(
            &config_with_secret(&endpoint.url(), &secret),
            &world.skew_clock(),
        );
        for call in 1..=4_u64 {
            let error = send(&sqs, &endpoint.queue_url("q"))
                .await
                .expect_err("the key is wrong");
            assert!(
                error.contains("The request signature we calculated does not match"),
                "{error}"
            );
            let first_call_costs = if skew == 0 { 0 } else { 1 };
            assert_eq!(endpoint.counts().requests, call + first_call_costs);
        }
        let expected = if skew == 0 {
            &["not_clock_skew"][..]
        } else {
            &["skew_detected", "not_clock_skew"]
        };
        assert_eq!(log.names(), expected);
        let event = log.events().pop().unwrap();
        assert_eq!(event.level, tracing::Level::WARN);
        assert_eq!(event.get("cause"), Some("wrong_key"));
        assert_eq!(log.counted("events", "event", "not_clock_skew"), 4);
    }
}

//! Other readers of the clocks: monotonic clocks that NTP slews, and the stalled-stream protection.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, ManualClock, SkewClock};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::clients::{Integration, config, config_in, receive, sqs, sqs_of, without_retries};
use crate::log::Log;
use crate::wire::Wire;
use crate::world::{DAY, MINUTE, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// A monotonic clock that NTP slews together with the wall clock, as on macOS.
#[derive(Clone, Debug)]
pub(crate) struct Slewed {
    pub(crate) machine: ManualClock,
    pub(crate) behind: Arc<Mutex<Duration>>,
}

impl LocalClock for Slewed {
    fn wall(&self) -> SystemTime {
        self.machine.wall()
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic() - *self.behind.lock().expect("is not poisoned")
    }
}

/// The uncertainty of a correction grows with its age, until the wall clock is within it.
#[tokio::test]
async fn a_skew_of_six_minutes_that_nobody_repairs_costs_one_rejection_every_nineteen_days() {
    for integration in Integration::ALL {
        let world = World::with_skew(-6 * MINUTE);
        let wire = Wire::new(&world, minutes(5));
        let clock = world.skew_clock();
        let config = config_in(&world, wire.clone(), URL);
        let sqs = sqs_of(Some(integration), &config, &clock);
        let mut rejected_on = Vec::new();
        for hour in (0..60 * 24).step_by(6) {
            let before = wire.rejected();
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()), "{integration:?}");
            if wire.rejected() > before {
                assert_eq!(wire.rejected(), before + 1);
                rejected_on.push(hour / 24);
            }
            world.advance(minutes(6 * 60));
        }
        assert_eq!(rejected_on, [0, 19, 38, 57], "{integration:?}");
    }
}

/// The local clock is twenty minutes ahead, is corrected, and is then repaired by a slew. With such
/// a monotonic clock the correction follows the slew away from the true time. That costs one more
/// rejection and no call, and the rejection shows that the local clock is correct.
#[tokio::test]
async fn a_boot_clock_that_is_slewed_costs_one_more_rejection() {
    for is_slewed in [true, false] {
        let log = Log::start();
        let world = World::with_skew(20 * MINUTE);
        let clocks = Slewed {
            machine: world.machine.clone(),
            behind: Arc::default(),
        };
        let clock = SkewClock::builder().local_clock(clocks.clone()).build();
        let (sqs, wire) = client(&world, &clock);
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        for left in (0..20).rev() {
            world.advance(minutes(12));
            world.set_skew(left * MINUTE);
            if is_slewed {
                *clocks.behind.lock().expect("is not poisoned") += minutes(1);
            }
        }
        let error = world
            .true_time()
            .duration_since(clock.now())
            .unwrap_or_default();
        if is_slewed {
            assert!(error >= minutes(19), "{error:?}: the hazard is real");
        } else {
            assert_eq!(error, Duration::ZERO);
        }
        for _ in 0..5 {
            assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        }
        let rejected = wire.rejected();
        assert_eq!(rejected, 1 + usize::from(is_slewed));
        assert_eq!(clock.now(), world.machine.wall());
        assert!(!clock.status().is_correcting());
        assert_eq!(log.names(), ["skew_detected", "correction_cleared"]);
    }
}

fn client(world: &World, clock: &SkewClock) -> (aws_sdk_sqs::Client, Wire) {
    let wire = Wire::new(world, minutes(5));
    (sqs(&over(wire.clone()), clock), wire)
}

fn over(wire: impl HttpClient + 'static) -> SdkConfig {
    without_retries(config(URL).into_builder().http_client(wire).build())
}

/// A wire that accepts every request. In the middle of its response, another client changes the
/// correction.
#[derive(Clone, Debug)]
struct Halfway(aws_sdk_sqs::Client);

impl HttpConnector for Halfway {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let chunks = stream::unfold((0, self.0.clone()), |(count, updater)| async move {
            if count == CHUNKS / 2 {
                receive(&updater, QUEUE).await.expect("no call is lost");
            }
            let chunk = match count {
                0 => "{",
                CHUNKS => "}",
                _ => " ",
            };
            let frame = Frame::data(Bytes::from_static(chunk.as_bytes()));
            (count <= CHUNKS).then_some((Ok::<_, Error>(frame), (count + 1, updater)))
        });
        // Only one task polls it, and the compiler cannot know that.
        let body = SdkBody::from_body_1_x(StreamBody::new(Exclusive(Mutex::new(Box::pin(
            chunks.fuse(),
        )))));
        let status = StatusCode::try_from(200).expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body)))
    }
}

type Error = std::convert::Infallible;
const CHUNKS: usize = 20;

/// Makes a stream `Sync`, which the SDK requires of bodies.
struct Exclusive<S>(Mutex<Pin<Box<S>>>);

impl<S: stream::Stream> stream::Stream for Exclusive<S> {
    type Item = S::Item;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        let mut inner = self.0.lock().expect("is not poisoned");
        inner.as_mut().poll_next(context)
    }
}

impl HttpClient for Halfway {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The SDK divides the time of a stream into tenths of a second and visits each that has passed. A
/// day has 864,000 of them and is no stall.
#[tokio::test]
async fn a_change_in_the_middle_of_a_watched_stream_does_not_end_it() {
    for skew in [-DAY, DAY] {
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        let (updater, _) = client(&world, &clock);
        let reader = sqs(&over(Halfway(updater)), &clock);
        assert!(!clock.status().is_correcting());
        assert_eq!(receive(&reader, QUEUE).await, Ok(()), "{skew} s");
        assert!(clock.status().is_correcting());
    }
}

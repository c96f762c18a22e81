//! One client, with all of ours or a part of it, on a machine of its own.

use aws_clock_skew::SkewClock;
use aws_clock_skew::event::Missing;
use aws_config::SdkConfig;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;

use crate::clients::{config, receive};
use crate::wire::Wire;
use crate::world::{World, minutes};

pub(crate) const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
const URL: &str = "https://sqs.us-east-1.amazonaws.com";

/// What of ours a client has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parts {
    /// Nothing: the SDK's own correction.
    None,
    InterceptorAlone,
    NoClassifier,
    NoTimeSource,
    OthersTimeSource,
    /// The classifiers of two clocks are the same.
    OthersClassifier,
    All,
}

pub(crate) const HALVES: [Parts; 4] = [
    Parts::InterceptorAlone,
    Parts::NoClassifier,
    Parts::NoTimeSource,
    Parts::OthersTimeSource,
];

impl Parts {
    pub(crate) fn missing(self) -> Option<Missing> {
        match self {
            Self::InterceptorAlone => Some(Missing::Both),
            Self::NoClassifier => Some(Missing::RetryClassifier),
            Self::NoTimeSource | Self::OthersTimeSource => Some(Missing::TimeSource),
            Self::None | Self::OthersClassifier | Self::All => None,
        }
    }

    pub(crate) fn install(
        self,
        config: &SdkConfig,
        clock: &SkewClock,
        other: &SkewClock,
    ) -> Builder {
        // A partition has a retry quota of its own, which no other test uses up.
        let builder = Builder::from(config).retry_partition(RetryPartition::custom("own").build());
        match self {
            Self::None => builder,
            Self::InterceptorAlone => builder.interceptor(clock.interceptor()),
            Self::NoClassifier => builder
                .interceptor(clock.interceptor())
                .time_source(clock.clone()),
            Self::NoTimeSource => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier()),
            Self::OthersTimeSource => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier())
                .time_source(other.clone()),
            Self::OthersClassifier => builder
                .interceptor(clock.interceptor())
                .retry_classifier(other.retry_classifier())
                .time_source(clock.clone()),
            Self::All => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier())
                .time_source(clock.clone()),
        }
    }
}

/// One client on a machine of its own, in virtual time.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) clock: SkewClock,
    /// The clock that the client asks for the time, if it asks one of ours.
    pub(crate) asked: SkewClock,
    pub(crate) config: SdkConfig,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

impl Site {
    pub(crate) fn new(parts: Parts, skew: i64, prepare: fn(SdkConfig) -> SdkConfig) -> Self {
        let world = World::with_skew(skew);
        let clock = world.skew_clock();
        Self::with_clock(world, clock, parts, prepare)
    }

    pub(crate) fn with_clock(
        world: World,
        clock: SkewClock,
        parts: Parts,
        prepare: fn(SdkConfig) -> SdkConfig,
    ) -> Self {
        let wire = Wire::new(&world, minutes(5));
        let config = config(URL)
            .into_builder()
            .http_client(wire.clone())
            .time_source(world.clone())
            .sleep_impl(world.clone())
            .build();
        let config = prepare(config);
        let other = world.skew_clock();
        let builder = parts.install(&config, &clock, &other);
        let asked = if parts == Parts::OthersTimeSource {
            other
        } else {
            clock.clone()
        };
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(builder.build()),
            asked,
            config,
            world,
            wire,
            clock,
        }
    }

    /// Calls, a minute apart. Returns how many fail.
    pub(crate) async fn lost(&self, calls: usize) -> usize {
        let mut lost = 0;
        for _ in 0..calls {
            lost += usize::from(receive(&self.sqs, QUEUE).await.is_err());
            self.world.advance(minutes(1));
        }
        lost
    }

    pub(crate) fn rejected(&self) -> usize {
        self.wire
            .seen()
            .iter()
            .filter(|accepted| !**accepted)
            .count()
    }
}

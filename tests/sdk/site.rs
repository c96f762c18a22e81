//! A machine with one client that has all parts of the crate, or some of them.

use aws_clock_skew::event::Missing;
use aws_clock_skew::{SkewClock, install};
use aws_config::SdkConfig;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;

use crate::clients::{config, receive};
use crate::wire::Wire;
use crate::world::{World, minutes};

pub(crate) const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";
pub(crate) const URL: &str = "https://sqs.us-east-1.amazonaws.com";

/// The parts of the crate that a client has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parts {
    /// The SDK alone, with its own correction.
    None,
    InterceptorAlone,
    AuthSchemeAlone,
    NoClassifier,
    NoAuthScheme,
    OthersAuthScheme,
    /// The retry classifiers of two clocks are interchangeable.
    OthersClassifier,
    All,
}

pub(crate) const INCOMPLETE: [Parts; 5] = [
    Parts::InterceptorAlone,
    Parts::AuthSchemeAlone,
    Parts::NoClassifier,
    Parts::NoAuthScheme,
    Parts::OthersAuthScheme,
];

impl Parts {
    pub(crate) fn missing(self) -> Option<Missing> {
        match self {
            Self::InterceptorAlone | Self::NoAuthScheme => Some(Missing::AuthScheme),
            Self::NoClassifier => Some(Missing::RetryClassifier),
            // The missing part is the one that would report, or the client looks complete.
            Self::AuthSchemeAlone | Self::OthersAuthScheme => None,
            Self::None | Self::OthersClassifier | Self::All => None,
        }
    }

    pub(crate) fn install(
        self,
        config: &SdkConfig,
        clock: &SkewClock,
        other: &SkewClock,
    ) -> Builder {
        // A partition with its own retry quota, which no other test uses up.
        let builder = Builder::from(config).retry_partition(RetryPartition::custom("own").build());
        match self {
            Self::None => builder,
            Self::InterceptorAlone => builder.interceptor(clock.interceptor()),
            Self::AuthSchemeAlone => builder.push_auth_scheme(clock.auth_scheme()),
            Self::NoClassifier => builder
                .interceptor(clock.interceptor())
                .push_auth_scheme(clock.auth_scheme()),
            Self::NoAuthScheme => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier()),
            Self::OthersAuthScheme => builder
                .interceptor(clock.interceptor())
                .retry_classifier(clock.retry_classifier())
                .push_auth_scheme(other.auth_scheme()),
            Self::OthersClassifier => builder
                .interceptor(clock.interceptor())
                .retry_classifier(other.retry_classifier())
                .push_auth_scheme(clock.auth_scheme()),
            Self::All => install!(builder, clock),
        }
    }
}

/// A machine with one client, in virtual time.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) clock: SkewClock,
    /// The clock whose auth scheme the client has, if any.
    pub(crate) signs: SkewClock,
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
        let signs = if parts == Parts::OthersAuthScheme {
            other
        } else {
            clock.clone()
        };
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(builder.build()),
            signs,
            config,
            world,
            wire,
            clock,
        }
    }

    /// Makes `calls` calls, a minute apart, and returns how many fail.
    pub(crate) async fn lost(&self, calls: usize) -> usize {
        let mut lost = 0;
        for _ in 0..calls {
            lost += usize::from(receive(&self.sqs, QUEUE).await.is_err());
            self.world.advance(minutes(1));
        }
        lost
    }

    pub(crate) fn rejected(&self) -> usize {
        self.wire.rejected()
    }
}

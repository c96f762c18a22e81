//! The auto traits of public types are part of the interface.

use std::fmt::Debug;

use aws_clock_skew::diagnosis::{Cause, Origin};
use aws_clock_skew::event::{ClearReason, Details, EventKind, Label, Missing, Mode, SkipReason};
use aws_clock_skew::evidence::{Evidence, OtherCause, ResponseView, SkewDirection, Source};
use aws_clock_skew::{
    Attempt, ClockOffset, Diagnosis, Limits, LocalClock, ManualClock, NextStep, SkewClock,
    SkewClockBuilder, SkewEvent, SkewStatus, SkewWatcher, SystemClock,
};

fn is_plain<T: Send + Sync + Unpin + Debug + 'static>() {}
fn is_handle<T: Send + Sync + Unpin + Debug + Clone + 'static>() {}
fn is_value<T: Send + Sync + Unpin + Debug + Clone + Eq + 'static>() {}

#[test]
fn handles_are_cloned_and_shared() {
    is_handle::<SkewClock>();
    is_handle::<SkewWatcher>();
    is_handle::<ManualClock>();
    is_handle::<SystemClock>();
    is_plain::<SkewClockBuilder>();
    is_plain::<Attempt>();
}

#[test]
fn values_are_compared() {
    is_value::<ClockOffset>();
    is_value::<SkewStatus>();
    is_value::<SkewEvent>();
    is_value::<EventKind>();
    is_value::<Details>();
    is_value::<Mode>();
    is_value::<ClearReason>();
    is_value::<Label>();
    is_value::<SkipReason>();
    is_value::<Missing>();
    is_value::<Limits>();
    is_value::<Diagnosis>();
    is_value::<Cause>();
    is_value::<Origin>();
    is_value::<Evidence>();
    is_value::<SkewDirection>();
    is_value::<NextStep>();
    is_value::<OtherCause>();
    is_value::<Source>();
    is_handle::<ResponseView<'static>>();
}

#[test]
fn a_local_clock_is_an_object() {
    let clocks: [Box<dyn LocalClock>; 2] = [
        Box::new(SystemClock::new()),
        Box::new(ManualClock::new(std::time::UNIX_EPOCH)),
    ];
    assert_ne!(clocks[0].wall(), clocks[1].wall());
}

#[cfg(feature = "sdk")]
#[test]
fn the_parts_of_an_sdk_client_are_shared() {
    use aws_clock_skew::sdk::{
        SkewAuthScheme, SkewHttpClient, SkewIdentityCache, SkewInterceptor, SkewRetryClassifier,
    };
    is_plain::<SkewAuthScheme>();
    is_plain::<SkewInterceptor>();
    is_plain::<SkewIdentityCache>();
    is_handle::<SkewHttpClient>();
    is_handle::<SkewRetryClassifier>();
}

#[cfg(all(feature = "sdk", feature = "tower"))]
#[test]
fn the_types_between_the_sdk_and_tower_are_shared() {
    use aws_clock_skew::tower::{HttpClientService, LayeredHttpClient, ReplaySdkBody};
    is_handle::<HttpClientService>();
    is_handle::<LayeredHttpClient>();
    is_plain::<ReplaySdkBody>();
}

#[cfg(feature = "aws-config")]
#[test]
fn a_synchronization_can_be_spawned() {
    fn is_sent<T: Send>(_: T) {}
    let config = aws_config::SdkConfig::builder().build();
    is_sent(SkewClock::new().synchronize(&config));
    is_plain::<aws_clock_skew::SynchronizeError>();
}

#[cfg(feature = "tower")]
#[test]
fn layers_are_cloned_and_services_are_sent() {
    use aws_clock_skew::tower::{
        NonReplayable, SigningError, SigningLayer, SigningService, SkewBody, SkewLayer, SkewService,
    };
    is_handle::<SkewLayer>();
    is_handle::<SigningLayer>();
    is_handle::<SkewService<()>>();
    is_handle::<SigningService<()>>();
    is_plain::<NonReplayable<()>>();
    is_plain::<SkewBody<String>>();
    is_plain::<SigningError>();
    fn has_default<T: Default>() {}
    has_default::<SkewBody<String>>();
}

//! Clients that are cloned, rebuilt, or given another config for one operation.

use std::sync::Arc;

use aws_clock_skew::install;
use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_sdk_sqs::config::Builder;
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

use crate::clients::{config_on, receive, without_retries};
use crate::log::Log;
use crate::site::{Parts, QUEUE, Site};
use crate::world::{MINUTE, minutes};

#[tokio::test]
async fn clones_and_rebuilt_clients_go_on_with_what_is_known() {
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    assert_eq!(site.lost(1).await, 0);
    let clone = site.sqs.clone();
    let rebuilt = aws_sdk_sqs::Client::from_conf(site.sqs.config().to_builder().build());
    let elsewhere = aws_sdk_sqs::Client::from_conf(
        site.sqs
            .config()
            .to_builder()
            .region(Region::new("eu-west-1"))
            .build(),
    );
    for client in [&clone, &rebuilt, &elsewhere, &site.sqs] {
        assert_eq!(receive(client, QUEUE).await, Ok(()));
    }
    assert_eq!(site.rejected(), 1);
    // Each of them can update the clock.
    for client in [&clone, &rebuilt, &elsewhere, &site.sqs] {
        site.world.advance(minutes(2));
        site.clock.reset();
        assert_eq!(receive(client, QUEUE).await, Ok(()));
    }
    assert_eq!(site.rejected(), 5);
    // One event for each correction and each reset, in turn.
    let names = log.names();
    let corrections = names.iter().step_by(2).all(|name| name == "skew_detected");
    let reset = names.iter().skip(1).step_by(2);
    assert!(corrections && reset.clone().all(|name| name == "correction_cleared"));
    assert_eq!((names.len(), reset.count()), (9, 4));
}

/// The auth scheme keeps some of the client's components, and is one of them.
#[tokio::test]
async fn a_client_that_is_dropped_while_the_clock_is_corrected_is_freed() {
    let site = Site::new(Parts::All, -20 * MINUTE, without_retries);
    let held = Arc::new(());
    let builder = Builder::from(&config_on(
        &site.wire,
        "https://sqs.us-east-1.amazonaws.com",
    ));
    let builder = builder.retry_classifier(Holds(held.clone()));
    let sqs = aws_sdk_sqs::Client::from_conf(install!(builder, &site.clock).build());
    for _ in 0..2 {
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
    }
    assert!(site.clock.status().is_correcting());
    drop(sqs);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[derive(Debug)]
struct Holds(#[expect(dead_code, reason = "it is counted, not read")] Arc<()>);

impl ClassifyRetry for Holds {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "Holds"
    }
}

async fn overridden(sqs: &aws_sdk_sqs::Client, builder: Builder) -> bool {
    let call = sqs.receive_message().queue_url(QUEUE).customize();
    call.config_override(builder).send().await.is_ok()
}

#[tokio::test]
async fn a_config_override_applies_to_one_operation_only() {
    let log = Log::start();
    let site = Site::new(Parts::All, -20 * MINUTE, |config| config);
    let own = || Builder::new();
    // Retries are off for this operation only.
    assert!(overridden(&site.sqs, own().retry_config(RetryConfig::disabled())).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (2, 1));
    assert_eq!(log.names(), ["skew_detected"]);
    // Another time source changes nothing, since the auth scheme does not read it.
    let epoch = StaticTimeSource::new(std::time::UNIX_EPOCH);
    assert!(overridden(&site.sqs, own().time_source(epoch)).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (3, 1));
    // The SDK's own signer for this operation only: the SDK's own correction stays on for it.
    let sdks = SigV4AuthScheme::new();
    assert!(overridden(&site.sqs, own().push_auth_scheme(sdks)).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (5, 2));
    assert_eq!(log.names(), ["skew_detected", "incomplete_installation"]);
    // The offset that the SDK remembers does not act on top of the crate's correction.
    for _ in 0..3 {
        assert_eq!(receive(&site.sqs, QUEUE).await, Ok(()));
    }
    assert_eq!(site.rejected(), 2);
    // A client without the crate, and one operation with all parts.
    let bare = aws_sdk_sqs::Client::new(&site.config);
    let config = without_retries(site.config.clone());
    for _ in 0..2 {
        let whole = Parts::All.install(&config, &site.clock, &site.clock);
        assert!(overridden(&bare, whole).await);
    }
    assert_eq!(site.rejected(), 2);
}

#[tokio::test]
async fn one_operation_with_our_parts_updates_the_clock() {
    let site = Site::new(Parts::None, -20 * MINUTE, without_retries);
    let whole = Parts::All.install(&site.config, &site.clock, &site.clock);
    assert!(overridden(&site.sqs, whole).await);
    assert_eq!((site.wire.seen().len(), site.rejected()), (2, 1));
    assert!(site.clock.status().is_correcting());
}

#[tokio::test]
async fn a_user_who_has_switched_the_sdks_correction_off_has_ours() {
    let off = |config: SdkConfig| {
        config
            .into_builder()
            .disable_clock_skew_correction(true)
            .build()
    };
    let site = Site::new(Parts::All, -20 * MINUTE, off);
    assert_eq!(site.lost(5).await, 0);
    assert_eq!(site.rejected(), 1);
    // The SDK's own signer for one operation does not switch the SDK's correction on again.
    let sdks = || Builder::new().push_auth_scheme(SigV4AuthScheme::new());
    let with_retries = Site::new(Parts::All, -20 * MINUTE, off);
    assert_eq!(with_retries.lost(2).await, 0);
    for _ in 0..2 {
        assert!(!overridden(&with_retries.sqs, sdks()).await);
    }
    // A client that lacks a part has no correction at all, as the user wants.
    let half = Site::new(Parts::NoClassifier, -20 * MINUTE, off);
    assert_eq!(half.lost(5).await, 5);
}

//! The correction changes again between the judgement of a response and the resend.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use crate::clients::{SDK_AND_ALL, config_in, config_on, receive, sqs_of};
use crate::wire::{Manner, Wire};
use crate::world::{HOUR, MINUTE, World, minutes};

const AWS: &str = "https://sqs.us-east-1.amazonaws.com";
const OTHER: &str = "https://sqs.example";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

type Hook = dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A provider whose credentials never expire. Its second load first awaits a hook: integrations
/// load credentials again in order to re-sign, after the correction has changed.
#[derive(Clone)]
struct Meanwhile(Arc<AtomicUsize>, Arc<Hook>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl ProvideCredentials for Meanwhile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            if self.0.fetch_add(1, Ordering::Relaxed) == 1 {
                (self.1)().await;
            }
            Ok(Credentials::new("AKID", "secret", None, None, "test"))
        })
    }
}

/// What another client of the clock receives in the meantime.
#[derive(Clone, Copy, Debug)]
enum Change {
    ServersClockIsSet,
    LocalClockIsRepaired,
    LocalClockIsSet,
}

#[tokio::test]
async fn a_resend_is_signed_with_the_correction_as_it_is_then() {
    for change in [
        Change::ServersClockIsSet,
        Change::LocalClockIsRepaired,
        Change::LocalClockIsSet,
    ] {
        for integration in SDK_AND_ALL {
            let world = World::with_skew(-20 * MINUTE);
            let wire = Wire::new(&world, minutes(5));
            let clock = world.skew_clock();
            let base = config_in(&world, wire.clone(), AWS);
            let other = sqs_of(integration, &base, &clock);
            let (there, here) = (wire.clone(), world.clone());
            let hook = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
                match change {
                    Change::ServersClockIsSet => there.set_ahead(HOUR),
                    Change::LocalClockIsRepaired => here.set_skew(0),
                    Change::LocalClockIsSet => here.set_skew(2 * HOUR),
                }
                let other = other.clone();
                Box::pin(async move { assert_eq!(receive(&other, QUEUE).await, Ok(())) })
            };
            let provider = Meanwhile(Arc::default(), Arc::new(hook));
            let config = base.into_builder();
            let provider_of = SharedCredentialsProvider::new(provider.clone());
            let config = config.credentials_provider(provider_of).build();
            let sqs = sqs_of(integration, &config, &clock);
            assert_eq!(
                receive(&sqs, QUEUE).await,
                Ok(()),
                "{change:?} {integration:?}"
            );
            let loads = provider.0.load(Ordering::Relaxed);
            assert_eq!(
                loads > 1,
                integration.is_some(),
                "{change:?} {integration:?}"
            );
            let again = integration.is_some() && matches!(change, Change::ServersClockIsSet);
            assert_eq!(
                wire.rejected(),
                1 + usize::from(again),
                "{change:?} {integration:?}"
            );
        }
    }
}

/// A server that states no time rejects a request that was signed before AWS stated the time.
#[tokio::test(start_paused = true)]
async fn an_error_without_a_time_is_judged_by_a_correction_that_came_in_between() {
    for integration in SDK_AND_ALL {
        let world = World::with_skew(-20 * MINUTE);
        let clock = world.skew_clock();
        let aws = Wire::new(&world, minutes(5));
        let other = Wire::with_manner(&world, minutes(5), Manner::ByCode);
        other.leave_out_dates();
        let sqs = sqs_of(integration, &config_in(&world, aws, AWS), &clock);
        // With Tokio's timer: the world's sleep returns at once, so the held request would time
        // out.
        let on_other = config_on(&other, OTHER)
            .into_builder()
            .time_source(world.clone());
        let elsewhere = sqs_of(integration, &on_other.build(), &clock);
        other.hold(2);
        let held = elsewhere.clone();
        let held = tokio::spawn(async move { receive(&held, QUEUE).await.is_ok() });
        while other.sent() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(receive(&sqs, QUEUE).await, Ok(()));
        let after = receive(&elsewhere, QUEUE).await.is_ok();
        let before = held.await.expect("it does not panic");
        let kept = integration.is_some();
        assert_eq!((before, after), (kept, kept), "{integration:?}");
        assert_eq!(
            other.rejected(),
            if kept { 1 } else { 2 },
            "{integration:?}"
        );
    }
}

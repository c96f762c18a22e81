//! [`install!`](crate::install): one line for one client.

use std::time::SystemTime;

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};

use crate::clock::SkewClock;
use crate::local_clock::LocalClock;

/// The time to sign with. Do not make it the time source of a client: signatures are
/// corrected without that, and everything else in a client (rate limiters, retry quotas,
/// stalled-stream protection) needs the uncorrected local clock.
impl TimeSource for SkewClock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

/// The local clock as a time source of the SDK.
#[derive(Debug)]
struct LocalTime(SkewClock);

impl TimeSource for LocalTime {
    fn now(&self) -> SystemTime {
        self.0.local().wall()
    }
}

impl SkewClock {
    /// Returns the local clock, uncorrected, as a time source for SDK clients.
    ///
    /// It reads the clock that was set with
    /// [`SkewClockBuilder::local_clock`](crate::SkewClockBuilder::local_clock), and never
    /// returns a time before 1970.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use aws_clock_skew::{ManualClock, SkewClock};
    /// use aws_smithy_async::time::TimeSource;
    ///
    /// let local = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    /// let clock = SkewClock::builder().local_clock(ManualClock::new(local)).build();
    /// assert_eq!(clock.local_time().now(), local);
    /// # }
    /// ```
    pub fn local_time(&self) -> SharedTimeSource {
        if self.local().is_system() {
            return SharedTimeSource::new(SystemTimeSource::new());
        }
        SharedTimeSource::new(LocalTime(self.clone()))
    }
}

/// Installs a [`SkewClock`] in the config builder of one client of any service.
///
/// The macro takes the builder and a reference to the clock, and returns the builder.
///
/// ```no_run
/// # fn wire(config: &aws_config::SdkConfig) -> aws_sdk_sqs::Client {
/// use aws_clock_skew::{SkewClock, install};
///
/// let clock = SkewClock::new();
/// let builder = aws_sdk_sqs::config::Builder::from(config);
/// aws_sdk_sqs::Client::from_conf(install!(builder, &clock).build())
/// # }
/// ```
///
/// It expands to calls of the builder's public methods: `push_auth_scheme`,
/// `retry_classifier`, `identity_cache`, `push_interceptor` and `time_source`, with
/// [`auth_scheme`](SkewClock::auth_scheme),
/// [`retry_classifier`](SkewClock::retry_classifier),
/// [`identity_cache`](SkewClock::identity_cache), [`interceptor`](SkewClock::interceptor)
/// and [`local_time`](SkewClock::local_time). It also wraps the builder's sleep
/// implementation, so that a resend does not wait a millisecond for a timer. It is a macro
/// because the builders of the services have no trait in common.
///
/// If a retry classifier of the client forbids the retry of a clock skew error, that call
/// fails, and the next one succeeds. See
/// [`SkewRetryClassifier`](crate::sdk::SkewRetryClassifier).
///
/// A client has one clock. If two are installed, the last one counts.
#[macro_export]
macro_rules! install {
    ($builder:expr, $clock:expr $(,)?) => {{
        let clock: &$crate::SkewClock = $clock;
        let mut builder = $crate::__push_auth_schemes!($builder, clock)
            .retry_classifier(clock.retry_classifier())
            .identity_cache(clock.identity_cache())
            .time_source(clock.local_time());
        // The SDK does not check before each hook of a permanent interceptor whether the
        // operation's config disables it.
        builder.push_interceptor($crate::__private::SharedInterceptor::permanent(
            clock.interceptor(),
        ));
        // Only a config shows the sleep implementation of its builder.
        let sleep_impl = builder.clone().build().sleep_impl();
        builder.set_sleep_impl($crate::__private::without_idle_timers(sleep_impl));
        builder
    }};
    ($($other:tt)*) => {
        ::core::compile_error!(
            "install! takes the config builder of a service and a `&SkewClock`: \
             `install!(aws_sdk_sqs::config::Builder::from(&config), &clock)`"
        )
    };
}

/// Pushes the auth schemes of a service, with the feature `sigv4a`. The SigV4a scheme is
/// pushed only for services that have it, since each scheme costs every call.
#[cfg(feature = "sigv4a")]
#[doc(hidden)]
#[macro_export]
macro_rules! __push_auth_schemes {
    ($builder:expr, $clock:ident) => {{
        let builder = $builder.push_auth_scheme($clock.auth_scheme());
        let has_sigv4a = {
            use $crate::__private::WithoutSigv4a as _;
            // Calls the builder's own method if there is one, and otherwise that of
            // `WithoutSigv4a`.
            $crate::__private::has_sigv4a(builder.clone().set_sigv4a_signing_region_set(None))
        };
        if has_sigv4a {
            builder.push_auth_scheme($clock.sigv4a_auth_scheme())
        } else {
            builder
        }
    }};
}

/// Pushes the auth scheme of a service, without the feature `sigv4a`.
#[cfg(not(feature = "sigv4a"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __push_auth_schemes {
    ($builder:expr, $clock:ident) => {
        $builder.push_auth_scheme($clock.auth_scheme())
    };
}

/// Items that the macro needs from crates that its user may not depend on.
#[doc(hidden)]
pub mod private {
    use std::future::ready;
    use std::time::Duration;

    use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep, default_async_sleep};
    pub use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
    #[cfg(feature = "sigv4a")]
    use aws_types::region::SigningRegionSet;

    /// Wraps a client's sleep implementation, or the SDK's default if the client has none.
    pub fn without_idle_timers(sleep: Option<SharedAsyncSleep>) -> Option<SharedAsyncSleep> {
        let sleep = sleep.or_else(default_async_sleep)?;
        Some(SharedAsyncSleep::new(WithoutIdleTimers(sleep)))
    }

    /// A sleep implementation that is ready at once for a duration of zero, which the SDK
    /// requests before our resend. Tokio's timer takes a millisecond for it.
    #[derive(Debug)]
    struct WithoutIdleTimers(SharedAsyncSleep);

    impl AsyncSleep for WithoutIdleTimers {
        fn sleep(&self, duration: Duration) -> Sleep {
            if duration.is_zero() {
                Sleep::new(ready(()))
            } else {
                self.0.sleep(duration)
            }
        }
    }

    /// Provides a method that only the config builders of services with SigV4a have.
    #[cfg(feature = "sigv4a")]
    pub trait WithoutSigv4a {
        /// Returns nothing, where the builder's own method returns the builder.
        fn set_sigv4a_signing_region_set(&mut self, _: Option<SigningRegionSet>) {}
    }

    #[cfg(feature = "sigv4a")]
    impl<B> WithoutSigv4a for B {}

    /// Returns whether the value comes from the builder's own method: it is a reference, and
    /// not `()`, which has no size.
    #[cfg(feature = "sigv4a")]
    pub fn has_sigv4a<R>(_: R) -> bool {
        size_of::<R>() > 0
    }
}

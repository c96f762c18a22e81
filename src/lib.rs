//! Corrects AWS clients on machines whose clock is wrong.
//!
//! # The problem
//!
//! A SigV4 signature contains the time at which it was made. If that time is 5 or 15
//! minutes off, AWS rejects the request: `Signature expired: … is now earlier than …`,
//! `Signature not yet current`, `RequestTimeTooSkewed`. So calls from a machine whose clock
//! is wrong fail, and the clocks of virtual machines, laptops and small devices are often
//! wrong. A machine whose clock is correct meets the same error if a request is delayed
//! between signing and arrival. The SDK has a simpler correction of its own since August
//! 2026; [`guide::comparison`] compares the two.
//!
//! One [`SkewClock`] is shared by all clients of a process. It shows the local time, bit
//! for bit, until a service rejects a request because of its time. The clock then takes the
//! server's time from the response. The request is re-signed and sent once more, and later
//! requests are signed with the corrected time. When the local clock is repaired, the
//! correction ends with the next read.
//!
//! # Quick start
//!
//! For every client of a process, including those inside credential providers:
//!
//! ```no_run
//! # #[cfg(feature = "aws-config")]
//! # async fn start() {
//! use aws_clock_skew::SkewClock;
//! use aws_config::BehaviorVersion;
//!
//! let clock = SkewClock::new();
//! let config = clock.configure(aws_config::defaults(BehaviorVersion::latest())).load().await;
//! let sqs = aws_sdk_sqs::Client::new(&config);
//! # }
//! ```
//!
//! For a single client:
//!
//! ```no_run
//! # #[cfg(feature = "aws-config")]
//! # fn wire(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) {
//! let builder = aws_sdk_sqs::config::Builder::from(config);
//! let sqs = aws_sdk_sqs::Client::from_conf(aws_clock_skew::install!(builder, clock).build());
//! # }
//! ```
//!
//! Both may be used together; a request is then still re-signed once. `SkewClock::apply` is
//! for a config that was loaded elsewhere. Other HTTP stacks use `SkewClock::layer` or
//! `SkewClock::signing_layer`, and programs without Tower or Tokio use
//! [`SkewClock::attempt`]. [`guide::recipes`] has recipes for object_store, opendal,
//! reqwest, hyper, axum and others. Clients keep the local clock as their time source. Only
//! signatures and the expiry of credentials use the corrected time.
//!
//! `SkewClock::synchronize` asks for the time before the first request is signed.
//!
//! # How it decides
//!
//! * The timestamps in the message of a clock skew error start, change and end the
//!   correction.
//! * The `Date` header of an error starts a *trial*: a time that is used for that host
//!   only. It becomes the correction when the host accepts a request signed with it, and it
//!   is removed when the host rejects one because of its time.
//! * The `Date` headers of successes end a correction if three in a row contradict it. They
//!   never start or change one. Other responses are not evidence.
//! * The local clock is wrong only if the server's time lies outside the interval between
//!   sending and the response. Otherwise the signature expired in transit, or another clock
//!   made it: the request is re-signed, and the correction does not change.
//! * A correction forward is limited ([`Limits`]). While an AWS endpoint confirms the
//!   clock, no other host changes it.
//!
//! # What it does not do
//!
//! * It does not set the local clock, and does not change presigned URLs: make them with
//!   `start_time(clock.now())`.
//! * It sends an attempt twice at most, and only if the body can be replayed. Otherwise the
//!   call fails, and the next one succeeds.
//! * The HTTP client and the layers re-sign a request only if they can reproduce its
//!   signature with their credentials. The HTTP client leaves S3 Express sessions and event
//!   streams to the SDK; the layers also leave bodies that are signed in chunks alone.
//! * It cannot help if TLS itself fails because of the clock, or if an upload takes longer
//!   than the service tolerates.
//! * One resend does not suffice if the machine was suspended, or its clock was set,
//!   between sending and the response, *and* its clock is wrong as well. That call fails.
//!   The second rejection updates the clock, and the next call succeeds.
//!
//! # What is logged
//!
//! Each [`SkewEvent`] is a log event with the target `aws_clock_skew` and its numbers as
//! fields, and a metric event with the target `aws_clock_skew::metrics` in the form that
//! `tracing-opentelemetry` collects. Each start, change and end of a correction is logged,
//! and at most one event a minute of each other kind. Bodies, credentials and signatures are
//! never logged. From headers, only the request id, the error code, the service in the
//! credential scope, and the times in `Date` and `x-amz-date` are logged.
//! [`guide::observability`] lists every event, field and metric. [`SkewClock::status`] returns
//! the present offset, and [`SkewClock::diagnose_response`] explains a failed call.
//!
//! # Features
//!
//! * `sdk` (default): the integrations for the AWS SDK for Rust.
//! * `aws-config` (default): `SkewClock::configure` and `SkewClock::apply`.
//! * `tower` (default): the layers.
//! * `sigv4a` (default): SigV4a, for S3 multi-region access points and EventBridge global
//!   endpoints.
//! * `serde`: `Serialize` for [`SkewStatus`] and [`SkewEvent`].
//! * `test-util`: `ManualClock`, for your tests.
//!
//! Without any of them, the crate has the core: [`evidence`], and a clock that [`Attempt`]
//! updates, for programs that have neither the SDK nor Tower.
//!
//! # Minimum supported Rust version
//!
//! 1.94.1, the same as the AWS SDK.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod diagnosis;
pub mod event;
pub mod evidence;
#[cfg(any(doc, doctest))]
pub mod guide;

mod attempt;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod buffered;
mod clock;
mod correction;
mod decide;
mod host;
mod interval;
mod judge;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod lifetime;
mod local_clock;
mod offset;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod recent;
mod report;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod resend;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod resign;
#[cfg(feature = "sdk")]
pub mod sdk;
mod sync;
#[cfg(any(feature = "aws-config", feature = "tower"))]
mod synchronize;
mod throttle;
mod timestamp;
#[cfg(feature = "tower")]
pub mod tower;
mod trust;

pub use attempt::{Attempt, NextStep};
pub use clock::{SkewClock, SkewClockBuilder, SkewStatus, SkewWatcher};
pub use diagnosis::Diagnosis;
pub use event::SkewEvent;
#[cfg(feature = "test-util")]
pub use local_clock::ManualClock;
pub use local_clock::{LocalClock, SystemClock};
pub use offset::ClockOffset;
#[cfg(feature = "sdk")]
#[doc(hidden)]
pub use sdk::private as __private;
#[cfg(any(feature = "aws-config", feature = "tower"))]
pub use synchronize::SynchronizeError;
pub use trust::Limits;

#[cfg(all(
    doctest,
    feature = "aws-config",
    feature = "tower",
    feature = "test-util"
))]
#[doc = include_str!("../README.md")]
struct Readme;

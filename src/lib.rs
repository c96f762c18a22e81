//! Corrects AWS clients on machines whose clock is wrong.
//!
//! # The problem
//!
//! A SigV4 signature holds the time at which it was made, and AWS refuses one that
//! is 5 or 15 minutes off: `Signature expired: … is now earlier than …`,
//! `Signature not yet current`, `RequestTimeTooSkewed`. A machine whose clock is
//! wrong cannot make a single call, and the clocks of virtual machines, laptops and
//! small devices are wrong more often than one thinks. The same error befalls a
//! machine whose clock is right, if a request is frozen between signing and
//! sending.
//!
//! # The picture
//!
//! ```text
//! response ──► evidence ──► judge ──► estimator ──► clock ──► signer
//!              what the     skew?     which         the       signs the
//!              server said  stale?    offset,       shared    next request,
//!                           key?      how sure      handle    or this one again
//! ```
//!
//! One [`SkewClock`] is shared by all clients of a process. It is the machine's
//! clock, bit for bit, until a service rejects a request because of its time; then
//! it takes the server's time from the text of the error, the request is signed and
//! sent once more, and everything that is signed afterwards is right. When the
//! machine's clock is repaired, the correction ends with the next read.
//!
//! # Quick start
//!
//! For every client of a process, those inside credential providers included:
//!
//! ```no_run
//! # #[cfg(feature = "aws-config")]
//! # async fn start() {
//! use aws_clock_skew::SkewClock;
//! use aws_config::BehaviorVersion;
//!
//! let skew = SkewClock::new();
//! let config = skew.configure(aws_config::defaults(BehaviorVersion::latest())).load().await;
//! let sqs = aws_sdk_sqs::Client::new(&config);
//! # }
//! ```
//!
//! For one client, see [`SkewClock::interceptor`]; both at once work, and correct
//! once. For other HTTP stacks, see [`SkewClock::layer`] and
//! [`SkewClock::signing_layer`]. [`SkewClock::synchronize`] asks for the time before
//! the first signature, if even the first request has to be right.
//!
//! # How it decides
//!
//! * Times in the words of a rejection start, move and end a correction. A `Date`
//!   beside a rejection that states no time, or beside a refusal that may have been
//!   one, does so provisionally: until a request signed by it is let through.
//! * A `Date` on an accepted answer can end a correction, when three in a row
//!   contradict it. It never starts or moves one. Other answers teach nothing.
//! * A rejection means that *our* clock is wrong only if the server's time does not
//!   fit between sending and the answer by our clock. Otherwise the signature was
//!   old, or somebody else's; it is made again, and nothing is learned.
//! * A correction forward is limited ([`Limits`]). While an AWS endpoint vouches for
//!   the clock, no other host moves it.
//!
//! # What it will not do
//!
//! It does not set the machine's clock, change presigned URLs (make them with
//! `start_time(skew.now())`), send one attempt a third time, or sign again what it
//! cannot prove to have been signed with the credentials at hand. It cannot help
//! where TLS itself fails because of the clock, where an upload takes longer than the
//! service's tolerance, or with SigV4a. One case is out of reach of one retry: the
//! machine froze, or its clock was set, between sending and the answer, *and* its clock
//! is wrong as well; then the second rejection teaches, and the next call is right.
//!
//! # What is logged
//!
//! Each [`Incident`] is one event of target `aws_clock_skew` with its numbers as
//! fields, at most one a minute of each kind, and metric events of target
//! `aws_clock_skew::metrics` in the form that `tracing-opentelemetry` collects. Bodies,
//! credentials and signatures are never logged; of headers only the request id, the
//! error code and the times in `Date` and `x-amz-date`.
//! [`guide::incidents`] lists every event, field and metric, with alerts and what
//! to do. [`SkewClock::status`] tells where the clock stands, and
//! [`SkewClock::diagnose`] what was wrong with a call that failed.
//!
//! # Features
//!
//! * `sdk` (default): the doors for the AWS SDK for Rust.
//! * `aws-config` (default): [`SkewClock::configure`].
//! * `tower` (default): the layers.
//! * `serde`: `Serialize` for [`SkewStatus`] and [`Incident`].
//! * `test-util`: `ManualClock`, for your tests.
//!
//! Without any of them there is the core: [`evidence`], and a clock that nobody
//! teaches.
//!
//! # How the code is laid out
//!
//! A file imports only what stands above it, and `tests/layering.rs` holds that.
//!
//! | file | what |
//! |---|---|
//! | `sync` | atomics and the mutex, exchanged where their interleavings are tried |
//! | `offset`, `interval` | signed distances between clocks, and ranges of them |
//! | `local_clock` | the machine's clocks; the one file that reads them |
//! | `host` | who answered, and whether that is AWS |
//! | `evidence` | what a response says of the time |
//! | `incident` | what happened, as a value |
//! | `judge` | one exchange → a verdict |
//! | `diagnosis` | what was wrong with a failed call, in words |
//! | `trust` | limits, and which of two servers has the last word |
//! | `estimator`, `ruling` | verdicts → what is known of the time, and what to do |
//! | `synchronize` | what unsigned answers say of the time |
//! | `word`, `ledger`, `report` | publishing it: to readers, counts, and `tracing` |
//! | `clock` | the handle; the one file with shared state |
//! | `resign`, `recent`, `buffered`, `resend` | prove, then sign and send again |
//! | `sdk`, `tower` | the doors |
//!
//! # Minimum supported Rust version
//!
//! 1.94.1, that of the AWS SDK.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "sdk", feature = "tower")),
    expect(
        dead_code,
        reason = "without a door there is nobody to teach the clock"
    )
)]

pub mod diagnosis;
pub mod evidence;
#[cfg(any(doc, doctest))]
pub mod guide;

#[cfg(any(feature = "sdk", feature = "tower"))]
mod buffered;
mod clock;
mod estimator;
mod host;
mod incident;
mod interval;
mod judge;
mod ledger;
mod local_clock;
mod offset;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod recent;
mod report;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod resend;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod resign;
mod ruling;
mod sync;
#[cfg(any(feature = "aws-config", feature = "tower"))]
mod synchronize;
mod timestamp;
#[cfg(feature = "tower")]
mod tower;
mod trust;
mod word;

#[cfg(feature = "sdk")]
mod sdk;

pub use clock::{SkewChanges, SkewClock, SkewClockBuilder, SkewStatus};
pub use diagnosis::Diagnosis;
pub use incident::{Facts, Incident, Label, Missing, NotResigned};
#[cfg(feature = "test-util")]
pub use local_clock::ManualClock;
pub use local_clock::{LocalClock, SystemClock};
pub use offset::ClockOffset;
#[cfg(feature = "sdk")]
pub use sdk::{SkewHttpClient, SkewIdentityCache, SkewInterceptor, SkewRetryClassifier};
#[cfg(any(feature = "aws-config", feature = "tower"))]
pub use synchronize::SynchronizeError;
#[cfg(feature = "tower")]
pub use tower::{Once, ReplayBody, Signing, SigningLayer, Skew, SkewBody, SkewFuture, SkewLayer};
pub use trust::Limits;

#[cfg(all(
    doctest,
    feature = "aws-config",
    feature = "tower",
    feature = "test-util"
))]
#[doc = include_str!("../README.md")]
struct Readme;

//! Corrects AWS clients on machines whose clock is wrong.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod evidence;

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
mod report;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod resend;
#[cfg(any(feature = "sdk", feature = "tower"))]
mod resign;
mod ruling;
#[cfg(feature = "tower")]
mod tower;
mod trust;
mod word;

#[cfg(feature = "sdk")]
mod sdk;

pub use clock::{SkewChanges, SkewClock, SkewClockBuilder, SkewStatus};
pub use incident::{Facts, Incident, Label, Missing, NotResigned};
#[cfg(feature = "test-util")]
pub use local_clock::ManualClock;
pub use local_clock::{LocalClock, SystemClock};
pub use offset::ClockOffset;
#[cfg(feature = "sdk")]
pub use sdk::{SkewHttpClient, SkewIdentityCache, SkewInterceptor, SkewRetryClassifier};
#[cfg(feature = "tower")]
pub use tower::{Once, ReplayBody, Signing, SigningLayer, Skew, SkewBody, SkewFuture, SkewLayer};
pub use trust::Limits;

#[cfg(all(doctest, feature = "sdk"))]
#[doc = include_str!("../README.md")]
struct Readme;

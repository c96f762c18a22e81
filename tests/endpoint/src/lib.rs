//! SQS, KMS and STS on loopback, for the tests and examples of `aws-clock-skew`.
//!
//! Requests arrive over real HTTP. `scratchstack-aws-signature` verifies their signatures and
//! shares no code with the SDK, nor with the crate under test. The endpoint reads no clock: the
//! server's time is a parameter, so the test decides which requests are early or late.
//!
//! ```text
//!  request ─► received whole ─► hold ─► before_verify ─► time, key, signature ─► deny
//!                                                                                 │
//!  answer ◄── after_verify ◄── Date stamped ◄── operation (SQS, KMS, STS) ◄───────┘
//! ```
//!
//! A rejected request skips the operation and still passes `after_verify`. The time is checked
//! before the signature and with the messages of AWS: the error for a request that is both late and
//! wrongly signed says that it is late.
//!
//! ```
//! use aws_clock_skew_endpoint::Endpoint;
//! use std::time::{Duration, SystemTime};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server_time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_466_340_000);
//! let endpoint = Endpoint::builder(move || server_time).start().await?;
//! endpoint.feed("orders", "a message");
//! assert_eq!(endpoint.counts().requests, 0);
//! # Ok(())
//! # }
//! ```

mod answer;
mod authorization;
mod builder;
mod counts;
mod credentials;
mod endpoint;
mod hold;
mod identifiers;
mod input;
mod kms;
mod lock;
mod request;
mod server;
mod settings;
mod sqs;
mod sts;
mod time;
mod verify;

pub use builder::EndpointBuilder;
pub use counts::{Counts, RequestRecord, Verdict};
pub use endpoint::Endpoint;
pub use hold::Hold;
pub use request::RequestInfo;

/// The default access key id.
pub const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

/// The secret of [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The account that owns all queues and keys.
pub const ACCOUNT_ID: &str = "123456789012";

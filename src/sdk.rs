//! The doors for the AWS SDK for Rust.

#[cfg(feature = "aws-config")]
mod configure;
mod diagnose;
mod http_client;
mod identity_cache;
mod interceptor;
mod limiter;
mod metadata_session;
mod native;
mod operation;
mod retry_classifier;
#[cfg(feature = "aws-config")]
mod synchronize;
mod time_source;

pub use http_client::SkewHttpClient;
pub use identity_cache::SkewIdentityCache;
pub use interceptor::SkewInterceptor;
pub use retry_classifier::SkewRetryClassifier;

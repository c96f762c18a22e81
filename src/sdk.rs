//! The integrations for the AWS SDK for Rust.

mod auth_scheme;
mod components;
#[cfg(feature = "aws-config")]
mod configure;
mod credentials;
mod default_http_client;
mod diagnose;
mod http_client;
mod identity_cache;
mod install;
mod interceptor;
mod operation;
mod retry_classifier;
mod sdk_correction;

pub use auth_scheme::SkewAuthScheme;
pub(crate) use components::minimal_components;
pub use default_http_client::default_http_client;
pub use http_client::SkewHttpClient;
pub use identity_cache::SkewIdentityCache;
#[doc(hidden)]
pub use install::private;
pub use interceptor::SkewInterceptor;
pub use retry_classifier::SkewRetryClassifier;

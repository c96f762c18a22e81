//! Logs in JSON, and metrics for Prometheus. Copy this file into your service.

use std::io;

use opentelemetry_prometheus::exporter;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::MetricsLayer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The metrics for Prometheus. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Telemetry {
    registry: Registry,
    /// Dropping it ends the collection.
    _provider: SdkMeterProvider,
}

impl Telemetry {
    /// Returns the metrics and the subscriber that records them. `filter` is only for the log.
    ///
    /// # Errors
    ///
    /// If the exporter cannot be registered.
    pub(crate) fn new<W>(
        filter: EnvFilter,
        log: W,
    ) -> Result<(Self, impl Subscriber + Send + Sync), OTelSdkError>
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let registry = Registry::new();
        let reader = exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        // Each layer has its own filter. With one filter for all, `RUST_LOG=error` would also remove
        // the metrics, because their events have the level INFO.
        let metrics_only = Targets::new().with_target("aws_clock_skew::metrics", LevelFilter::INFO);
        let no_metrics = Targets::new()
            .with_default(LevelFilter::TRACE)
            .with_target("aws_clock_skew::metrics", LevelFilter::OFF);
        let subscriber = tracing_subscriber::registry()
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(log)
                    .with_filter(no_metrics)
                    .with_filter(filter),
            )
            .with(MetricsLayer::new(provider.clone()).with_filter(metrics_only));
        let telemetry = Self {
            registry,
            _provider: provider,
        };
        Ok((telemetry, subscriber))
    }

    /// Returns the page that Prometheus scrapes.
    ///
    /// # Errors
    ///
    /// If a metric cannot be encoded.
    pub(crate) fn scrape(&self) -> io::Result<String> {
        let families = self.registry.gather();
        let text = TextEncoder::new().encode_to_string(&families);
        text.map_err(io::Error::other)
    }
}

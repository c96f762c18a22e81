//! The service: it accepts orders and shows the state of its clock.

use aws_clock_skew::{SkewClock, SkewStatus};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::telemetry::Telemetry;

/// The state that all requests share.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) queue_url: String,
    pub(crate) clock: SkewClock,
    pub(crate) telemetry: Telemetry,
}

impl Service {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(health))
            .route("/metrics", get(metrics))
            .route("/orders", post(order))
            .with_state(self)
    }
}

/// A correction is no failure, since calls succeed. The body shows the correction, and an alert
/// reports it.
async fn health(State(service): State<Service>) -> Json<SkewStatus> {
    Json(service.clock.status())
}

async fn metrics(State(service): State<Service>) -> Result<String, StatusCode> {
    // Refreshes the gauges, and ends a correction if the local clock was repaired.
    service.clock.status();
    let page = service.telemetry.scrape();
    page.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn order(
    State(service): State<Service>,
    order: String,
) -> Result<String, (StatusCode, String)> {
    let message = service.sqs.send_message().queue_url(&service.queue_url);
    match message.message_body(order).send().await {
        Ok(sent) => Ok(sent.message_id.unwrap_or_default()),
        Err(error) => {
            let diagnosis = service.clock.diagnose_error(&error);
            tracing::error!(%diagnosis, advice = diagnosis.advice(), "the order failed");
            Err((StatusCode::BAD_GATEWAY, diagnosis.to_string()))
        }
    }
}

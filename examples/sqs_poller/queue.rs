//! The server: a queue and a producer of messages.

use super::machine::true_time;
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Endpoint};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use std::{io, sync::Arc, time::Duration};

/// A queue, and the config of its clients.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) url: String,
    pub(crate) config: SdkConfig,
    /// The endpoint on loopback, unless the queue is at AWS.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
}

impl Queue {
    /// Returns a queue at AWS. The region and the credentials come from the environment.
    pub(crate) async fn at_aws(url: &str) -> Self {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Self {
            url: url.to_owned(),
            config,
            endpoint: None,
        }
    }

    /// Starts an endpoint with the true time, and a producer that sends [`MESSAGES`] messages to its
    /// queue.
    ///
    /// `secret` is the client's secret key.
    ///
    /// # Errors
    ///
    /// If no port of the loopback device can be bound.
    pub(crate) async fn embedded(secret: &str, sends_date: bool) -> io::Result<Self> {
        let endpoint = Endpoint::builder(true_time)
            .send_date(sends_date)
            .start()
            .await?;
        let endpoint = Arc::new(endpoint);
        // The first message creates the queue.
        endpoint.feed(NAME, order(0));
        tokio::spawn(produce(Arc::clone(&endpoint)));
        let credentials = Credentials::new(ACCESS_KEY_ID, secret, None, None, "example");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint.url())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Ok(Self {
            url: endpoint.queue_url(NAME),
            config,
            endpoint: Some(endpoint),
        })
    }
}

/// Sends all messages except the first, in bursts.
async fn produce(endpoint: Arc<Endpoint>) {
    let mut numbers = 1..MESSAGES;
    for burst in [2, 10, 1, 4, 2] {
        tokio::time::sleep(PAUSE).await;
        for number in numbers.by_ref().take(burst) {
            endpoint.feed(NAME, order(number));
        }
    }
}

fn order(number: usize) -> String {
    format!("order {}", number + 1)
}

/// How many messages the producer sends.
pub(crate) const MESSAGES: usize = 20;

const NAME: &str = "orders";
const PAUSE: Duration = Duration::from_millis(200);

//! Asks a server for the time.

use std::time::{Duration, SystemTime};

use aws_clock_skew::LocalClock;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// The range of server time − local time, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Range {
    pub(crate) fn intersect(self, other: Self) -> Option<Self> {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        (low <= high).then_some(Self { low, high })
    }

    pub(crate) const fn middle(self) -> i64 {
        i64::midpoint(self.low, self.high)
    }

    /// Returns the largest error of the middle.
    pub(crate) const fn margin(self) -> i64 {
        (self.high - self.low + 1) / 2
    }

    /// Returns the distance of zero from the range.
    pub(crate) const fn distance(self) -> i64 {
        match (self.low > 0, self.high < 0) {
            (true, _) => self.low,
            (_, true) => -self.high,
            _ => 0,
        }
    }
}

/// The result of asking one server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) answers: usize,
    /// `None` if it did not answer, or its answers contradict each other.
    pub(crate) range: Option<Range>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) trouble: Option<String>,
}

/// Asks a server [`QUESTIONS`] times, and intersects the ranges of its answers.
pub(crate) async fn ask(machine: &dyn LocalClock, url: &str, pause: Duration) -> Server {
    let connector = Connector::builder();
    let connector = connector
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build();
    let name = url.split("://").last().unwrap_or(url);
    let mut server = Server {
        name: name.trim_end_matches('/').to_owned(),
        answers: 0,
        range: None,
        round_trip: None,
        trouble: None,
    };
    for question in 0..QUESTIONS {
        if question > 0 {
            tokio::time::sleep(pause).await;
        }
        let (wall, mono) = (machine.wall(), machine.monotonic());
        let date = tokio::time::timeout(PATIENCE, date_of(&connector, url)).await;
        let elapsed = machine.monotonic().saturating_sub(mono);
        match date.unwrap_or_else(|_| Err("no response in time".into())) {
            Ok(date) => {
                // The server wrote the date between the two readings. It cut the time to the
                // second, and may have reused the date for another second.
                let sample = Range {
                    low: millis_between(wall + elapsed, date),
                    high: millis_between(wall, date) + 2_000,
                };
                let before = server.range.unwrap_or(sample);
                server.range = before.intersect(sample);
                server.answers += 1;
                let shortest = server.round_trip.unwrap_or(elapsed).min(elapsed);
                server.round_trip = Some(shortest);
                if server.range.is_none() {
                    server.trouble = Some("its Date headers contradict each other".into());
                    break;
                }
            }
            Err(error) => server.trouble = Some(root_of(&*error)),
        }
    }
    server
}

async fn date_of(
    connector: &Connector,
    url: &str,
) -> Result<SystemTime, Box<dyn std::error::Error>> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method("HEAD")?;
    request.set_uri(url)?;
    let response = connector.call(request).await?;
    let date = response.headers().get("date").ok_or("no Date header")?;
    if response.headers().contains_key("age") {
        return Err("the response is from a cache".into());
    }
    Ok(httpdate::parse_http_date(date)?)
}

/// Returns the innermost cause, which is the most specific one.
fn root_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

fn millis_between(from: SystemTime, to: SystemTime) -> i64 {
    let millis = |distance: Duration| i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(ahead) => millis(ahead),
        Err(behind) => -millis(behind.duration()),
    }
}

const QUESTIONS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(5);

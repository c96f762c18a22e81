//! Asks a server for the time before the first signature, with one unsigned request.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::{SkewClock, SkewStatus};
use crate::correction::Objection;
use crate::decide::{self, Exchange};
use crate::evidence::{Evidence, Sample, Strength};
use crate::host::Host;
use crate::judge::{OffsetSample, RoundTrip, SignedBy, WORTH_A_CORRECTION};
use crate::offset::ClockOffset;

type BoxError = Box<dyn Error + Send + Sync>;

impl SkewClock {
    /// Sends `head`, a request to `url`, and corrects the clock by the `Date` of the
    /// response if the clock cannot be correct.
    pub(crate) async fn ask(
        &self,
        url: &str,
        head: impl Future<Output = Result<Evidence, BoxError>>,
    ) -> Result<SkewStatus, SynchronizeError> {
        let host = authenticated(url)?;
        let sent = self.reading();
        let evidence = head.await.map_err(SynchronizeError::NoAnswer)?;
        let received = self.reading();
        let trip = RoundTrip {
            signed_at: None,
            signed_by: SignedBy::Other,
            sent,
            received,
        };
        let date = evidence.date().ok_or(SynchronizeError::NoDate)?;
        let sample = OffsetSample::of(Sample::from_date(date, Strength::Date), &trip);
        let exchange = Exchange {
            trip,
            evidence: &evidence,
            host: Some(&host),
            service: None,
            operation: None,
            is_resend: false,
        };
        self.change(received, |clock| {
            decide::clear_outdated(clock, received);
            let ours = ClockOffset::from_monotonic(clock.now(received), received.monotonic);
            if sample.interval.distance_to(ours) < WORTH_A_CORRECTION {
                return Ok(());
            }
            let adopted = decide::adopt(clock, &exchange, &sample, received);
            adopted.map_err(|objection| match objection {
                Objection::Limit => SynchronizeError::LimitExceeded,
                Objection::Host(_) => SynchronizeError::HostsDisagree,
            })
        })?;
        Ok(self.status())
    }
}

/// Returns the host of a URL, if TLS authenticates it or it is on loopback.
fn authenticated(url: &str) -> Result<Host, SynchronizeError> {
    let host = Host::of_uri(url).ok_or(SynchronizeError::NoEndpoint)?;
    let address = host.name().trim_matches(['[', ']']).parse::<IpAddr>();
    let is_loopback =
        host.name() == "localhost" || address.is_ok_and(|address| address.is_loopback());
    (host.is_tls() || is_loopback)
        .then_some(host)
        .ok_or(SynchronizeError::Insecure)
}

/// Error of a synchronization. The clock is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum SynchronizeError {
    /// The config has neither an endpoint nor a region, or the URL has no host.
    NoEndpoint,
    /// The config has no HTTP client, and the SDK was built without one.
    NoHttpClient,
    /// The endpoint is plain HTTP on another machine, so its response is not authenticated.
    Insecure,
    /// No response came in time.
    NoAnswer(BoxError),
    /// The response had no usable `Date`.
    NoDate,
    /// The server's time is too far ahead; see
    /// [`Limits::with_max_forward`](crate::Limits::with_max_forward).
    LimitExceeded,
    /// An AWS endpoint has confirmed another time, or another server has just stated one.
    HostsDisagree,
}

impl fmt::Display for SynchronizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "the config has neither an endpoint nor a region",
            Self::NoHttpClient => "the config has no HTTP client",
            Self::Insecure => "a response over plain HTTP is not authenticated",
            Self::NoAnswer(_) => "no response came",
            Self::NoDate => "the response had no credible date",
            Self::LimitExceeded => "the server's time is too far ahead",
            Self::HostsDisagree => "another server states another time",
        })
    }
}

impl Error for SynchronizeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoAnswer(source) => Some(&**source),
            _ => None,
        }
    }
}

/// How long to wait for a response. This includes making the connection, and a DNS query
/// that may have to be repeated.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_accepted_from_loopback_only() {
        for (url, is_trusted) in [
            ("https://sts.us-east-1.amazonaws.com", true),
            ("https://minio.example:9000", true),
            ("http://127.0.0.1:8000", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:8000", true),
            ("http://localhost:8000", true),
            ("http://sts.us-east-1.amazonaws.com", false),
            ("http://169.254.169.254", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("/path", false),
        ] {
            assert_eq!(authenticated(url).is_ok(), is_trusted, "{url}");
        }
    }
}

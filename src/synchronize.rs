//! What unsigned answers say of the time, before anything was signed.
//!
//! Pure: dates and readings in, a lesson out.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::evidence::{Sample, Strength};
use crate::host::Host;
use crate::interval::Interval;
use crate::judge::{OffsetSample, RoundTrip, SignedBy, WORTH_A_CORRECTION};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

/// What the answers have in common so far.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    common: Option<Common>,
    /// Why the last question without an answer had none.
    failure: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug)]
struct Common {
    /// Server − boot clock.
    interval: Interval,
    received: Duration,
}

impl Samples {
    /// Hears how a question ended that was asked between these readings: with a `Date`
    /// that can be believed, without, or not at all.
    ///
    /// # Errors
    ///
    /// If no time fits the `Date` and those before.
    pub(crate) fn hear(
        &mut self,
        answer: Result<Option<SystemTime>, Box<dyn Error + Send + Sync>>,
        sent: Reading,
        received: Reading,
    ) -> Result<(), SynchronizeError> {
        match answer {
            Ok(Some(date)) => self.take(date, sent, received)?,
            Ok(None) => {}
            Err(failure) => self.failure = Some(failure),
        }
        Ok(())
    }

    /// Takes a `Date` that was stamped between these readings.
    ///
    /// # Errors
    ///
    /// If no time fits it and those before.
    fn take(
        &mut self,
        date: SystemTime,
        sent: Reading,
        received: Reading,
    ) -> Result<(), SynchronizeError> {
        let trip = RoundTrip {
            signed_at: None,
            signed_by: SignedBy::Other,
            sent,
            received,
        };
        let sample = trip.interval_of_date(date);
        let common = match self.common {
            None => sample,
            Some(common) => sample.and_then(|sample| {
                // The boot clock may have drifted between the two.
                let widened = common.interval.widened(ROUNDING);
                widened.intersect(sample)
            }),
        };
        self.common = Some(Common {
            interval: common.ok_or(SynchronizeError::Contradictory)?,
            received: received.boot,
        });
        Ok(())
    }

    /// Returns what is to be learned where our clock shows `now` at `reading`:
    /// nothing if that may be right, give or take two minutes.
    ///
    /// # Errors
    ///
    /// If no question was answered with a `Date`.
    pub(crate) fn sample(
        &mut self,
        reading: Reading,
        now: SystemTime,
    ) -> Result<Option<OffsetSample>, SynchronizeError> {
        let Common { interval, received } = self.common.ok_or_else(|| {
            let failure = self.failure.take();
            failure.map_or(SynchronizeError::NoDate, SynchronizeError::NoAnswer)
        })?;
        let ours = ClockOffset::from_boot(now, reading.boot);
        if interval.distance_to(ours) < WORTH_A_CORRECTION {
            return Ok(None);
        }
        // A server stamps at once, and cuts off half a second in the mean.
        let point = interval.clamp(interval.earliest().plus(HALF_A_SECOND));
        let server_time = point.at_boot(received);
        Ok(Some(OffsetSample {
            point,
            interval,
            at: received,
            stated: Sample {
                earliest: server_time,
                latest: server_time,
                best: server_time,
                strength: Strength::Date,
            },
        }))
    }
}

/// Returns whom a URL leads to, if nobody on the way can answer in its place.
///
/// # Errors
///
/// If the URL has no host, or is plain HTTP to another machine.
pub(crate) fn authenticated(url: &str) -> Result<Host, SynchronizeError> {
    let host = Host::of_uri(url).ok_or(SynchronizeError::NoEndpoint)?;
    if host.is_tls() || is_loopback(host.name()) {
        Ok(host)
    } else {
        Err(SynchronizeError::Insecure)
    }
}

fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Why a clock could not be synchronized. It is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum SynchronizeError {
    /// The config names neither an endpoint nor a region, or a URL has no host.
    NoEndpoint,
    /// The config has no HTTP client, and the SDK was built without one.
    NoHttpClient,
    /// The endpoint is plain HTTP on another machine, where anybody can answer.
    Insecure,
    /// No answer came, or not in time.
    NoAnswer(Box<dyn Error + Send + Sync>),
    /// No response had a usable `Date`.
    NoDate,
    /// No time fits all answers.
    Contradictory,
    /// The server's time is too far ahead to be followed; see
    /// [`Limits::with_forward`](crate::Limits::with_forward).
    Refused,
    /// An AWS endpoint has confirmed another time, or another server has just stated one.
    Disputed,
}

impl fmt::Display for SynchronizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "there is neither an endpoint nor a region to ask in",
            Self::NoHttpClient => "there is no HTTP client to ask with",
            Self::Insecure => "over plain HTTP anybody can state the time",
            Self::NoAnswer(_) => "no answer came",
            Self::NoDate => "no answer had a date that can be believed",
            Self::Contradictory => "the answers contradict each other",
            Self::Refused => "the server's time is too far ahead to be followed",
            Self::Disputed => "another server vouches for another time",
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

/// How often a server is asked: the first answer may come late, over a connection
/// that is yet to be made.
pub(crate) const SAMPLES: usize = 3;
/// How long it is waited for each answer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(5);
const HALF_A_SECOND: Duration = Duration::from_millis(500);
/// Offsets are in milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(millis: u64) -> Reading {
        Reading {
            wall: SystemTime::UNIX_EPOCH + Duration::from_millis(1_900_000_000_000 + millis),
            boot: Duration::from_millis(50_000 + millis),
        }
    }

    #[test]
    fn samples_narrow_the_range_until_they_contradict() {
        let truth = |millis: u64| reading(millis).wall + Duration::from_hours(48);
        let cut = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
        };
        let mut samples = Samples::default();
        samples
            .take(cut(truth(900)), reading(0), reading(1_700))
            .unwrap();
        let wide = samples.common.unwrap().interval;
        samples
            .take(cut(truth(2_950)), reading(2_940), reading(2_960))
            .unwrap();
        let narrow = samples.common.unwrap().interval;
        let now = reading(2_960);
        let sample = samples.sample(now, now.wall).unwrap().unwrap();
        let right = ClockOffset::from_boot(truth(2_960), now.boot);
        assert!(wide.contains(right) && narrow.contains(right));
        assert!(narrow.worst_error_of(right) < wide.worst_error_of(right));
        let error = sample.point.since(right).magnitude();
        assert!(error <= Duration::from_secs(1), "{error:?}");
        let lie = truth(3_000) + Duration::from_secs(10);
        let outcome = samples.take(lie, reading(3_000), reading(3_010));
        assert!(matches!(outcome, Err(SynchronizeError::Contradictory)));
    }

    #[test]
    fn a_clock_that_may_be_right_within_two_minutes_learns_nothing() {
        for (seconds, learns) in [(0, false), (119, false), (121, true)] {
            let mut samples = Samples::default();
            let date = reading(0).wall + Duration::from_secs(seconds);
            samples.take(date, reading(0), reading(0)).unwrap();
            let sample = samples.sample(reading(0), reading(0).wall).unwrap();
            assert_eq!(sample.is_some(), learns, "{seconds}");
        }
        let sample = Samples::default().sample(reading(0), reading(0).wall);
        assert!(matches!(sample, Err(SynchronizeError::NoDate)));
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (url, is_trusted) in [
            ("https://sts.us-east-1.amazonaws.com", true),
            ("https://minio.lab.example:9000", true),
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

//! [`Exchange`]: one request and its response, as an integration passes them to the core.

use std::time::{Duration, SystemTime};

use crate::correction::ClockState;
use crate::event::{Details, Label};
use crate::evidence::Evidence;
use crate::host::Host;
use crate::judge::RoundTrip;
use crate::local_clock::Reading;
use crate::offset::distance;

/// One signed request and its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) trip: RoundTrip,
    pub(crate) evidence: &'a Evidence,
    pub(crate) host: Option<&'a Host>,
    pub(crate) service: Option<&'a str>,
    pub(crate) operation: Option<&'a str>,
    /// The request was re-signed, and this is the response to the resend.
    pub(crate) is_resend: bool,
}

impl Exchange<'_> {
    /// Returns the name of the host, or an empty string if the host is not known.
    pub(super) fn host_name(&self) -> &str {
        self.host.map_or("", Host::name)
    }

    /// Returns the numbers and names of this exchange for an event, with the present
    /// correction.
    pub(crate) fn details(&self, state: &ClockState, reading: Reading) -> Details {
        let evidence = self.evidence;
        Details {
            offset: Some(state.offset(reading)),
            uncertainty: state
                .correction()
                .map(|correction| correction.uncertainty(reading.monotonic)),
            age: self.age(),
            time_source: evidence.sample().map(|sample| sample.source()),
            signed_at: self.trip.signed_at,
            server_time: self.server_time(),
            service: self.service.and_then(Label::of_service),
            method: self.operation.and_then(Label::new),
            server_address: self.host.and_then(|host| Label::new(host.name())),
            request_id: evidence.request_id().and_then(Label::new),
            error_type: evidence.error_code().and_then(Label::new),
            ..Details::default()
        }
    }

    /// Returns how old the signature was by the server's time. Returns `None` if the
    /// server's time is not known, or if the signature is for a later time.
    pub(super) fn age(&self) -> Option<Duration> {
        let (signed, server) = self.trip.signed_at.zip(self.server_time())?;
        server.duration_since(signed).ok()
    }

    fn server_time(&self) -> Option<SystemTime> {
        let stated = self.evidence.server_time();
        stated.or_else(|| Some(self.evidence.server_time_range()?.0))
    }

    /// Returns whether the response is a clock skew error about this request's signature.
    pub(super) fn is_skew_error(&self) -> bool {
        let signed_at = self.trip.signed_at;
        let is_another = signed_at.is_some_and(|time| self.evidence.is_about_another_request(time));
        self.evidence.clock_skew_error().is_some() && !is_another
    }

    /// Returns the `Date` of a response to a request that passed the timestamp check.
    /// Returns `None` if the response is a success and its `Date` is so far from the
    /// signature's time that no server would have accepted the signature. Other statuses
    /// are not checked: some servers answer 404 before they look at the signature.
    pub(super) fn credible_date(&self) -> Option<SystemTime> {
        let date = self.evidence.date()?;
        let signed_at = self.trip.signed_at?;
        let is_credible =
            !self.evidence.accepted() || distance(signed_at, date) <= WIDEST_TOLERANCE;
        is_credible.then_some(date)
    }
}

/// No service accepts a signature that is further than this from its own time.
const WIDEST_TOLERANCE: Duration = Duration::from_secs(900);

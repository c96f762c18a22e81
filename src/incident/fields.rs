//! [`Fields`]: the numbers and names of an incident, as logs and JSON have them.

use std::time::Duration;

use super::Facts;
use crate::offset::ClockOffset;
use crate::timestamp::iso_8601;

/// Absent where they are not known.
pub(crate) struct Fields<'a> {
    pub(crate) offset_ms: Option<i64>,
    pub(crate) previous_offset_ms: Option<i64>,
    pub(crate) uncertainty_ms: Option<u64>,
    pub(crate) age_ms: Option<u64>,
    pub(crate) source: Option<&'static str>,
    pub(crate) signed_at: Option<String>,
    pub(crate) server_time: Option<String>,
    pub(crate) service: Option<&'a str>,
    pub(crate) operation: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) other_host: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) error_code: Option<&'a str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(facts: &'a Facts) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            offset_ms: facts.offset.map(ClockOffset::as_millis),
            previous_offset_ms: facts.previous_offset.map(ClockOffset::as_millis),
            uncertainty_ms: facts.uncertainty.map(millis),
            age_ms: facts.age.map(millis),
            source: facts.source.map(|source| source.as_str()),
            signed_at: facts.signed_at.and_then(iso_8601),
            server_time: facts.server_time.and_then(iso_8601),
            service: facts.service.as_ref().map(|label| label.as_str()),
            operation: facts.operation.as_ref().map(|label| label.as_str()),
            host: facts.host.as_ref().map(|label| label.as_str()),
            other_host: facts.other_host.as_ref().map(|label| label.as_str()),
            request_id: facts.request_id.as_ref().map(|label| label.as_str()),
            error_code: facts.error_code.as_ref().map(|label| label.as_str()),
        }
    }
}

//! [`Fields`]: the numbers and names of an incident, as logs and JSON have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Facts;
use crate::offset::ClockOffset;

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

/// `2026-11-23T08:15:00.250Z`, or `None` before 1970.
pub(crate) fn iso_8601(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let seconds = since.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, by 400-year eras that begin on 1 March
    // (https://howardhinnant.github.io/date_algorithms.html).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60,
        since.subsec_millis()
    ))
}

//! The formats of the server's time.

use chrono::{DateTime, Utc};
use std::time::SystemTime;

/// Returns the time in whole seconds, which AWS compares and prints.
///
/// A year that the calendar type cannot hold becomes 1970.
pub(crate) fn utc(time: SystemTime) -> DateTime<Utc> {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let begun = i64::from(before.subsec_nanos() > 0);
            i64::try_from(before.as_secs()).map_or(i64::MIN, |whole| -whole - begun)
        }
    };
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// Formats for a `Date` header (RFC 9110, section 5.6.7).
pub(crate) fn http_date(time: SystemTime) -> String {
    utc(time).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Formats for an `Expiration` element of STS.
pub(crate) fn iso_8601(time: SystemTime) -> String {
    utc(time).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

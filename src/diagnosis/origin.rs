//! The probable reason why a clock is wrong.

use std::fmt;
use std::time::SystemTime;

use crate::evidence::is_plausible;
use crate::offset::ClockOffset;

/// The probable reason why a clock is wrong, judged by the size of its error.
///
/// Its `Display` is a sentence for people.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use aws_clock_skew::ClockOffset;
/// use aws_clock_skew::diagnosis::Origin;
///
/// let local = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let nine_hours = ClockOffset::from_millis(9 * 3_600_000);
/// assert_eq!(Origin::of(nine_hours, local), Origin::TimeZone);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// The clock shows a year before 2020: it has no battery, or a dead one.
    NoBattery,
    /// The error is the offset of a time zone: whole hours, for example.
    TimeZone,
    /// The error is whole years: the year is wrong, or a program writes the week-based
    /// year.
    Year,
    /// The error is days: the machine was suspended, or a snapshot was restored.
    Suspend,
    /// Any other error: probably nothing sets the clock.
    NoNtp,
}

impl Origin {
    /// Returns the probable origin of the error of a clock that shows `local`. `offset` is
    /// server time − local time.
    pub fn of(offset: ClockOffset, local: SystemTime) -> Self {
        let off_by = offset.as_millis().saturating_abs();
        let from = |unit: i64| (off_by % unit).min(unit - off_by % unit);
        let quarters = off_by.saturating_add(QUARTER / 2) / QUARTER;
        // Nepal, Eucla and the Chatham Islands are three quarters of an hour off.
        let is_zone = matches!(quarters, 23 | 35 | 51) || quarters % 2 == 0;
        if !is_plausible(local) && offset.as_millis() > YEAR {
            Self::NoBattery
        } else if (4..=56).contains(&quarters) && is_zone && from(QUARTER) < MINUTE {
            Self::TimeZone
        } else if off_by > YEAR / 2 && from(YEAR) <= DAY {
            Self::Year
        } else if off_by >= DAY {
            Self::Suspend
        } else {
            Self::NoNtp
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::advice::of_origin(*self).1)
    }
}

const MINUTE: i64 = 60_000;
const QUARTER: i64 = 15 * MINUTE;
const DAY: i64 = 96 * QUARTER;
/// A year of 365.25 days, so that four years are a whole number of days.
const YEAR: i64 = 365 * DAY + DAY / 4;

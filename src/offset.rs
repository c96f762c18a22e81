//! [`ClockOffset`]: the signed difference between two clocks.
//!
//! No other file converts between `SystemTime`, `Duration` and signed milliseconds.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The signed difference between two clocks, in whole milliseconds.
///
/// In this crate it is server time − local time, like the offset of NTP (RFC 5905):
/// positive if the local clock is behind, negative if it is ahead.
///
/// `{}` prints it in its two largest units, with "behind" or "ahead"; `{:+}` prints it with
/// a sign:
///
/// ```
/// use aws_clock_skew::ClockOffset;
///
/// let offset = ClockOffset::from_millis(2 * 24 * 3_600_000);
/// assert_eq!(offset.to_string(), "2 days behind");
/// assert_eq!(format!("{:+}", ClockOffset::from_millis(1_200_000)), "+20 min");
/// assert_eq!(ClockOffset::from_millis(-5_400_000).to_string(), "1 h 30 min ahead");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// The offset between two clocks that agree.
    pub(crate) const ZERO: Self = Self(0);

    /// Returns the offset of `millis` milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the offset in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns whether the two clocks agree to the millisecond.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns `to − from`, rounded down to a whole millisecond and saturated at the ends
    /// of the range (292 million years).
    pub(crate) fn between(from: SystemTime, to: SystemTime) -> Self {
        match to.duration_since(from) {
            Ok(ahead) => Self::from_duration(ahead),
            Err(behind) => {
                let millis = behind.duration().as_nanos().div_ceil(1_000_000);
                Self(-i64::try_from(millis).unwrap_or(i64::MAX))
            }
        }
    }

    /// Returns `time − mono`: the offset of a wall clock from the monotonic clock.
    ///
    /// The offset stays the same while both clocks run at the same rate, so a correction
    /// stores it.
    pub(crate) fn from_monotonic(time: SystemTime, mono: Duration) -> Self {
        Self::between(UNIX_EPOCH, time).minus(mono)
    }

    /// Returns the time that a clock with this offset from the monotonic clock shows when
    /// the monotonic clock shows `mono`. It is never before 1970, and is 1970 if the
    /// platform's `SystemTime` cannot hold the sum.
    pub(crate) fn at_monotonic(self, mono: Duration) -> SystemTime {
        let since_1970 = if self.0 >= 0 {
            mono.saturating_add(self.magnitude())
        } else {
            mono.saturating_sub(self.magnitude())
        };
        UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH)
    }

    /// Returns `time` plus the offset. The result is never before 1970, and is `time`
    /// itself if the platform's `SystemTime` cannot hold the sum.
    pub(crate) fn shift(self, time: SystemTime) -> SystemTime {
        let moved = if self.0 >= 0 {
            time.checked_add(self.magnitude())
        } else {
            time.checked_sub(self.magnitude())
        };
        // The SDK's adaptive retry limiter panics before 1970.
        moved.unwrap_or(time).max(UNIX_EPOCH)
    }

    /// Returns the offset without its sign.
    pub const fn magnitude(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }

    /// Returns a duration as an offset, saturated.
    pub(crate) fn from_duration(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }

    /// Returns `self + duration`, saturated.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_duration(duration).0))
    }

    /// Returns `self − duration`, saturated.
    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(Self::from_duration(duration).0))
    }

    /// Returns `self − other`, saturated.
    pub(crate) const fn since(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = match (f.sign_plus(), self.0) {
            (_, 0) => ("", ""),
            (true, 1..) => ("+", ""),
            (true, _) => ("-", ""),
            (false, 1..) => ("", " behind"),
            (false, _) => ("", " ahead"),
        };
        f.write_str(before)?;
        write_magnitude(f, self.0.unsigned_abs())?;
        f.write_str(after)
    }
}

/// Returns how far two times are apart.
pub(crate) fn distance(one: SystemTime, other: SystemTime) -> Duration {
    let since = one.duration_since(other);
    since.unwrap_or_else(|before| before.duration())
}

/// Writes the largest unit that is not zero and the next one, rounded. For example, half a
/// second less than two days is written as two days.
fn write_magnitude(f: &mut fmt::Formatter<'_>, millis: u64) -> fmt::Result {
    if millis < 1_000 {
        return write!(f, "{millis} ms");
    }
    let mut units = UNITS.iter().filter(|(unit, ..)| millis >= *unit);
    let precision = units.nth(1).map_or(1_000, |(unit, ..)| *unit);
    let mut rest = millis.saturating_add(precision / 2) / precision * precision;
    let mut separator = "";
    for (unit, one, many) in UNITS {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            write!(
                f,
                "{separator}{count} {}",
                if count == 1 { one } else { many }
            )?;
            separator = " ";
        }
    }
    Ok(())
}

const UNITS: [(u64, &str, &str); 4] = [
    (86_400_000, "day", "days"),
    (3_600_000, "h", "h"),
    (60_000, "min", "min"),
    (1_000, "s", "s"),
];

/// Returns a time as a signature states it, in whole seconds.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(millis: i64, words: &str, signed: &str) {
        let offset = ClockOffset::from_millis(millis);
        assert_eq!(offset.to_string(), words);
        assert_eq!(format!("{offset:+}"), signed);
    }

    #[test]
    fn is_shown_in_the_two_largest_units() {
        reads(0, "0 ms", "0 ms");
        reads(250, "250 ms behind", "+250 ms");
        reads(-1_400, "1 s ahead", "-1 s");
        reads(1_200_000, "20 min behind", "+20 min");
        reads(-32_400_000, "9 h ahead", "-9 h");
        reads(172_800_000, "2 days behind", "+2 days");
        reads(86_400_000 + 61_000, "1 day behind", "+1 day");
        reads(90_061_000, "1 day 1 h behind", "+1 day 1 h");
        reads(86_400_000 * 2 - 500, "2 days behind", "+2 days");
        reads(500 - 32_400_000, "9 h ahead", "-9 h");
        reads(1_199_700, "20 min behind", "+20 min");
        reads(3_599_900, "1 h behind", "+1 h");
        reads(95_000, "1 min 35 s behind", "+1 min 35 s");
    }

    #[test]
    fn shifting_saturates_at_both_ends() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(ClockOffset(-1_900_000_000_000).shift(now), UNIX_EPOCH);
        assert_eq!(
            ClockOffset(1_500).shift(now),
            now + Duration::from_millis(1_500)
        );
        assert!(ClockOffset(i64::MAX).shift(now) >= now);
    }

    #[test]
    fn a_time_survives_the_way_to_the_boot_clock_and_back() {
        let time = UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        let mono = Duration::from_millis(77_777);
        assert_eq!(
            ClockOffset::from_monotonic(time, mono).at_monotonic(mono),
            time
        );
        assert_eq!(
            ClockOffset::from_monotonic(time, mono).at_monotonic(mono + Duration::from_secs(5)),
            time + Duration::from_secs(5)
        );
    }

    #[test]
    fn between_rounds_towards_the_past() {
        let time = UNIX_EPOCH + Duration::from_secs(10);
        let half = Duration::from_micros(500);
        assert_eq!(ClockOffset::between(time, time + half), ClockOffset(0));
        assert_eq!(ClockOffset::between(time + half, time), ClockOffset(-1));
    }
}

//! The machine whose clock is wrong.

use aws_clock_skew::{ClockOffset, LocalClock, SystemClock};
use aws_smithy_async::time::TimeSource;
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// This machine with a wrong wall clock. Its monotonic clock is correct.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    skew: Skew,
}

impl Machine {
    /// Returns this machine with its clock off by `skew`.
    pub(crate) const fn new(skew: Skew) -> Self {
        Self { skew }
    }
}

impl LocalClock for Machine {
    fn wall(&self) -> SystemTime {
        self.skew.of(true_time())
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }
}

/// The time of a client without this crate.
impl TimeSource for Machine {
    fn now(&self) -> SystemTime {
        self.wall()
    }
}

/// Returns the time of the real local clock, which counts as the true time here.
pub(crate) fn true_time() -> SystemTime {
    SystemClock::new().wall()
}

/// How far a clock is off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Skew(ClockOffset);

impl Skew {
    /// A correct clock.
    pub(crate) const NONE: Self = Self(ClockOffset::from_millis(0));

    /// The clock of a virtual machine that was restored from a snapshot.
    pub(crate) const TWO_DAYS_BEHIND: Self = Self(ClockOffset::from_millis(2 * 86_400_000));

    /// Parses `-2d` (behind the true time), `+20m`, `9h` or `30s` (ahead of it).
    ///
    /// Returns `None` for anything else and for more than ten years. Up to that limit no sum of
    /// times overflows or is before 1970.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, amount) = match text.strip_prefix('-') {
            Some(amount) => (1, amount),
            None => (-1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, millis) = [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
        ]
        .into_iter()
        .find_map(|(unit, millis)| Some((amount.strip_suffix(unit)?, millis)))?;
        // The number could have a second sign.
        if !number.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let millis = number.parse::<i64>().ok()?.checked_mul(millis)?;
        (millis <= TEN_YEARS).then(|| Self(ClockOffset::from_millis(sign * millis)))
    }

    /// Returns the time of the clock at the true time `time`.
    fn of(self, time: SystemTime) -> SystemTime {
        let distance = Duration::from_millis(self.0.as_millis().unsigned_abs());
        if self.0.as_millis() > 0 {
            time - distance
        } else {
            time + distance
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            f.write_str("not shifted")
        } else {
            self.0.fmt(f)
        }
    }
}

/// In milliseconds.
const TEN_YEARS: i64 = 3_650 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_has_a_sign_and_a_unit() {
        for (text, offset_in_seconds) in [
            ("-2d", 172_800),
            ("-20m", 1_200),
            ("+20m", -1_200),
            ("9h", -32_400),
            ("30s", -30),
            ("0s", 0),
            ("-3650d", 3_650 * 86_400),
        ] {
            let offset = ClockOffset::from_millis(offset_in_seconds * 1_000);
            assert_eq!(Skew::parse(text), Some(Skew(offset)), "{text}");
        }
        for text in [
            "", "d", "-", "2", "-2 d", "--2d", "+-2d", "2w", "-3651d", "1.5h", "2é",
        ] {
            assert_eq!(Skew::parse(text), None, "{text}");
        }
        let most = format!("{}d", i64::MAX);
        assert_eq!(Skew::parse(&most), None);
    }

    #[test]
    fn a_clock_that_is_behind_shows_an_earlier_time() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let minute = Duration::from_secs(60);
        assert_eq!(Skew::parse("-1m").unwrap().of(noon), noon - minute);
        assert_eq!(Skew::parse("1m").unwrap().of(noon), noon + minute);
        assert_eq!(Skew::parse("-1m").unwrap().to_string(), "1 min behind");
    }
}

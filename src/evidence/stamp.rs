//! The layouts in which servers write a time.
//!
//! Texts are read squeezed (see [`super::plain`]): lower case, without blanks. The layouts stay
//! unambiguous, since every field but the day of an RFC 1123 date has a fixed width.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads the time a squeezed text begins with; returns it with the number of bytes it takes.
///
/// `None` for a time that is cut (a zone is part of it), out of range or in another layout.
pub(crate) fn read(text: &str) -> Option<(SystemTime, usize)> {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    match (digits, bytes.get(digits)) {
        (8, Some(b't')) => Some((basic(bytes.get(..16)?)?, 16)),
        (4, Some(b'-')) => Cursor::measure(bytes, Cursor::extended),
        (1 | 2, Some(_)) => Cursor::measure(bytes, Cursor::rfc1123),
        // Ten digits are seconds from 2001 to 2286, thirteen are milliseconds of the same years.
        (10, _) => Some((at(Cursor { rest: bytes }.number(10)?, 0)?, 10)),
        (13, _) => {
            let millis = Cursor { rest: bytes }.number(13)?;
            let nanos = u32::try_from(millis.rem_euclid(1000)).ok()? * 1_000_000;
            Some((at(millis.div_euclid(1000), nanos)?, 13))
        }
        (0, Some(_)) => Cursor::measure(bytes, |cursor| {
            (cursor.name(&WEEKDAYS).is_some() && cursor.take(b',')).then_some(())?;
            cursor.rfc1123()
        }),
        _ => None,
    }
}

/// Reads sixteen bytes of the layout that SigV4 signs, `20240522T115159Z`, in either case.
///
/// `None` for any other length or layout, and for a date that does not exist; a leap second
/// (`60`) is none, since the signing side never writes one.
pub(crate) fn basic(bytes: &[u8]) -> Option<SystemTime> {
    let mut cursor = Cursor { rest: bytes };
    let (year, month, day) = (cursor.number(4)?, cursor.number(2)?, cursor.number(2)?);
    cursor.take_letter(b't').then_some(())?;
    let time = (cursor.number(2)?, cursor.number(2)?, cursor.number(2)?);
    (cursor.take_letter(b'z') && cursor.rest.is_empty()).then_some(())?;
    at(seconds((year, month, day), time)?, 0)
}

/// Reads a `Date` header in the one format that RFC 9110 section 5.6.7 lets a server send.
///
/// The obsolete formats are refused: one has two-digit years, neither is sent by anyone who
/// answers signed requests.
pub(crate) fn http_date(value: &str) -> Option<SystemTime> {
    let value = value.trim_ascii();
    let fixed =
        value.len() == 29 && value.as_bytes().get(3) == Some(&b',') && value.ends_with(" GMT");
    fixed
        .then(|| httpdate::parse_http_date(value).ok())
        .flatten()
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn measure(
        bytes: &'a [u8],
        read: impl FnOnce(&mut Self) -> Option<SystemTime>,
    ) -> Option<(SystemTime, usize)> {
        let mut cursor = Self { rest: bytes };
        let time = read(&mut cursor)?;
        Some((time, bytes.len() - cursor.rest.len()))
    }

    /// `2023-10-27T10:00:00.573Z`, `2014-04-26T19:15:21-07:00`; the `T` may have been a blank.
    fn extended(&mut self) -> Option<SystemTime> {
        let year = self.number(4)?;
        self.take(b'-').then_some(())?;
        let month = self.number(2)?;
        self.take(b'-').then_some(())?;
        let day = self.number(2)?;
        self.take(b't');
        let time = self.time_of_day()?;
        let nanos = self.fraction()?;
        let seconds = seconds((year, month, day), time)?;
        at(seconds - self.zone()?, nanos)
    }

    /// `11aug201109:17:16gmt`, `3jan201717:40:25+0000`; the weekday is behind us.
    fn rfc1123(&mut self) -> Option<SystemTime> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let day = self.number(digits.clamp(1, 2))?;
        let month = self.name(&MONTHS)? + 1;
        let year = self.number(4)?;
        let time = self.time_of_day()?;
        let seconds = seconds((year, month, day), time)?;
        at(seconds - self.zone()?, 0)
    }

    fn time_of_day(&mut self) -> Option<(i64, i64, i64)> {
        let hour = self.number(2)?;
        self.take(b':').then_some(())?;
        let minute = self.number(2)?;
        self.take(b':').then_some(())?;
        Some((hour, minute, self.number(2)?))
    }

    /// Nanoseconds; digits beyond the ninth say nothing a `SystemTime` could hold.
    fn fraction(&mut self) -> Option<u32> {
        if !(self.take(b'.') || self.take(b',')) {
            return Some(0);
        }
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (fraction, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        let padded = fraction
            .iter()
            .copied()
            .chain(std::iter::repeat(b'0'))
            .take(9);
        (digits > 0).then(|| padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Seconds east of Greenwich.
    fn zone(&mut self) -> Option<i64> {
        if self.take(b'z') || self.literal(b"gmt") || self.literal(b"utc") {
            return Some(0);
        }
        let sign = match () {
            () if self.take(b'+') => 1,
            () if self.take(b'-') => -1,
            () => return None,
        };
        let hours = self.number(2)?;
        self.take(b':');
        let minutes = self.number(2)?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }

    /// A number of exactly so many digits: at most thirteen are asked for, which an `i64` holds.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        number.iter().all(u8::is_ascii_digit).then_some(())?;
        self.rest = rest;
        Some(
            number
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        )
    }

    fn name(&mut self, names: &[&[u8; 3]]) -> Option<i64> {
        let index = names.iter().position(|name| self.literal(*name))?;
        i64::try_from(index).ok()
    }

    fn literal(&mut self, literal: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(literal);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.literal(&[byte])
    }

    fn take_letter(&mut self, letter: u8) -> bool {
        self.take(letter) || self.take(letter.to_ascii_uppercase())
    }
}

/// Seconds since 1970 of a date and a time of day in UTC, or `None` if there is no such time.
fn seconds(
    (year, month, day): (i64, i64, i64),
    (hour, minute, second): (i64, i64, i64),
) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let exists = (1..=last).contains(&day) && hour < 24 && minute < 60 && second < 60;
    exists.then(|| days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `None` where the platform's `SystemTime` does not reach (Windows: before 1601).
fn at(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds {
        0.. => UNIX_EPOCH.checked_add(whole),
        _ => UNIX_EPOCH.checked_sub(whole),
    };
    time?.checked_add(Duration::new(0, nanos))
}

const WEEKDAYS: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

#[cfg(test)]
mod tests {
    use super::{basic, http_date, read};
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[track_caller]
    fn check(text: &str, millis: u64) {
        let expected = UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(read(text), Some((expected, text.len())), "{text}");
        let followed = format!("{text}isnowearlierthan");
        assert_eq!(read(&followed), Some((expected, text.len())), "{followed}");
    }

    #[track_caller]
    fn check_none(text: &str) {
        assert_eq!(read(text), None, "{text}");
    }

    #[test]
    fn every_layout_is_read() {
        check("20240522t115159z", 1_716_378_719_000);
        check("2024-05-22t11:51:59z", 1_716_378_719_000);
        check("2024-05-2211:51:59z", 1_716_378_719_000);
        check("2024-05-22t11:51:59.25z", 1_716_378_719_250);
        check("2024-05-22t11:51:59.250000000999z", 1_716_378_719_250);
        check("2024-05-22t04:51:59-07:00", 1_716_378_719_000);
        check("2024-05-22t20:51:59+0900", 1_716_378_719_000);
        check("wed,22may202411:51:59gmt", 1_716_378_719_000);
        check("22may202420:51:59+0900", 1_716_378_719_000);
        check("tue,3jan201717:40:25+0000", 1_483_465_225_000);
        check("2024-05-22t17:21:59+05:30", 1_716_378_719_000);
        check("20000229t000000z", 951_782_400_000);
        check("20240229t000000z", 1_709_164_800_000);
        check("1716378719", 1_716_378_719_000);
        check("1716378719250", 1_716_378_719_250);
    }

    #[test]
    fn what_is_cut_or_does_not_exist_is_not_read() {
        for whole in [
            "20240522t115159z",
            "2024-05-22t11:51:59.25z",
            "wed,22may202411:51:59gmt",
        ] {
            for end in 0..whole.len() {
                check_none(&whole[..end]);
            }
        }
        check_none("20240522t115160z");
        check_none("20240522t245159z");
        check_none("20230229t115159z");
        check_none("21000229t115159z");
        check_none("20240431t115159z");
        check_none("20240522t116000z");
        check_none("2024-05-22t11:51:59.z");
        check_none("2024-05-22t11:51:59+09:60");
        check_none("20240022t115159z");
        check_none("2024-05-32t11:51:59z");
        check_none("2024-05-22t11:51:59");
        check_none("2024-05-22t11:51:59+24:00");
        check_none("99may202411:51:59gmt");
        check_none("17163787192");
        assert_eq!(basic(b"20240522T115159Z0"), None);
    }

    #[test]
    fn only_one_format_of_a_date_header_is_read() {
        let expected = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(http_date(" Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), None);
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), None);
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 UTC"), None);
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"),
            None
        );
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 EST"), None);
        assert_eq!(http_date(""), None);
        assert_eq!(http_date("Mon, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(http_date("Wed, 31 Dec 1969 23:59:59 GMT"), None);
    }

    fn squeezed(text: &str) -> String {
        text.split_whitespace()
            .collect::<String>()
            .to_ascii_lowercase()
    }

    proptest! {
        // The oracle writes years 0001 to 9999.
        #[test]
        fn agrees_with_smithy(seconds in -62_135_596_800_i64..253_402_300_800, millis in 0..1000_u32) {
            let oracle = DateTime::from_secs_and_nanos(seconds, millis * 1_000_000);
            let expected = SystemTime::try_from(oracle).unwrap();
            let iso = squeezed(&oracle.fmt(Format::DateTime).unwrap());
            prop_assert_eq!(read(&iso), Some((expected, iso.len())));

            let whole = DateTime::from_secs(seconds);
            let expected = SystemTime::try_from(whole).unwrap();
            let http = squeezed(&whole.fmt(Format::HttpDate).unwrap());
            prop_assert_eq!(read(&http), Some((expected, http.len())));
            let sixteen = whole.fmt(Format::DateTime).unwrap().replace(['-', ':'], "");
            prop_assert_eq!(basic(sixteen.as_bytes()), Some(expected));
        }

        #[test]
        fn no_text_panics(text in "[0-9a-z:.,+\\-]{0,40}") {
            read(&text);
        }
    }
}

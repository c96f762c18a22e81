//! The reader and writer of all layouts of a time in requests and responses, with one
//! calendar.
//!
//! No crate that every user already depends on reads all of these layouts: `httpdate` reads
//! one, and the AWS SDK's types are absent without the feature `sdk`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The layouts, each followed by a time zone. A letter of `YMDhms` stands for a digit of
/// the year, month, day, hour, minute or second, and `NNN` for the name of a month. All
/// other characters stand for themselves.
const LAYOUTS: [&str; 5] = [
    SIGV4,
    "YYYY-MM-DDThh:mm:ss",
    "YYYY-MM-DD hh:mm:ss",
    HTTP,
    "D NNN YYYY hh:mm:ss",
];
const SIGV4: &str = "YYYYMMDDThhmmss";
const HTTP: &str = "DD NNN YYYY hh:mm:ss";

/// Reads the `x-amz-date` of a request, `20240522T115159Z`.
///
/// Returns `None` for any other layout and for a date that does not exist. A leap second (`60`) is
/// rejected, because a signer never writes one.
#[cfg(any(test, feature = "sdk", feature = "tower"))]
pub(crate) fn sigv4(text: &str) -> Option<SystemTime> {
    let (seconds, zone) = fields(text, SIGV4)?;
    at(seconds, 0).filter(|_| zone.eq_ignore_ascii_case("z"))
}

/// Reads a `Date` header in the only format that a server may send (RFC 9110, section
/// 5.6.7).
///
/// Returns `None` for the obsolete formats, one of which has two-digit years, and if the
/// weekday does not match the date.
pub(crate) fn http_date(value: &str) -> Option<SystemTime> {
    let (weekday, date) = value.trim_ascii().split_at_checked(5)?;
    let (seconds, zone) = fields(date, HTTP)?;
    let index = usize::try_from(seconds.div_euclid(DAY).rem_euclid(7)).ok()?;
    let is_exact = zone == " GMT" && WEEKDAYS_FROM_1970.get(index) == Some(&weekday);
    at(seconds, 0).filter(|_| is_exact && seconds >= 0)
}

/// Reads a time in any of the layouts, as a pattern has found it in an error message.
///
/// Returns `None` for a date that does not exist.
pub(crate) fn read(text: &str) -> Option<SystemTime> {
    if let Ok(number) = text.parse() {
        // Seconds or milliseconds since 1970, in the years from 2001 to 2286.
        return match text.len() {
            10 => UNIX_EPOCH.checked_add(Duration::from_secs(number)),
            13 => UNIX_EPOCH.checked_add(Duration::from_millis(number)),
            _ => None,
        };
    }
    let date = text.split_once(", ").map_or(text, |(_, date)| date);
    let mut layouts = LAYOUTS.into_iter();
    let (seconds, rest) = layouts.find_map(|layout| fields(date, layout))?;
    let is_zone = |c: char| c.is_ascii_alphabetic() || matches!(c, '+' | '-');
    let (fraction, zone) = rest.split_at_checked(rest.find(is_zone)?)?;
    let nanos = format!("{:0<9.9}", fraction.trim_matches(['.', ',', ' ']));
    at(seconds - seconds_east(zone)?, nanos.parse().ok()?)
}

/// Writes `2026-11-23T08:15:00.250Z`. Returns `None` before 1970.
pub(crate) fn iso_8601(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let seconds = i64::try_from(since.as_secs()).ok()?;
    let (year, month, day) = civil_from_days(seconds / DAY);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
    ))
}

/// Reads a date and a time of day. Returns the seconds since 1970 and the rest of the text,
/// or `None` if the text has another layout or there is no such time. It is inlined for
/// each layout, which saves a sixth of the time, because every call reads two times.
#[inline(always)]
fn fields<'a>(text: &'a str, layout: &str) -> Option<(i64, &'a str)> {
    let (head, rest) = text.split_at_checked(layout.len())?;
    let mut numbers = [0; 6];
    for (symbol, byte) in layout.bytes().zip(head.bytes()) {
        let field = b"YMDhms".iter().position(|letter| *letter == symbol);
        match field.and_then(|field| numbers.get_mut(field)) {
            Some(number) => *number = *number * 10 + i64::from(char::from(byte).to_digit(10)?),
            None if symbol == b'N' || byte.eq_ignore_ascii_case(&symbol) => {}
            None => return None,
        }
    }
    let [year, mut month, day, hour, minute, second] = numbers;
    let named = layout.bytes().position(|symbol| symbol == b'N');
    if let Some(name) = named.and_then(|at| head.as_bytes().get(at..at + 3)) {
        let mut known = (1..=12).zip(MONTHS.chunks(3));
        month = known.find(|(_, known)| known.eq_ignore_ascii_case(name))?.0;
    }
    let exists = hour < 24 && minute < 60 && second < 60;
    let days = days_from_civil(year, month, day).filter(|_| exists)?;
    Some((days * DAY + hour * 3_600 + minute * 60 + second, rest))
}

/// Returns the offset of a time zone, in seconds east of Greenwich.
fn seconds_east(zone: &str) -> Option<i64> {
    if ["z", "gmt", "utc"].contains(&zone.to_ascii_lowercase().as_str()) {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let number: i64 = digits.replace(':', "").parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// Returns the days since 1970-01-01, or `None` if there is no such day. Source: Howard
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms"
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    // For a day that does not exist, the inverse returns another day.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Returns the date of a day, the inverse of [`days_from_civil`]; from the same source.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// Returns the time, or `None` if the platform's `SystemTime` cannot hold it (Windows:
/// before 1601).
fn at(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let (before, after) = (UNIX_EPOCH.checked_sub(whole), UNIX_EPOCH.checked_add(whole));
    (if seconds < 0 { before } else { after })?.checked_add(Duration::new(0, nanos))
}

const DAY: i64 = 86_400;
const WEEKDAYS_FROM_1970: [&str; 7] = [
    "Thu, ", "Fri, ", "Sat, ", "Sun, ", "Mon, ", "Tue, ", "Wed, ",
];
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

#[cfg(test)]
mod tests {
    use super::{http_date, iso_8601, read, sigv4};
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn every_layout_is_read() {
        for (text, millis) in [
            ("20240522t115159z", 1_716_378_719_000),
            ("2024-05-22t11:51:59z", 1_716_378_719_000),
            ("2024-05-22 11:51:59z", 1_716_378_719_000),
            ("2024-05-22T11:51:59.25Z", 1_716_378_719_250),
            ("2024-05-22t11:51:59.250000000999z", 1_716_378_719_250),
            ("2024-05-22t04:51:59-07:00", 1_716_378_719_000),
            ("2024-05-22t20:51:59+0900", 1_716_378_719_000),
            ("2024-05-22t17:21:59+05:30", 1_716_378_719_000),
            ("Wed, 22 May 2024 11:51:59 GMT", 1_716_378_719_000),
            ("wed, 22 may 2024 11:51:59 utc", 1_716_378_719_000),
            ("22 may 2024 20:51:59 +0900", 1_716_378_719_000),
            ("tue, 3 jan 2017 17:40:25 +0000", 1_483_465_225_000),
            ("20000229t000000z", 951_782_400_000),
            ("20240229t000000z", 1_709_164_800_000),
            ("1716378719", 1_716_378_719_000),
            ("1716378719250", 1_716_378_719_250),
        ] {
            let expected = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_cut_time_and_one_that_does_not_exist_are_not_read() {
        for whole in [
            "20240522t115159z",
            "2024-05-22t11:51:59.25z",
            "wed, 22 may 2024 11:51:59 gmt",
        ] {
            for end in 0..whole.len() {
                assert_eq!(read(&whole[..end]), None, "{}", &whole[..end]);
            }
        }
        for text in [
            "20240522t115160z",
            "20240522t245159z",
            "20230229t115159z",
            "21000229t115159z",
            "20240431t115159z",
            "20240022t115159z",
            "20240522t116000z",
            "2024-05-22t11:51:59+09:60",
            "2024-05-22t11:51:59+24:00",
            "2024-05-32t11:51:59z",
            "2024-05-22t11:51:59",
            "99 may 2024 11:51:59 gmt",
            "22 mai 2024 11:51:59 gmt",
            "17163787192",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(sigv4("20240522T115159Z0"), None);
        assert_eq!(sigv4("2024-05-22T11:51:59Z"), None);
    }

    #[test]
    fn one_format_of_a_date_header_is_read() {
        let expected = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(http_date(" Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        for value in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "",
        ] {
            assert_eq!(http_date(value), None, "{value}");
        }
    }

    proptest! {
        // `aws-smithy-types`, the oracle, writes the years 0001 to 9999.
        #[test]
        fn agrees_with_smithy(seconds in -62_135_596_800_i64..253_402_300_800, millis in 0..1000_u32) {
            let oracle = DateTime::from_secs_and_nanos(seconds, millis * 1_000_000);
            let expected = SystemTime::try_from(oracle).unwrap();
            let iso = oracle.fmt(Format::DateTime).unwrap();
            prop_assert_eq!(read(&iso), Some(expected));
            if let Some(written) = iso_8601(expected) {
                prop_assert_eq!(read(&written), Some(expected));
                prop_assert_eq!(written.get(..19), iso.get(..19));
            }

            let whole = DateTime::from_secs(seconds);
            let expected = SystemTime::try_from(whole).unwrap();
            let http = whole.fmt(Format::HttpDate).unwrap();
            prop_assert_eq!(read(&http), Some(expected));
            prop_assert_eq!(http_date(&http), Some(expected).filter(|_| seconds >= 0));
            let sixteen = whole.fmt(Format::DateTime).unwrap().replace(['-', ':'], "");
            prop_assert_eq!(sigv4(&sixteen), Some(expected));
        }

        #[test]
        fn no_text_panics(text in "[0-9a-z:.,+ \\-\u{e9}]{0,40}") {
            read(&text);
            sigv4(&text);
            http_date(&text);
        }
    }
}

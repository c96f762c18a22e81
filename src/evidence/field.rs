//! Times and amounts at known places of a squeezed text: behind a label, or at the beginning.

use super::stamp;
use std::time::{Duration, SystemTime};

pub(super) fn server_field(text: &str) -> Result<Option<SystemTime>, Contradiction> {
    let time = |value: &str| Some(stamp::read(value)?.0);
    match field(text, "servertime", time)? {
        None => Ok(field(text, "currentdate", time)?.or(field(text, "currenttime", time)?)),
        stated => Ok(stated),
    }
}

/// The value behind a label, in XML, JSON, YAML, or a debugger's notation. Told twice it must be
/// the same.
pub(super) fn field<T: PartialEq>(
    text: &str,
    label: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Contradiction> {
    let values = text
        .match_indices(label)
        .filter_map(|(at, _)| read(skip_to_value(text.get(at + label.len()..)?)?));
    let mut found = None;
    for value in values {
        match &found {
            Some(first) if *first != value => return Err(Contradiction),
            _ => found = Some(value),
        }
    }
    Ok(found)
}

/// What separates a label from its value: punctuation and a type's name, no other word.
pub(super) fn skip_to_value(mut text: &str) -> Option<&str> {
    const WORDS: [&str; 7] = [
        "<![cdata[",
        "some(",
        "string(",
        "text(",
        "text",
        "/time",
        "is",
    ];
    for _ in 0..12 {
        let next = WORDS.iter().find_map(|word| text.strip_prefix(word));
        text = match next
            .or_else(|| text.strip_prefix([':', '=', '>', '[', ']', '{', '}', '#', '$']))
        {
            // PHP's `string(16) "2018…"`.
            Some(rest) => number(rest)
                .filter(|(n, _)| *n < 100)
                .and_then(|(_, rest)| rest.strip_prefix(')'))
                .unwrap_or(rest),
            None => return Some(text),
        };
    }
    None
}

pub(super) fn stamp_or_gap(text: &str) -> (Option<SystemTime>, &str) {
    match stamp::read(text) {
        Some((time, length)) => (Some(time), text.get(length..).unwrap_or_default()),
        None => (None, text),
    }
}

pub(super) fn skip_marks(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '(' | '[' | '<'))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Amount {
    /// With its unit.
    Whole(Duration),
    /// A number at which the text was cut; minutes, perhaps without their last digit.
    Cut(u64),
}

/// "15 min.", "300 secs", or what is left of it. `None` for what no server tolerates.
pub(super) fn amount_of_time(text: &str) -> Option<Amount> {
    let (amount, unit) = number(text)?;
    let seconds = match unit.get(..2) {
        Some("mi") => 60,
        Some("se") => 1,
        _ => return Some(Amount::Cut(amount)),
    };
    let amount = Duration::from_secs(amount.checked_mul(seconds)?);
    (!amount.is_zero() && amount <= GREATEST_TOLERANCE).then_some(Amount::Whole(amount))
}

pub(super) fn number(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    Some((digits.parse().ok()?, rest))
}

/// Two fields of one name and different times.
#[derive(Debug)]
pub(super) struct Contradiction;

/// Real ones are 5 and 15 minutes; a server that forgives more than a day looks at no clock.
pub(super) const GREATEST_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_told_twice_has_one_value() {
        let read = |text: &'static str| field(text, "n", |value| Some(number(value)?.0));
        assert_eq!(read("n:1,n:1").unwrap(), Some(1));
        assert_eq!(read("n:1,m:2").unwrap(), Some(1));
        assert_eq!(read("m:1").unwrap(), None);
        assert!(read("n:1,n:2").is_err());
        assert!(read("n:1,n:1,n:2").is_err());
    }

    #[test]
    fn a_length_before_a_value_has_two_digits_at_most() {
        assert_eq!(skip_to_value(":string(16)2018"), Some("2018"));
        assert_eq!(skip_to_value(":99)x"), Some("x"));
        assert_eq!(skip_to_value(":100)x"), Some("100)x"));
        assert_eq!(skip_to_value(&":".repeat(11)), Some(""));
        assert_eq!(skip_to_value(&":".repeat(12)), None);
    }

    #[test]
    fn a_tolerance_is_more_than_nothing_and_a_day_at_most() {
        let whole = |seconds| Some(Amount::Whole(Duration::from_secs(seconds)));
        for (text, expected) in [
            ("15min.", whole(900)),
            ("300secs", whole(300)),
            ("1s", Some(Amount::Cut(1))),
            ("15", Some(Amount::Cut(15))),
            ("0min", None),
            ("0sec", None),
            ("86400sec", whole(86_400)),
            ("86401sec", None),
            ("1441min", None),
            ("min", None),
        ] {
            assert_eq!(amount_of_time(text), expected, "{text}");
        }
    }
}

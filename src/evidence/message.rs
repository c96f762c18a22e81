//! The patterns for error messages about the clock.

use super::OtherCause::{self, *};
use super::SkewDirection::{self, Ahead, Behind, Unspecified};
use super::code::{Class, Code};
use super::pattern::{Found, Pattern};
use crate::offset::ClockOffset;
use crate::timestamp;
use std::cell::LazyCell;
use std::time::{Duration, SystemTime};

// The patterns run over the text in lower case.

/// `A is now earlier than B (C - 15 min.)` and its mirror image, whole or in part. A is the
/// request's time, B the bound and C the server's time; B or C may be words.
static SENTENCE: Pattern = Pattern::new(concat!(
    r"(?:(?:^|[^0-9])(?<request>TIME) )?is (?:(?<behind>now earlier)|still later) than ",
    r"(?:(?<bound>TIME) |[^(\[]{0,32})(?:[(\[] (?:(?<server>TIME) |[^-+)\]]{0,24})",
    r"(?<sign>[-+]|\\u002b)? (?:(?<minutes>\d{1,4}) min|(?<seconds>\d{1,4}) sec)?)?",
));

/// The beginning of that sentence, if the rest is cut off or damaged. `Request signature
/// expired at:` is about a URL, and `token signature expired:` about a token.
static BEGINNING: Pattern = Pattern::new(concat!(
    r"(?<other>(?:token|request|url)\x20)?signature (?:(?<behind>expired)|not yet current):",
    r" (?<request>TIME)?",
));

/// `Request has expired. Timestamp date is A`, `Request timestamp: A expired.`: the
/// request's time, with or without the server's time.
static STAMPED: Pattern = Pattern::new(concat!(
    r"(?:(?:(?<behind>expired|in the past[^<]{0,24})|in the future)\.? timestamp date (?:is )?",
    r"(?<request>TIME)(?:\. current date is (?<server>TIME))?|request timestamp ",
    r"(?<dated>TIME) expired(?:\. it must be within (?<seconds>\d{1,4}) sec)?)",
));

/// The fields of S3, and the server's time in a sentence.
static FIELD: Pattern = Pattern::new(concat!(
    r"^(?:requesttime|servertime|maxallowedskewmilliseconds|<x-amz-date|current date(?:/time)?)",
    r"(?:[^0-9a-z]{1,12}|\x20is\x20)(?:(?<time>TIME)|(?<number>\d{1,9})(?:\D|$))",
));

/// The text after these words may be quoted: the canonical request, or the name of a
/// resource.
#[rustfmt::skip]
const QUOTED: [&str; 4] =
    ["</Message>", "</message>", "signature we calculated", "not authorized to perform"];

/// Other messages of a clock skew error. They state times only in fields, if at all.
#[rustfmt::skip]
const PHRASES: [(SkewDirection, &str); 5] = [
    (Ahead, "request is not yet valid|request is not valid yet|signature is too far in the future"),
    (Behind, "signature is too far in the past|forbidden date is too old"), // Garage
    (Unspecified, "difference between the request time and"),
    (Unspecified, "time stamp or date value is expired"), // Alibaba Cloud, both ways
    (Unspecified, "not within allowed clock skew"), // Oracle Cloud
];

/// Messages that name another cause.
#[rustfmt::skip]
const CAUSES: [(OtherCause, &str); 10] = [
    (WrongKey, "signature we calculated"),
    (ExpiredCredentials, "token included in the request is expired|token has expired"),
    (ExpiredCredentials, "token expired|token must be redeemed|response has expired"),
    (ExpiredUrl, "request has expired|request signature expired at|policy expired"),
    (CredentialScope, "credential should be scoped|credential must be scoped|credential scope"),
    (UnknownCredentials, "in the request is invalid|access key id you provided does not exist"),
    (MissingAuthentication, "missing authentication token"),
    (MalformedDate, "date must be in iso 8601|requires a valid date or x amz date"),
    (MalformedSignature, "authorization header is malformed"),
    (Denied, "not authorized to perform"),
];

/// The meaning of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) rejection: Option<SkewDirection>,
    pub(super) times: Times,
    pub(super) cause: Option<OtherCause>,
}

/// The times that a message states; none of them if they contradict each other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Times {
    pub(super) request: Option<SystemTime>,
    pub(super) server: Option<SystemTime>,
    pub(super) bound: Option<SystemTime>,
    pub(super) tolerance: Option<Duration>,
}

/// Returns the first 64 KiB of a body as ASCII. Line breaks are removed to join broken
/// sentences, and so are the zeros of UTF-16. The longest errors of S3 have 10 KiB.
pub(super) fn text(body: &[u8]) -> String {
    let read = body.iter().copied().take(LIMIT);
    let mut text: Vec<u8> = read.filter(|b| matches!(b, b'\t' | b' '..=b'~')).collect();
    text.dedup_by(|next, byte| *next == b' ' && *byte == b' ');
    String::from_utf8(text).unwrap_or_default()
}

/// Reads the message in the text of a response with that code.
pub(super) fn read(text: &str, code: &Code) -> Message {
    if code.class == Class::Unrelated || (text.is_empty() && code.name.is_none()) {
        return Message::default();
    }
    let text = &text.to_ascii_lowercase();
    let heard = unquoted(text);
    let skew = sentence(heard, &SENTENCE, "than")
        .or_else(|| sentence(heard, &BEGINNING, "signature"))
        .or_else(|| sentence(heard, &STAMPED, "timestamp"))
        .or_else(|| statement(heard, text, code.class));
    let server_alone = || Times {
        server: fields(text).and_then(|times| times.server),
        ..Times::default()
    };
    // The words at the start of a quoted part can themselves name the cause.
    let named = text.get(..heard.len() + 25).unwrap_or(text);
    let cause = match (skew, code.class) {
        (None, Class::Other(cause)) => phrase(named, &CAUSES).or(Some(cause)),
        (None, _) => phrase(named, &CAUSES),
        (Some(_), _) => None,
    };
    Message {
        rejection: skew.map(|(way, _)| way),
        times: skew.map_or_else(server_alone, |(_, times)| times),
        cause,
    }
}

/// Returns the text up to the first part that may be quoted.
pub(super) fn unquoted(text: &str) -> &str {
    let ends = QUOTED.iter().filter(|end| text.contains(**end));
    let end = ends.filter_map(|end| text.find(end)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Returns the most complete of the sentences that match a pattern.
fn sentence(text: &str, pattern: &'static Pattern, anchor: &'static str) -> Option<Skew> {
    let stated = |t: &Times| [t.server, t.bound, t.request].map(|time| time.is_some());
    let mut best: Option<Skew> = None;
    let all = pattern.near(text, anchor, 96);
    for found in all.filter(|found| found.get("other").is_none()) {
        let is_behind = found.get("behind").or(found.get("dated")).is_some();
        let way = if is_behind { Behind } else { Ahead };
        let times = Times::of_sentence(&found, way).filter(|times| times.agree(way));
        match (best, times) {
            (_, None) => return Some((way, Times::default())),
            // The text says both "expired" and "not yet current", so it states no
            // direction.
            (Some((other, _)), _) if other != way => return Some((Unspecified, Times::default())),
            // SDKs print a message twice, one of them cut. The more complete one counts; of
            // two equal ones, the first.
            (Some((_, other)), Some(times)) if stated(&times) <= stated(&other) => {}
            (_, Some(times)) => best = Some((way, times)),
        }
    }
    best
}

/// Reads a phrase or a code, and the fields beside it.
fn statement(heard: &str, text: &str, class: Class) -> Option<Skew> {
    let way = match (phrase(heard, &PHRASES), class) {
        (None | Some(Unspecified), Class::Clock(way)) => way,
        (way, _) => way?,
    };
    let times = fields(text).unwrap_or_default();
    let shown = match times.request.zip(times.server) {
        Some((request, server)) if request < server => Behind,
        Some(_) => Ahead,
        None => way,
    };
    let agrees = (way == Unspecified || way == shown) && times.agree(shown);
    let agreed = agrees.then_some((shown, times));
    agreed.or(Some((way, Times::default())))
}

/// Reads the fields of a text. Returns `None` if one has two values.
fn fields(text: &str) -> Option<Times> {
    let value = |name| {
        let all = FIELD.near(text, name, 0);
        let mut values = all.filter_map(|found| found.get("time").or(found.get("number")));
        let first = values.next();
        values.all(|value| Some(value) == first).then_some(first)
    };
    let time = |name, other| Some(value(name)?.or(value(other)?).and_then(timestamp::read));
    let millis = value("maxallowedskewmilliseconds")?.and_then(|millis| millis.parse().ok());
    Some(Times {
        request: time("requesttime", "<x-amz-date")?,
        server: time("servertime", "current date")?,
        bound: None,
        // A number that is not a whole minute may have been cut off.
        tolerance: millis.map(Duration::from_millis).filter(is_tolerance),
    })
}

/// Returns the meaning of the first phrase in the text, whatever is between its words.
fn phrase<T: Copy>(text: &str, phrases: &[(T, &str)]) -> Option<T> {
    let letters = LazyCell::new(|| text.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    let is_in = |phrase: &str| {
        let mut words = phrase.split(' ');
        words.all(|word| text.contains(word)) && letters.contains(&phrase.replace(' ', ""))
    };
    let mut all = phrases.iter();
    let found = all.find(|(_, list)| list.split('|').any(is_in));
    found.map(|(meaning, _)| *meaning)
}

/// A clock skew error: the direction, and the times.
type Skew = (SkewDirection, Times);

impl Times {
    /// Returns the times of a sentence, or `None` if the sign of its tolerance contradicts
    /// its words.
    fn of_sentence(found: &Found<'_>, way: SkewDirection) -> Option<Self> {
        let number = |name| found.get(name)?.parse().ok();
        let minutes = number("minutes").map(|minutes: u64| minutes * 60);
        let tolerance = minutes.or(number("seconds")).map(Duration::from_secs);
        let sign = found.get("sign").filter(|_| tolerance.is_some());
        let is_signed_right = sign.is_none_or(|sign| (sign == "-") == (way == Behind));
        is_signed_right.then(|| Self {
            request: found.time("request").or(found.time("dated")),
            server: found.time("server"),
            bound: found.time("bound"),
            tolerance: tolerance.filter(is_tolerance),
        })
    }

    /// Checks that C = B ± tolerance and that A is on the correct side of B, for those that
    /// are stated.
    fn agree(&self, way: SkewDirection) -> bool {
        // Milliseconds, with the sign such that the server's time is later than the
        // request's time.
        let sign = if way == Ahead { -1 } else { 1 };
        let millis = |time| ClockOffset::between(SystemTime::UNIX_EPOCH, time).as_millis() * sign;
        let [a, b, c] = [self.request, self.bound, self.server].map(|time| time.map(millis));
        let tolerance = self
            .tolerance
            .map(|t| ClockOffset::from_duration(t).as_millis());
        let is_exact = b.zip(c).is_none_or(|(b, c)| match tolerance {
            Some(tolerance) => c - b == tolerance,
            None => u64::try_from(c - b).is_ok_and(|t| is_tolerance(&Duration::from_millis(t))),
        });
        // A time equal to the bound may be beyond it, because both are cut to seconds.
        let bound = b.or(c.map(|c| c - tolerance.unwrap_or(1)));
        is_exact && a.zip(bound).is_none_or(|(a, bound)| a <= bound)
    }
}

/// Returns whether a time can be a tolerance: whole minutes, and a day at most. A server
/// with a larger tolerance does not check the time.
fn is_tolerance(time: &Duration) -> bool {
    matches!(time.as_secs(), 60..=86_400) && time.as_nanos().is_multiple_of(60_000_000_000)
}

/// How much of a body is read.
const LIMIT: usize = 64 * 1024;

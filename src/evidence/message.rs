//! Sentences: what a squeezed text (see [`super::plain`]) says about the clock.
//!
//! Phrases are looked for as literals and times are read at known places beside them, so that
//! reading takes time linear in the text whatever it holds.

use super::Rejection;
use super::cause::{self, BEFORE_ECHO, OtherCause};
use super::codes::{Class, Code};
use super::field::server_field;
use super::sentence::sentence;
use super::statement::statement;
use std::time::{Duration, SystemTime};

/// What a text says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Said {
    pub(super) rejection: Option<Rejection>,
    pub(super) times: Times,
    pub(super) cause: Option<OtherCause>,
}

impl Said {
    /// A rejection that states no time.
    pub(super) fn rejection(way: Rejection) -> Self {
        Self {
            rejection: Some(way),
            ..Self::default()
        }
    }
}

/// The times a text states; none of them if they contradict each other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Times {
    pub(super) request: Option<SystemTime>,
    pub(super) server: Option<SystemTime>,
    pub(super) bound: Option<SystemTime>,
    pub(super) tolerance: Option<Duration>,
    /// The server's time stood in a field of its own, not in a sentence.
    pub(super) in_field: bool,
}

/// Reads what a text says, with the code that came with it.
pub(super) fn read(text: &str, code: &Code<'_>) -> Said {
    if code.class == Class::Unrelated {
        return Said::default();
    }
    let message = first_message(text);
    // From here on the text may tell back what the caller sent.
    let echo = BEFORE_ECHO
        .iter()
        .filter_map(|phrase| message.find(phrase))
        .min();
    let heard = message
        .get(..echo.unwrap_or(message.len()))
        .unwrap_or_default();
    let said = sentence(heard).or_else(|| statement(heard, text, code, echo.is_some()));
    said.unwrap_or_else(|| Said {
        times: Times {
            server: server_field(text).ok().flatten(),
            in_field: true,
            ..Times::default()
        },
        cause: cause::named(message, code.class),
        ..Said::default()
    })
}

/// The text up to the end of the first XML `Message`. What follows may tell back names that anyone
/// may choose (`Key`, `Resource`), and it may hold the same message again.
fn first_message(text: &str) -> &str {
    text.split_once("</message>").map_or(text, |(head, _)| head)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::plain::Plain;
    use super::super::stamp;
    use super::{Code, Said, SystemTime, read};
    use std::time::UNIX_EPOCH;

    /// Reads a text in which `@` stands for `20260101T`.
    pub(in super::super) fn said(code: &str, text: &str) -> Said {
        let plain = Plain::read(text.replace('@', "20260101T").as_bytes());
        read(&plain.squeezed, &Code::find(Some(code), &plain.readable))
    }

    /// "Behind 1000 1005 1020 900": direction, A, B and C as `HHMM` of that day, the tolerance in
    /// seconds.
    pub(in super::super) fn summary(said: &Said) -> String {
        let clock = |time: Option<SystemTime>| match time {
            Some(time) => {
                let minutes = time
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_secs()
                    / 60
                    - 29_453_760;
                format!("{:02}{:02}", minutes / 60, minutes % 60)
            }
            None => "-".to_owned(),
        };
        let way = said
            .rejection
            .map_or("None".to_owned(), |way| format!("{way:?}"));
        let [request, bound, server] =
            [said.times.request, said.times.bound, said.times.server].map(clock);
        let tolerance = said
            .times
            .tolerance
            .map_or("-".to_owned(), |t| t.as_secs().to_string());
        format!("{way} {request} {bound} {server} {tolerance}")
    }

    #[test]
    fn what_is_told_back_is_not_believed() {
        let sentence =
            "Signature expired: @100000Z is now earlier than @100500Z (@102000Z - 15 min.)";
        assert_eq!(summary(&said("", sentence)), "Behind 1000 1005 1020 900");
        for (code, text) in [
            (
                "AccessDenied",
                format!("User: x is not authorized to perform: y on resource: '{sentence}'"),
            ),
            ("NoSuchKey", format!("<Key>{sentence}</Key>")),
            (
                "ValidationException",
                format!("Value '{sentence}' failed to satisfy constraint"),
            ),
            (
                "AccessDenied",
                format!(
                    "<Message>No</Message><Key>&lt;Message&gt;{sentence}&lt;/Message&gt;</Key>"
                ),
            ),
            (
                "",
                format!(
                    "The request signature we calculated does not match <CanonicalRequest>{sentence}"
                ),
            ),
            (
                "",
                "is not authorized to perform: y on resource: RequestTimeTooSkewed".to_owned(),
            ),
        ] {
            assert_eq!(said(code, &text).rejection, None, "{text}");
        }
    }

    #[test]
    fn a_time_may_be_stated_by_what_is_no_rejection() {
        let text = "Token expired: current date/time 1767262800 must be before the expiration date/time1767260000";
        let said = said("ExpiredTokenException", text);
        assert_eq!(
            (said.rejection, said.times.server),
            (None, stamp::basic(b"20260101T102000Z"))
        );
    }
}

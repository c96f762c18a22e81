//! Error codes: where a response names one, and what the name alone says.

use super::Rejection;
use super::cause::OtherCause;
use std::borrow::Cow;

/// The code of a response, and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Code<'a> {
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) class: Class,
    /// The response has a field for the code, and this was in it; otherwise the name was picked
    /// from running text, where it may be told back from the request.
    pub(super) stated: bool,
}

/// What a code alone says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    /// "Your time is wrong."
    Clock(Rejection),
    /// "Your signature is wrong", which a wrong time makes it.
    Signature,
    /// "You may not", which some services answer to any bad signature.
    Access,
    /// An authentication failure of a known cause that is not the clock.
    Other(OtherCause),
    /// Nothing to do with authentication; texts beside it tell back what the caller sent.
    Unrelated,
    /// No code, or one that is not listed here.
    Unknown,
}

impl<'a> Code<'a> {
    /// Takes the code that was given, or else looks for one in the (unescaped) text of the body.
    pub(super) fn find(given: Option<&'a str>, text: &'a str) -> Self {
        if let Some(name) = given.and_then(bare) {
            return Self {
                name: Some(visible(name)),
                class: class(name),
                stated: true,
            };
        }
        let mut first = None;
        for name in fields(text) {
            match class(name) {
                Class::Unknown => first = first.or(Some(name)),
                class => {
                    return Self {
                        name: Some(visible(name)),
                        class,
                        stated: true,
                    };
                }
            }
        }
        // A log line says `(SignatureDoesNotMatch)` or `api error RequestExpired: …`.
        let word = long_names(text).find_map(|word| Some((word, listed(word)?)));
        match (first, word) {
            (None, Some((name, class))) => Self {
                name: Some(visible(name)),
                class,
                stated: false,
            },
            (first, _) => Self {
                name: first.map(visible),
                class: Class::Unknown,
                stated: first.is_some(),
            },
        }
    }

    /// Whether a code is stated that is not listed here.
    pub(super) fn is_unlisted(&self) -> bool {
        self.stated && self.name.is_some() && matches!(self.class, Class::Unknown)
    }

    /// Whether the code is one of those with which a service refuses a signature.
    pub(super) fn is_signature(&self) -> bool {
        matches!(
            self.class,
            Class::Signature | Class::Other(OtherCause::MalformedSignature)
        )
    }
}

/// A header value or a field cut to its first 64 visible ASCII characters, so that a server cannot
/// write into logs what it likes.
pub(super) fn visible(value: &str) -> Cow<'_, str> {
    let end = value
        .bytes()
        .take(64)
        .take_while(u8::is_ascii_graphic)
        .count();
    match value.get(..end) {
        Some(cut) if cut.len() == value.len() => Cow::Borrowed(value),
        _ => Cow::Owned(
            value
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect(),
        ),
    }
}

/// Strips a namespace (`com.amazon.coral.service#`, `aws:`) and the `:http://…` that
/// `x-amzn-ErrorType` may carry (Smithy AWS restJson1, "Operation error serialization").
/// `None` where no code is left: HTTP's own words and `null` are none.
fn bare(value: &str) -> Option<&str> {
    let value = value.split_once(":http").map_or(value, |(name, _)| name);
    let name = value
        .rsplit(['#', ':'])
        .map(str::trim_ascii)
        .find(|name| !name.is_empty())?;
    let is_word_for_none = NO_CODE.iter().any(|word| word.eq_ignore_ascii_case(name));
    (!is_word_for_none && name.bytes().next()?.is_ascii_alphabetic()).then_some(name)
}

/// The values of all fields that hold a code, in whatever notation: `<Code>X`, `"__type":"a#X"`,
/// `Error Code: X`, `code = X`, `"Code":["X"]`.
fn fields(text: &str) -> impl Iterator<Item = &str> {
    let pairs = text.as_bytes().windows(2).enumerate();
    // Two bytes decide for nearly all places.
    let starts = pairs.filter(|(_, pair)| {
        matches!(
            pair,
            [b'c' | b'C', b'o' | b'O'] | [b'_', b'_'] | [b'e' | b'E', b'r' | b'R']
        )
    });
    starts.filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let label = LABELS.iter().find(|label| {
            let beginning = rest.as_bytes().get(..label.len());
            beginning.is_some_and(|s| s.eq_ignore_ascii_case(label.as_bytes()))
        })?;
        // `</Code>` is the end of one, not the beginning.
        (at == 0 || text.as_bytes().get(at - 1) != Some(&b'/')).then_some(())?;
        let after = rest
            .get(label.len()..)?
            .trim_start_matches(['"', '\'', ' ', ']']);
        let value = after
            .strip_prefix("=>")
            .or_else(|| after.strip_prefix(['=', ':', '>']))?;
        let value = value.trim_start_matches(['"', '\'', ' ', '[', '\n', '(']);
        let value = value
            .strip_prefix("Some(")
            .unwrap_or(value)
            .trim_start_matches('"');
        // Longer ones are no code, and a text of nothing but labels would be read once for each.
        let is_part = |b: &u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'#' | b':' | b'_' | b'-' | b'/')
        };
        let end = value.bytes().take(256).take_while(is_part).count();
        bare(value.get(..end)?)
    })
}

/// The words that are as long as the shortest listed code, and begin like one.
fn long_names(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |b: &u8| !b.is_ascii_alphanumeric() && *b != b'.';
    let words = text.as_bytes().split(is_end);
    let long = words.filter(|word| word.len() >= SHORTEST);
    long.filter_map(|word| {
        let word = str::from_utf8(word).ok()?.trim_matches('.');
        word.starts_with(|c: char| c.is_ascii_uppercase())
            .then_some(word)
    })
}

fn class(name: &str) -> Class {
    let is_unrelated = || UNRELATED.iter().any(|part| name.contains(part));
    match listed(name) {
        Some(class) => class,
        None if name.len() >= SHORTEST_UNRELATED && is_unrelated() => Class::Unrelated,
        None => Class::Unknown,
    }
}

/// The class of a code that alone says something about authentication.
fn listed(name: &str) -> Option<Class> {
    Some(match name {
        // The SDKs' "definite" list (sdk-for-net, sdk-for-java); the others are what S3 look-alikes,
        // Alibaba Cloud and Tencent Cloud answer. None says which way but the one that is named so:
        // the API reference gives RequestExpired for both.
        "RequestInTheFuture" => Class::Clock(Rejection::Ahead),
        "RequestExpired" | "InvalidTimeStamp.Expired" | "AuthFailure.SignatureExpire" => {
            Class::Clock(Rejection::Unspecified)
        }
        _ if name.starts_with("RequestTimeTooSkew") || name.starts_with("InvalidRequestTime") => {
            Class::Clock(Rejection::Unspecified)
        }
        "SignatureDoesNotMatch"
        | "SignatureDoesNotMatchException"
        | "InvalidSignatureException"
        | "InvalidSignature"
        | "AuthFailure"
        | "AuthFailure.SignatureFailure" => Class::Signature,
        "AccessDenied" | "AccessDeniedException" | "ForbiddenException" => Class::Access,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "SecurityTokenExpired" => Class::Other(OtherCause::ExpiredCredentials),
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => {
            Class::Other(OtherCause::UnknownCredentials)
        }
        "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "MissingSecurityHeader" => Class::Other(OtherCause::MissingAuthentication),
        "IncompleteSignature"
        | "IncompleteSignatureException"
        | "AuthorizationHeaderMalformed"
        | "AuthorizationQueryParametersError" => Class::Other(OtherCause::MalformedSignature),
        "InvalidTimeStamp.Format" => Class::Other(OtherCause::MalformedDate),
        _ => return None,
    })
}

/// The length of `AuthFailure`.
const SHORTEST: usize = 11;
/// The length of `NoSuch`.
const SHORTEST_UNRELATED: usize = 6;

const LABELS: [&str; 3] = ["code", "__type", "errortype"];

/// What SDKs put where a response has no code: to a HEAD, a 403 comes without a body.
const NO_CODE: [&str; 5] = ["null", "none", "unknown", "forbidden", "unauthorized"];

/// Codes whose messages repeat names and values that the caller's own users chose: an object called
/// "Signature expired: …" must not move a clock.
const UNRELATED: [&str; 9] = [
    "NoSuch",
    "NotFound",
    "AlreadyExists",
    "Validation",
    "InvalidArgument",
    "InvalidParameter",
    "Throttl",
    "ConditionalCheck",
    "PreconditionFailed",
];

#[cfg(test)]
mod tests {
    use super::{Class, Code, visible};
    use crate::evidence::{OtherCause, Rejection};

    #[track_caller]
    fn check(given: Option<&str>, text: &str, name: Option<&str>, class: Class) {
        let code = Code::find(given, text);
        assert_eq!(
            (code.name.as_deref(), code.class),
            (name, class),
            "{given:?} {text}"
        );
    }

    #[test]
    fn a_given_code_is_stripped_and_preferred() {
        let signature = Some("InvalidSignatureException");
        check(
            signature,
            "<Code>AccessDenied</Code>",
            signature,
            Class::Signature,
        );
        check(
            Some("InvalidSignatureException:http://internal.amazon.com/a#b/"),
            "",
            signature,
            Class::Signature,
        );
        check(
            Some("com.amazon.coral.service#InvalidSignatureException"),
            "",
            signature,
            Class::Signature,
        );
        check(Some("aws:Strange"), "", Some("Strange"), Class::Unknown);
        check(
            Some("null"),
            "<Code>AccessDenied</Code>",
            Some("AccessDenied"),
            Class::Access,
        );
        check(Some("403"), "", None, Class::Unknown);
        check(Some(" "), "", None, Class::Unknown);
    }

    #[test]
    fn every_notation_of_a_code_is_read() {
        let name = Some("RequestTimeTooSkewed");
        let clock = Class::Clock(Rejection::Unspecified);
        for text in [
            "<Error><Code>RequestTimeTooSkewed</Code>",
            "<Error>\n <code>\n RequestTimeTooSkewed</code>",
            r#"{"__type":"com.amazon.coral.service#RequestTimeTooSkewed","message":1}"#,
            r#"{"errorType" : "RequestTimeTooSkewed:http://x/"}"#,
            r#"{"Error":[{"Code":["RequestTimeTooSkewed"]"#,
            "(Service: S3; Status Code: 403; Error Code: RequestTimeTooSkewed; Request ID: 1)",
            "StatusCode=403, ErrorCode=RequestTimeTooSkewed, ErrorMessage=",
            "code: Some(\"RequestTimeTooSkewed\"), message:",
            "['Code'] => RequestTimeTooSkewed",
            "An error occurred (RequestTimeTooSkewed) when calling",
            "api error RequestTimeTooSkewed: The",
            "[RequestTimeTooSkewed] The",
            "code: 'Other', ErrorCode: RequestTimeTooSkewed",
        ] {
            check(None, text, name, clock);
        }
    }

    #[test]
    fn what_is_no_code_is_not_read() {
        check(
            None,
            "Status Code: 403; Error Code: null",
            None,
            Class::Unknown,
        );
        check(
            None,
            "statusCode\":400,\"retryable\":true",
            None,
            Class::Unknown,
        );
        check(None, "<Code></Code>Signature", None, Class::Unknown);
        check(None, "code", None, Class::Unknown);
        check(None, "", None, Class::Unknown);
        check(
            None,
            "<Code>NoSuchKey</Code><Key>RequestTimeTooSkewed</Key>",
            Some("NoSuchKey"),
            Class::Unrelated,
        );
    }

    #[test]
    fn malformed_and_refused_signatures_are_both_about_the_signature() {
        for (name, is_signature) in [
            ("AuthFailure", true),
            ("IncompleteSignature", true),
            ("AccessDenied", false),
            ("ExpiredToken", false),
        ] {
            assert_eq!(
                Code::find(Some(name), "").is_signature(),
                is_signature,
                "{name}"
            );
        }
        check(
            Some("ExpiredToken"),
            "",
            Some("ExpiredToken"),
            Class::Other(OtherCause::ExpiredCredentials),
        );
    }

    #[test]
    fn other_causes_have_codes_of_their_own() {
        for (name, cause) in [
            (
                "UnrecognizedClientException",
                OtherCause::UnknownCredentials,
            ),
            ("InvalidClientTokenId", OtherCause::UnknownCredentials),
            ("InvalidAccessKeyId", OtherCause::UnknownCredentials),
            (
                "MissingAuthenticationToken",
                OtherCause::MissingAuthentication,
            ),
            ("MissingSecurityHeader", OtherCause::MissingAuthentication),
            ("InvalidTimeStamp.Format", OtherCause::MalformedDate),
        ] {
            check(Some(name), "", Some(name), Class::Other(cause));
        }
    }

    #[test]
    fn a_value_that_can_be_logged_is_not_copied() {
        assert!(matches!(visible("abc"), std::borrow::Cow::Borrowed("abc")));
    }

    #[test]
    fn values_for_logs_are_cut_to_what_is_visible() {
        assert_eq!(visible("abc"), "abc");
        assert_eq!(visible("a b\nc\u{e9}"), "abc");
        assert_eq!(visible(&"x".repeat(65)), "x".repeat(64));
        assert_eq!(visible(""), "");
    }
}

//! Error codes: where responses state them, and what the listed codes mean.

use super::OtherCause::{self, *};
use super::SkewDirection::{self, Ahead, Unspecified};
use super::message::unquoted;
use super::pattern::Pattern;

/// Where JSON, XML, CBOR and an event-stream frame state a code. A text that a user of the
/// caller wrote cannot match: JSON escapes its quotes, and XML its angle brackets.
static STATED: Pattern = Pattern::new(concat!(
    r#"^(?:<[Cc]ode>\s?|"(?:__type|[Cc]ode|errorCode|errorType)"\s?:\s?"|:exception-type"#,
    // The head of a CBOR string is a letter, or an x and the length.
    r"|__type(?:x.??|[`a-w]))(?:[\w.-]{1,128}#)?(?<name>[A-Z][\w.-]{0,63}?)",
    // In CBOR the next key follows without a separator: its length as a letter, `message`,
    // and the head of its text.
    r"(?:g[Mm]essage[xy]|[^\w.-]|$)",
));
const ANCHORS: &str = "\"__type\" __type <Code> <code> \"Code\" \"code\" \"errorCode\" \"errorType\" \
    :exception-type";

/// The codes about authentication, each with or without `Exception`.
///
/// The clock skew errors are those on the SDKs' list of definite ones, and the codes of
/// S3-compatible servers, Alibaba Cloud and Tencent Cloud. Only one of them states the
/// direction: by the API reference, `RequestExpired` is used for both.
#[rustfmt::skip]
const LISTED: [(Class, &str); 10] = [
    (Class::Clock(Ahead), "RequestInTheFuture"),
    (Class::Clock(Unspecified), "RequestTimeTooSkewed RequestExpired InvalidRequestTime"),
    (Class::Clock(Unspecified), "InvalidTimeStamp.Expired AuthFailure.SignatureExpire"),
    (Class::Signature, "SignatureDoesNotMatch InvalidSignature AuthFailure AuthFailure.SignatureFailure"),
    (Class::Access, "AccessDenied ForbiddenException"),
    (Class::Other(ExpiredCredentials), "ExpiredToken TokenRefreshRequired SecurityTokenExpired"),
    (Class::Other(UnknownCredentials), "UnrecognizedClient InvalidClientTokenId InvalidAccessKeyId"),
    (Class::Other(MissingAuthentication), "MissingAuthenticationToken MissingSecurityHeader"),
    (Class::Other(MalformedSignature),
     "IncompleteSignature AuthorizationHeaderMalformed AuthorizationQueryParametersError"),
    (Class::Other(MalformedDate), "InvalidTimeStamp.Format MalformedDate"),
];

/// Parts of codes that have nothing to do with authentication. Their messages repeat names
/// and values that users of the caller chose: an object called "Signature expired: …" must
/// not change the clock.
const UNRELATED: &str = "NoSuch NotFound AlreadyExists Validation InvalidArgument InvalidParameter \
    Throttl ConditionalCheck PreconditionFailed";

/// Placeholders of SDKs and gateways for a missing code.
const NO_CODE: [&str; 5] = ["Null", "None", "Unknown", "Forbidden", "Unauthorized"];

/// The code of a response, and its meaning.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Code {
    /// The code, cut to 64 visible ASCII characters.
    pub(super) name: Option<String>,
    pub(super) class: Class,
    /// Whether the response states the code in a header or field. Otherwise the code is a
    /// word of the text, which may be quoted from the request.
    pub(super) is_stated: bool,
}

/// The meaning of a code without its message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Class {
    /// A clock skew error.
    Clock(SkewDirection),
    /// The signature is wrong, which a wrong time can cause.
    Signature,
    /// Access is denied; some services also return this for any bad signature.
    Access,
    /// An authentication error with a known cause other than the clock.
    Other(OtherCause),
    /// Nothing to do with authentication.
    Unrelated,
    /// No code, or an unlisted one.
    #[default]
    Unknown,
}

impl Code {
    /// Finds the code: in the headers, or else in a field of the text, or else the first
    /// listed code in the text that is not quoted.
    pub(super) fn find(given: Option<&str>, text: &str) -> Self {
        if given.is_none() && text.is_empty() {
            return Self::default();
        }
        let stated = given.and_then(bare).or_else(|| stated(text));
        let name = stated.or_else(|| {
            let text = unquoted(text);
            let known = listed().filter(|(known, _)| text.contains(known));
            let rest = text.get(known.filter_map(|(known, _)| text.find(known)).min()?..)?;
            let mut words = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
            let word = words.next()?.trim_end_matches('.');
            Some(word).filter(|word| class(word) != Class::Unknown)
        });
        let class = match name.map_or(Class::Unknown, class) {
            // IAM Roles Anywhere returns an `AccessDeniedException` with this text for a
            // bad signature.
            Class::Access if unquoted(text).contains("Invalid signature") => Class::Signature,
            class => class,
        };
        Self {
            name: name.map(visible),
            class,
            is_stated: stated.is_some(),
        }
    }
}

/// Returns the first 64 visible ASCII characters of a header value or field, so that a
/// server can neither forge log lines nor flood the log.
pub(crate) fn visible(value: &str) -> String {
    let visible = value.chars().filter(char::is_ascii_graphic);
    visible.take(64).collect()
}

/// Strips the parts around a code in a header: `aws.protocols#Code:http://…` (Smithy, AWS
/// restJson1, "Operation error serialization"), `Code:`, `Code;Sender`, `aws:Code`. Returns
/// `None` if no code is left.
fn bare(value: &str) -> Option<&str> {
    let value = value.split_once(":http").map_or(value, |(name, _)| name);
    let value = value.rsplit_once('#').map_or(value, |(_, name)| name);
    let mut parts = value.split([':', ';']).map(str::trim_ascii);
    let name = parts.find(|part| part.starts_with(|c: char| c.is_ascii_uppercase()))?;
    (!NO_CODE.contains(&name)).then_some(name)
}

fn stated(text: &str) -> Option<&str> {
    let anchors = ANCHORS.split(' ');
    let mut fields = anchors.flat_map(|anchor| STATED.near(text, anchor, 0));
    fields.find_map(|found| bare(found.get("name")?))
}

fn class(name: &str) -> Class {
    // In CBOR a lower-case letter may follow that is not part of the code.
    let goes_on = |c: char| matches!(c, 'A'..='Z' | '0'..='9' | '.' | '_' | '-');
    let is_whole = |rest: &str| !rest.trim_start_matches("Exception").starts_with(goes_on);
    let mut all = listed();
    match all.find(|(known, _)| name.strip_prefix(known).is_some_and(is_whole)) {
        Some((_, class)) => class,
        None if UNRELATED.split(' ').any(|part| name.contains(part)) => Class::Unrelated,
        None => Class::Unknown,
    }
}

fn listed() -> impl Iterator<Item = (&'static str, Class)> {
    let lists = LISTED.iter();
    lists.flat_map(|(class, names)| names.split(' ').map(|name| (name, *class)))
}

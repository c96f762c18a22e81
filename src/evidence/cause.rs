//! What else an authentication failure can be.

use super::codes::Class;

/// What else an authentication failure can be, as far as the response says so.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OtherCause {
    /// The signature was made with another secret key, or of another request.
    WrongKey,
    /// The session token, web identity token or SAML response has expired.
    ExpiredCredentials,
    /// The presigned URL or POST policy has expired, as its signer meant it to.
    ExpiredUrl,
    /// The credential scope names another region, service or day.
    CredentialScope,
    /// The access key or its session token is not known to the server.
    UnknownCredentials,
    /// The request bears no signature.
    MissingAuthentication,
    /// The request's date is missing or not in a format that the server reads.
    MalformedDate,
    /// The signature is missing a part or cannot be parsed.
    MalformedSignature,
    /// The caller is known, and a policy denies the action.
    Denied,
}

impl OtherCause {
    /// The `cause` field of the log event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongKey => "wrong_key",
            Self::ExpiredCredentials => "expired_credentials",
            Self::ExpiredUrl => "expired_url",
            Self::CredentialScope => "credential_scope",
            Self::UnknownCredentials => "unknown_credentials",
            Self::MissingAuthentication => "missing_authentication",
            Self::MalformedDate => "malformed_date",
            Self::MalformedSignature => "malformed_signature",
            Self::Denied => "denied",
        }
    }
}

/// The cause that is named where the clock is not.
pub(super) fn named(message: &str, class: Class) -> Option<OtherCause> {
    let by_code = match class {
        Class::Other(cause) => Some(cause),
        _ => None,
    };
    CAUSES
        .iter()
        .find_map(|(phrase, cause)| message.contains(phrase).then_some(*cause))
        .or(by_code)
}

/// Behind these words S3 tells back the canonical request, and everyone the name of what may not
/// be touched.
pub(super) const BEFORE_ECHO: [&str; 2] = [WRONG_KEY, DENIED];

const WRONG_KEY: &str = "signaturewecalculated";
const DENIED: &str = "notauthorizedtoperform";

const CAUSES: [(&str, OtherCause); 19] = [
    (WRONG_KEY, OtherCause::WrongKey),
    (
        "tokenincludedintherequestisexpired",
        OtherCause::ExpiredCredentials,
    ),
    ("tokenhasexpired", OtherCause::ExpiredCredentials),
    ("tokenexpired", OtherCause::ExpiredCredentials),
    ("tokenmustberedeemed", OtherCause::ExpiredCredentials),
    ("responsehasexpired", OtherCause::ExpiredCredentials),
    ("requesthasexpired", OtherCause::ExpiredUrl),
    ("requestsignatureexpiredat", OtherCause::ExpiredUrl),
    ("policyexpired", OtherCause::ExpiredUrl),
    ("credentialshouldbescoped", OtherCause::CredentialScope),
    ("credentialmustbescoped", OtherCause::CredentialScope),
    ("credentialscope", OtherCause::CredentialScope),
    (
        "tokenincludedintherequestisinvalid",
        OtherCause::UnknownCredentials,
    ),
    (
        "accesskeyidyouprovideddoesnotexist",
        OtherCause::UnknownCredentials,
    ),
    (
        "missingauthenticationtoken",
        OtherCause::MissingAuthentication,
    ),
    ("datemustbeiniso-8601", OtherCause::MalformedDate),
    ("requiresavaliddateorx-amz-date", OtherCause::MalformedDate),
    (
        "authorizationheaderismalformed",
        OtherCause::MalformedSignature,
    ),
    (DENIED, OtherCause::Denied),
];

#[cfg(test)]
mod tests {
    use super::super::message::tests::said;
    use super::OtherCause;

    #[track_caller]
    fn check(code: &str, text: &str, cause: Option<OtherCause>) {
        let said = said(code, text);
        assert_eq!((said.rejection, said.cause), (None, cause), "{text}");
    }

    #[test]
    fn other_causes_are_told_and_are_no_rejection() {
        let wrong_key = "The request signature we calculated does not match";
        check(
            "SignatureDoesNotMatch",
            wrong_key,
            Some(OtherCause::WrongKey),
        );
        check(
            "AccessDenied",
            "Request has expired <Expires>@100000Z</Expires>",
            Some(OtherCause::ExpiredUrl),
        );
        check(
            "ExpiredToken",
            "Request signature expired at: @100000Z",
            Some(OtherCause::ExpiredUrl),
        );
        check(
            "ExpiredToken",
            "Response",
            Some(OtherCause::ExpiredCredentials),
        );
        check(
            "InvalidSignatureException",
            "Credential should be scoped to a valid region.",
            Some(OtherCause::CredentialScope),
        );
        check(
            "IncompleteSignature",
            "Date must be in ISO-8601",
            Some(OtherCause::MalformedDate),
        );
        check(
            "AccessDenied",
            "x is not authorized to perform: y",
            Some(OtherCause::Denied),
        );
        check("AccessDenied", "Access Denied", None);
        check(
            "",
            "{'requestTimestamp':'@100000Z','error':'token expired'}",
            Some(OtherCause::ExpiredCredentials),
        );
        check("", "Invalid login token. Token is not yet valid", None);
    }
}

use super::said;
use crate::evidence::OtherCause;

#[track_caller]
fn check(code: &str, text: &str, cause: Option<OtherCause>) {
    let said = said(code, text);
    assert_eq!((said.rejection, said.cause), (None, cause), "{text}");
}

#[test]
fn other_causes_are_named_and_are_no_clock_skew_errors() {
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
    // The words of a phrase, and not the phrase.
    check(
        "AccessDenied",
        "Has your token been used? The offer expired.",
        None,
    );
    // The name of an object, which a user of the caller chose.
    check(
        "AccessDenied",
        "<Message>Access Denied</Message><RequestId>0123456789</RequestId>\
            <Resource>/token has expired</Resource>",
        None,
    );
}

#[test]
fn each_cause_has_the_name_that_the_log_shows() {
    let names = [
        (OtherCause::WrongKey, "wrong_key"),
        (OtherCause::ExpiredCredentials, "expired_credentials"),
        (OtherCause::ExpiredUrl, "expired_url"),
        (OtherCause::CredentialScope, "credential_scope"),
        (OtherCause::UnknownCredentials, "unknown_credentials"),
        (OtherCause::MissingAuthentication, "missing_authentication"),
        (OtherCause::MalformedDate, "malformed_date"),
        (OtherCause::MalformedSignature, "malformed_signature"),
        (OtherCause::Denied, "denied"),
    ];
    for (cause, name) in names {
        assert_eq!(cause.as_str(), name);
    }
}

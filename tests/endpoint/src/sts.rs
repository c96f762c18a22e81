//! STS over the query protocol: `GetCallerIdentity` and `AssumeRole`.

use crate::{
    ACCOUNT_ID,
    answer::{Failure, STS_NAMESPACE, escape},
    credentials::{Keyring, NewCredentials},
    identifiers::Identifiers,
    request::form_parameter,
    time::iso_8601,
};
use std::time::{Duration, SystemTime};

/// Performs an operation on a form body.
///
/// Temporary credentials are added to the keyring and expire by the server's clock.
pub(crate) fn perform(
    operation: &str,
    form: &[u8],
    keyring: &Keyring,
    identifiers: &Identifiers,
    request_id: &str,
    now: SystemTime,
) -> Result<String, Failure> {
    let result = match operation {
        "GetCallerIdentity" => format!(
            "<Arn>{USER_ARN}</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>{ACCOUNT_ID}</Account>"
        ),
        "AssumeRole" => assume_role(form, keyring, identifiers, now)?,
        other => {
            return Err(Failure::bad_request(
                "InvalidAction",
                format!("No action {other}"),
            ));
        }
    };
    Ok(format!(
        "<{operation}Response xmlns=\"{STS_NAMESPACE}\">\
         <{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    ))
}

fn assume_role(
    form: &[u8],
    keyring: &Keyring,
    identifiers: &Identifiers,
    now: SystemTime,
) -> Result<String, Failure> {
    let role_arn = required(form, "RoleArn")?;
    let session = required(form, "RoleSessionName")?;
    let seconds = form_parameter(form, "DurationSeconds").and_then(|seconds| seconds.parse().ok());
    let duration = seconds.map_or(DEFAULT_DURATION, Duration::from_secs);
    let expires = now.checked_add(duration).unwrap_or(now);
    let (access_key_id, secret) = (identifiers.access_key_id(), identifiers.secret());
    let session_token = identifiers.session_token();
    let answer = format!(
        "<AssumedRoleUser><AssumedRoleId>AROACLKWSDQRAOEXAMPLE:{session}</AssumedRoleId>\
         <Arn>arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/{session}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{access_key_id}</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{session_token}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials>",
        session = escape(&session),
        role = escape(role_arn.rsplit('/').next().unwrap_or_default()),
        expiration = iso_8601(expires),
    );
    keyring
        .insert(NewCredentials {
            access_key_id,
            secret,
            session_token: Some(session_token),
            expires: Some(expires),
        })
        .map_err(|error| Failure::bad_request("InternalFailure", error.to_string()))?;
    Ok(answer)
}

fn required(form: &[u8], name: &str) -> Result<String, Failure> {
    form_parameter(form, name)
        .ok_or_else(|| Failure::bad_request("ValidationError", format!("{name} is missing")))
}

/// The identity of all callers with the credentials of this endpoint.
pub(crate) const USER_ARN: &str = "arn:aws:iam::123456789012:user/test";

/// The default of STS.
const DEFAULT_DURATION: Duration = Duration::from_hours(1);

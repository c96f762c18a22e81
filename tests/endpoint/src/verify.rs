//! The verification of time, credentials and signature.
//!
//! `scratchstack-aws-signature` verifies. This module tells its errors apart, since it calls all of
//! them `SignatureDoesNotMatch`.

use crate::{
    counts::Verdict, credentials::Keyring, request::Request, settings::Settings, time::utc,
};
use chrono::TimeDelta;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, NO_ADDITIONAL_SIGNED_HEADERS, SignatureError, SignatureOptions,
    canonical::CanonicalRequest, service_for_signing_key_fn,
};
use std::{sync::Arc, time::SystemTime};

/// Why a request is rejected.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
}

/// Checks the time of the signature, then the credentials, then the signature of the headers and
/// the received body.
pub(crate) async fn verify(
    request: &Request,
    keyring: &Arc<Keyring>,
    settings: &Settings,
    now: SystemTime,
) -> Result<(), Rejection> {
    let checked = check(request, keyring, settings, now).await;
    checked.map_err(|error| rejection(&error, settings.bound_only))
}

async fn check(
    request: &Request,
    keyring: &Arc<Keyring>,
    settings: &Settings,
    now: SystemTime,
) -> Result<(), SignatureError> {
    let (canonical, _, _) = CanonicalRequest::from_request_parts(
        request.parts.clone(),
        request.body.clone(),
        // The SDKs sign a form as a body.
        SignatureOptions::default(),
    )?;
    let authenticator = canonical.get_authenticator(&NO_ADDITIONAL_SIGNED_HEADERS)?;
    let tolerance = settings.tolerance.unwrap_or(request.service.tolerance());
    let keyring = Arc::clone(keyring);
    // A variable, since the compiler would infer an `FnOnce` for an argument, and that is no
    // service.
    let find = move |wanted: GetSigningKeyRequest| {
        let key = keyring.signing_key(&wanted, now);
        async move { Ok(key?) }
    };
    authenticator
        .validate_signature(
            &request.region,
            request.service.name(),
            utc(now),
            TimeDelta::from_std(tolerance).unwrap_or(TimeDelta::MAX),
            &mut service_for_signing_key_fn(find),
        )
        .await
        .map(drop)
}

fn rejection(error: &SignatureError, bound_only: bool) -> Rejection {
    let mut message = error.to_string();
    let verdict = match error {
        SignatureError::ExpiredToken(_) => Verdict::ExpiredCredentials,
        SignatureError::InvalidClientTokenId(_) => Verdict::UnknownCredentials,
        SignatureError::MissingAuthenticationToken(_) => Verdict::MissingAuthentication,
        SignatureError::SignatureDoesNotMatch(_) if is_about_time(&message) => {
            Verdict::RejectedForTime
        }
        SignatureError::SignatureDoesNotMatch(_) => Verdict::SignatureMismatch,
        _ => Verdict::MalformedAuthentication,
    };
    if bound_only && verdict == Verdict::RejectedForTime {
        // Cuts the parenthesis from "… is now earlier than B (C - 15 min.)".
        message.truncate(message.find(" (").unwrap_or(message.len()));
    }
    Rejection { verdict, message }
}

fn is_about_time(message: &str) -> bool {
    message.starts_with("Signature expired: ") || message.starts_with("Signature not yet current: ")
}

//! The claims of a request before its verification.

use bytes::Bytes;
use http::request::Parts;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The claims of a request. A text is empty if the request lacks it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RequestInfo {
    /// The service: `sqs`, `kms` or `sts`.
    pub service: &'static str,
    /// The operation, as in `SendMessage`.
    pub operation: String,
    /// The access key id of the signature.
    pub access_key_id: String,
    /// The `x-amz-date` header: the time of the signature.
    pub amz_date: String,
    /// The SHA-256 of the received body, in lower-case hexadecimal.
    pub body_sha256: String,
    /// The `amz-sdk-invocation-id` header: the same for all attempts of one call.
    pub invocation_id: String,
}

/// A request that was received completely.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) service: Service,
    /// The region of the credential scope.
    pub(crate) region: String,
    pub(crate) info: RequestInfo,
}

impl Request {
    /// Reads the claims of a request.
    ///
    /// A request to another service counts as one to SQS, which rejects it for its credential scope
    /// or its operation.
    pub(crate) fn new(parts: Parts, body: Bytes) -> Self {
        let target = header(&parts, "x-amz-target");
        let (service, operation) = if let Some(operation) = target.strip_prefix("TrentService.") {
            (Service::Kms, operation.to_owned())
        } else if let Some(action) = form_parameter(&body, "Action").filter(|_| target.is_empty()) {
            (Service::Sts, action)
        } else {
            (
                Service::Sqs,
                target
                    .strip_prefix("AmazonSQS.")
                    .unwrap_or(target)
                    .to_owned(),
            )
        };
        let mut scope = header(&parts, "authorization")
            .split_once("Credential=")
            .map_or("", |(_, credential)| credential)
            .split(['/', ',']);
        let access_key_id = scope.next().unwrap_or_default().to_owned();
        let region = scope.nth(1).unwrap_or_default().to_owned();
        let info = RequestInfo {
            service: service.name(),
            operation,
            access_key_id,
            amz_date: header(&parts, "x-amz-date").to_owned(),
            body_sha256: hex::encode(Sha256::digest(&body)),
            invocation_id: header(&parts, "amz-sdk-invocation-id").to_owned(),
        };
        Self {
            parts,
            body,
            service,
            region,
            info,
        }
    }
}

/// A service. Each has its protocol, tolerance and error codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Service {
    Sqs,
    Kms,
    Sts,
}

impl Service {
    /// Returns the name in a credential scope.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Kms => "kms",
            Self::Sts => "sts",
        }
    }

    /// Returns the tolerance for the time of a signature.
    pub(crate) const fn tolerance(self) -> Duration {
        match self {
            Self::Sqs | Self::Sts => Duration::from_mins(15),
            Self::Kms => Duration::from_mins(5),
        }
    }

    /// Returns the `Content-Type` of every response.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Sqs => "application/x-amz-json-1.0",
            Self::Kms => "application/x-amz-json-1.1",
            Self::Sts => "text/xml",
        }
    }
}

/// Returns a parameter of a form body.
pub(crate) fn form_parameter(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

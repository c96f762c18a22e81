//! Requests that the proxy answers itself, with an error that the SDK of the program shows.

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::aws_host::NoHost;
use super::body::LARGEST;
use super::gate::NotAdmitted;
use super::signature::Authorization;

/// Why a request is not sent to AWS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rejection {
    NotAdmitted(NotAdmitted),
    NoHost(NoHost),
    /// Of another key, or changed after it was signed.
    NotProven,
    /// Its signer signs what follows, too.
    SignedInPieces,
    TooLarge,
}

impl Rejection {
    const fn status(&self) -> StatusCode {
        match self {
            // It passes: SDKs try again.
            Self::NotAdmitted(NotAdmitted::Full) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotAdmitted(_) | Self::NotProven => StatusCode::FORBIDDEN,
            Self::NoHost(_) | Self::SignedInPieces => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Returns an error as the service that a request is for would write it.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response<Bytes> {
        let text = format!("skew_proxy does not send this request: {self}");
        let is_json = request
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/x-amz-json"));
        let is_s3 = Authorization::of(request).is_some_and(|signed| signed.service == "s3");
        let (kind, body) = if is_json {
            let body = serde_json::json!({ "__type": CODE, "message": text });
            ("application/x-amz-json-1.0", body.to_string())
        } else {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            let error = format!("<Error><Code>{CODE}</Code><Message>{text}</Message></Error>");
            let body = if is_s3 {
                error
            } else {
                format!("<ErrorResponse>{error}</ErrorResponse>")
            };
            ("text/xml", body)
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(CODE));
        response
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAdmitted(reason) => reason.fmt(f),
            Self::NoHost(reason) => reason.fmt(f),
            Self::NotProven => {
                f.write_str("its signature is not one of the credentials that the proxy has")
            }
            Self::SignedInPieces => f.write_str(
                "its body is signed in chunks or events, which only the program itself can do; \
                 S3 clients have a setting for that, such as `chunkedEncodingEnabled(false)`",
            ),
            Self::TooLarge => write!(
                f,
                "its body is longer than {} MiB and has no signed hash or no Content-Length",
                LARGEST >> 20
            ),
        }
    }
}

/// Not a code of AWS: no SDK takes it for an error that passes.
const CODE: &str = "SkewProxyError";

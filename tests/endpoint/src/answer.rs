//! Responses with the messages and codes of each service.

use crate::{counts::Verdict, request::Service, verify::Rejection};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

/// An error of a service.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
}

impl Failure {
    /// An error of an operation.
    pub(crate) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// The error for an unknown operation.
    pub(crate) fn unknown_operation(operation: &str) -> Self {
        let message = format!("The operation {operation} is not known here");
        Self::bad_request("UnknownOperationException", message)
    }

    /// The error response for a rejected request, in the form of the service. AWS uses the status
    /// of its common errors (400 for JSON), with two exceptions: SQS sends 403 for errors in a
    /// signature, and STS has its own codes and 403 for all of them.
    pub(crate) fn rejected(service: Service, rejection: Rejection) -> Self {
        let (json_code, query_code, sqs_status) = match rejection.verdict {
            Verdict::UnknownCredentials => (
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                StatusCode::BAD_REQUEST,
            ),
            Verdict::ExpiredCredentials => (
                "ExpiredTokenException",
                "ExpiredToken",
                StatusCode::BAD_REQUEST,
            ),
            Verdict::MissingAuthentication => (
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                StatusCode::BAD_REQUEST,
            ),
            Verdict::MalformedAuthentication => (
                "IncompleteSignatureException",
                "IncompleteSignature",
                StatusCode::BAD_REQUEST,
            ),
            Verdict::Denied => (
                "AccessDeniedException",
                "AccessDenied",
                StatusCode::FORBIDDEN,
            ),
            Verdict::Accepted | Verdict::RejectedForTime | Verdict::SignatureMismatch => (
                "InvalidSignatureException",
                "SignatureDoesNotMatch",
                StatusCode::FORBIDDEN,
            ),
        };
        let (status, code) = match service {
            Service::Sqs => (sqs_status, format!("com.amazon.coral.service#{json_code}")),
            Service::Kms => (StatusCode::BAD_REQUEST, json_code.to_owned()),
            Service::Sts => (StatusCode::FORBIDDEN, query_code.to_owned()),
        };
        Self {
            status,
            code,
            message: rejection.message,
        }
    }

    fn body(&self, service: Service, request_id: &str) -> String {
        match service {
            Service::Sqs | Service::Kms => {
                json!({ "__type": self.code, "message": self.message }).to_string()
            }
            Service::Sts => format!(
                "<ErrorResponse xmlns=\"{STS_NAMESPACE}\"><Error><Type>Sender</Type>\
                 <Code>{}</Code><Message>{}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                escape(&self.code),
                escape(&self.message),
            ),
        }
    }
}

/// Makes the HTTP response from the result of an operation.
pub(crate) fn respond(
    service: Service,
    outcome: Result<String, Failure>,
    request_id: &str,
    date: Option<HeaderValue>,
) -> Response<Full<Bytes>> {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(failure) => (failure.status, failure.body(service, request_id)),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(service.content_type()),
    );
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    if let Some(date) = date {
        headers.insert(header::DATE, date);
    }
    response
}

/// Escapes a text for an XML element.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The XML namespace of all STS responses.
pub(crate) const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

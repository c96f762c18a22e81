//! A service that verifies each signature, and answers as the protocol of its clients says.

use std::fmt;
use std::time::Duration;

use aws_clock_skew_endpoint::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Request;

use crate::verifier::verify;
use crate::wire::{Manner, Wire, extended, whole_body};
use crate::world::{World, minutes};
use crate::{cbor, express};

/// How a service writes its responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// `awsJson1_0` and `awsJson1_1`.
    Json,
    RestJson,
    Cbor,
    /// `awsQuery`, of STS.
    Query,
    /// `restXml`, of S3.
    S3,
}

/// AWS, with one service at all its hosts.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) wire: Wire,
    inner: SharedHttpConnector,
    protocol: Protocol,
    world: World,
    latency: Duration,
}

impl Server {
    pub(super) fn new(world: &World, protocol: Protocol) -> Self {
        let (tolerance, manner) = match protocol {
            Protocol::S3 => (15, Manner::InFields),
            _ => (5, Manner::InMessage),
        };
        let wire = Wire::with_manner(world, minutes(tolerance), manner);
        let sessions = express::Express(wire.clone(), world.clone());
        Self {
            wire,
            inner: SharedHttpConnector::new(sessions),
            protocol,
            world: world.clone(),
            latency: Duration::ZERO,
        }
    }

    /// Each response takes so long, by Tokio's clock and by the local one.
    pub(super) fn slowed(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// The response of a service that is not asked for the time of a signature.
    fn unsigned(&self, request: &HttpRequest) -> Option<HttpResponse> {
        if request.headers().contains_key("authorization") {
            return None;
        }
        let end = extended(self.world.true_time() + minutes(60));
        let body = format!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>S</SecretAccessKey>\
             <SessionToken>T</SessionToken><Expiration>{end}</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        );
        let status = 200.try_into().expect("a status");
        Some(HttpResponse::new(status, SdkBody::from(body)))
    }

    fn rewritten(&self, sent: &Request<Bytes>, mut response: HttpResponse) -> HttpResponse {
        let is_accepted = response.status().is_success();
        let said = response.body().bytes().unwrap_or_default();
        let body = if is_accepted {
            accepted(sent).map(Vec::from)
        } else {
            let said: serde_json::Value = serde_json::from_slice(said).unwrap_or_default();
            let message = said["message"].as_str().unwrap_or_default();
            self.rejected(message)
        };
        if let Some(body) = body {
            *response.body_mut() = SdkBody::from(body);
        }
        if self.protocol == Protocol::Cbor {
            let headers = response.headers_mut();
            headers.insert("smithy-protocol", "rpc-v2-cbor");
            headers.insert("content-type", "application/cbor");
        }
        if self.protocol == Protocol::RestJson && !is_accepted {
            let headers = response.headers_mut();
            headers.insert("x-amzn-errortype", "InvalidSignatureException");
        }
        response
    }

    /// An error response, if the wire's is of another protocol.
    fn rejected(&self, message: &str) -> Option<Vec<u8>> {
        match self.protocol {
            Protocol::Json | Protocol::S3 => None,
            Protocol::RestJson => Some(format!(r#"{{"message":"{message}"}}"#).into()),
            Protocol::Cbor => Some(cbor::error("InvalidSignatureException", message).body),
            Protocol::Query => Some(
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code>\
                     <Message>{message}</Message></Error><RequestId>id-1</RequestId></ErrorResponse>"
                )
                .into(),
            ),
        }
    }
}

/// What an operation returns, where its clients need more than the wire says.
fn accepted(sent: &Request<Bytes>) -> Option<&'static str> {
    let target = sent.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let has = |text: &str| String::from_utf8_lossy(sent.body()).contains(text);
    let query = sent.uri().query().unwrap_or_default();
    match target {
        Some("DynamoDB_20120810.DescribeTable") => {
            Some(r#"{"Table":{"TableName":"t","TableStatus":"ACTIVE"}}"#)
        }
        Some("DynamoDB_20120810.ListTables") if has("ExclusiveStartTableName") => {
            Some(r#"{"TableNames":["b"]}"#)
        }
        Some("DynamoDB_20120810.ListTables") => {
            Some(r#"{"TableNames":["a"],"LastEvaluatedTableName":"a"}"#)
        }
        _ if has("Action=GetCallerIdentity") => Some(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>",
        ),
        _ if query.starts_with("uploads") => Some(
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        _ if query.starts_with("uploadId") => {
            Some("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
        }
        _ => None,
    }
}

const EVENTS: &str = "application/vnd.amazon.eventstream";

/// The request with its whole body. A stream of events is not read: its frames come later,
/// and the signature of the request is that of an empty body.
async fn received(request: &mut HttpRequest) -> Request<Bytes> {
    let is_stream = request.headers().get("content-type") == Some(EVENTS);
    let body = if is_stream {
        Bytes::new()
    } else {
        let body = std::mem::replace(request.body_mut(), SdkBody::empty());
        whole_body(body).await
    };
    let mut sent = Request::builder()
        .method(request.method())
        .uri(request.uri());
    for (name, value) in request.headers() {
        sent = sent.header(name, value);
    }
    sent.body(body).expect("a request")
}

/// Fails the test if a signature is wrong, whatever its time is.
fn is_genuine(sent: &Request<Bytes>) {
    let header = sent.headers().get("authorization");
    let header = header.and_then(|value| value.to_str().ok());
    let header = header.expect("it is signed");
    let secret = match header {
        _ if header.contains(ACCESS_KEY_ID) => SECRET_ACCESS_KEY,
        _ if header.contains("Credential=EXP") => "s",
        _ => "S",
    };
    let is_s3 = header.contains("/s3/") || header.contains("/s3express/");
    assert_eq!(verify(sent, secret, is_s3), Ok(()), "{sent:?}");
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl HttpConnector for Server {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            if let Some(response) = this.unsigned(&request) {
                return Ok(response);
            }
            let sent = received(&mut request).await;
            is_genuine(&sent);
            let response = this.inner.call(request).await?;
            if !this.latency.is_zero() {
                tokio::time::sleep(this.latency).await;
                this.world.advance(this.latency);
            }
            Ok(this.rewritten(&sent, response))
        })
    }
}

impl HttpClient for Server {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

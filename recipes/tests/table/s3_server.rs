//! `s3s-fs` behind a check of signatures whose clock can be set; the check of `s3s` reads the
//! system's clock. The check signs with `aws-sigv4` and compares.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_clock_skew::{LocalClock, SystemClock};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tower::Service;

pub(crate) const BUCKET: &str = "bucket";

/// A server with a bucket. Its files stay until `cargo clean`.
pub(crate) struct S3Server {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    s3: S3Service,
    credentials: Credentials,
    /// How far the clients of this server are ahead of it, in seconds. `None` if the server has the
    /// system's clock and `s3s` verifies.
    skew: Option<i64>,
    rejected: AtomicU64,
}

impl S3Server {
    /// Starts a server whose clock differs from that of this machine by `skew` seconds. The
    /// programs of these tests read the system's clock, so the server has another time.
    pub(crate) async fn start(credentials: &Credentials, skew: i64) -> Self {
        Self::start_with(credentials, Some(skew)).await
    }

    /// Starts a server with the system's clock, for programs that can get another clock.
    pub(crate) async fn start_on_time(credentials: &Credentials) -> Self {
        Self::start_with(credentials, None).await
    }

    async fn start_with(credentials: &Credentials, skew: Option<i64>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("recipes-{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join(BUCKET)).expect("the target directory can be written");
        let files = FileSystem::new(&root).expect("the directory is there");
        let mut s3 = S3ServiceBuilder::new(files);
        if skew.is_none() {
            let (key, secret) = (credentials.access_key_id(), credentials.secret_access_key());
            s3.set_auth(SimpleAuth::from_single(key, secret));
        }
        let shared = Arc::new(Shared {
            s3: s3.build(),
            credentials: credentials.clone(),
            skew,
            rejected: AtomicU64::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback can be bound");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { server.answer(request).await }
                });
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, shared }
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.shared.rejected.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<s3s::Body>, s3s::HttpError> {
        let (mut head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| s3s::HttpError::new(Box::new(error)))?;
        let body = body.to_bytes();
        let now = self.now();
        let rejection = (self.skew).and_then(|_| self.rejection(&head, &body, now));
        let mut response = if let Some(rejection) = rejection {
            let mut response = Response::new(s3s::Body::from(rejection));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        } else {
            if self.skew.is_some() {
                for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
                    head.headers.remove(name);
                }
            }
            let request = Request::from_parts(head, Full::from(body));
            Service::call(&mut self.s3.clone(), request).await?
        };
        if response.status() == StatusCode::FORBIDDEN {
            self.rejected.fetch_add(1, Ordering::Relaxed);
        }
        let date = now.fmt(Format::HttpDate).unwrap_or_default();
        let headers = response.headers_mut();
        headers.extend(HeaderValue::from_str(&date).map(|date| (header::DATE, date)));
        headers.insert(
            "x-amz-request-id",
            HeaderValue::from_static("4442587FB7D0A2F9"),
        );
        Ok(response)
    }

    fn now(&self) -> DateTime {
        let skew = self.skew.unwrap_or_default();
        let (now, by) = (
            SystemClock::new().wall(),
            Duration::from_secs(skew.unsigned_abs()),
        );
        DateTime::from(if skew < 0 { now + by } else { now - by })
    }

    /// The body of an error response, in the form of S3.
    fn rejection(
        &self,
        head: &http::request::Parts,
        body: &Bytes,
        now: DateTime,
    ) -> Option<String> {
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let date = header("x-amz-date").unwrap_or_default();
        let Some(time) = read_amz_date(date) else {
            return Some(error("AccessDenied", "Access Denied", ""));
        };
        if (time.secs() - now.secs()).unsigned_abs() > TOLERANCE.as_secs() {
            let now = now.fmt(Format::DateTime).unwrap_or_default();
            let times = format!(
                "<RequestTime>{date}</RequestTime><ServerTime>{now}</ServerTime>\
                 <MaxAllowedSkewMilliseconds>{}</MaxAllowedSkewMilliseconds>",
                TOLERANCE.as_millis()
            );
            let message =
                "The difference between the request time and the current time is too large.";
            return Some(error("RequestTimeTooSkewed", message, &times));
        }
        let hash = header("x-amz-content-sha256").unwrap_or_default();
        let is_whole = hash == "UNSIGNED-PAYLOAD" || hash == hex::encode(Sha256::digest(body));
        let authorization = header("authorization").unwrap_or_default();
        let is_genuine = is_whole && self.signature(head, authorization, hash, time).is_some();
        (!is_genuine).then(|| {
            let message = "The request signature we calculated does not match the signature you \
                 provided. Check your key and signing method.";
            error("SignatureDoesNotMatch", message, "")
        })
    }

    /// Signs again. Returns `None` if the signature differs.
    fn signature(
        &self,
        head: &http::request::Parts,
        authorization: &str,
        hash: &str,
        time: DateTime,
    ) -> Option<()> {
        let part = |name: &str| {
            let (_, rest) = authorization.split_once(name)?;
            rest.split([',', ' ']).next()
        };
        let mut scope = part("Credential=")?.split('/').skip(2);
        let (region, service) = (scope.next()?, scope.next()?);
        let signed_headers: Vec<&str> = part("SignedHeaders=")?.split(';').collect();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::try_from(time).ok()?)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value));
        let headers =
            headers.filter(|(name, _)| *name != "x-amz-date" && signed_headers.contains(name));
        let headers = headers.filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
        let host = head.headers.get(header::HOST)?.to_str().ok()?;
        let uri = format!("http://{host}{}", head.uri.path_and_query()?);
        let hash = SignableBody::Precomputed(hash.to_owned());
        let signable = SignableRequest::new(head.method.as_str(), uri, headers, hash).ok()?;
        let expected = sign(signable, &params).ok()?.into_parts().1;
        (part("Signature=")? == expected).then_some(())
    }
}

fn read_amz_date(date: &str) -> Option<DateTime> {
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    let part = |range| digits.get(range);
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?
    );
    DateTime::from_str(&iso, Format::DateTime).ok()
}

fn error(code: &str, message: &str, more: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>")
}

const TOLERANCE: Duration = Duration::from_secs(900);

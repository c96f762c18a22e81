//! Recovery of a rejected request, for the integrations that re-sign requests themselves
//! (HTTP client, Tower): observe the response, reproduce the signature, re-sign, resend.
//!
//! Accepted responses bypass this module, unless the clock has to observe them.

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;

use crate::clock::{SentAt, SkewClock};
use crate::decide::{Decision, Exchange};
use crate::event::SkipReason;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::SigningTime;
use crate::local_clock::Reading;
use crate::resign::{Head, NewSignature, Proof, SignatureHeader, prove};
use crate::timestamp;

/// A request that is kept so that it can be sent again.
pub(crate) trait ReplayRequest: Send {
    type Response: Send;
    type Error: Send;

    /// Whether [`send`](Self::send) signs the chunks of a body.
    const SIGNS_CHUNKS: bool = false;

    /// Returns the parts of the request that its signature covers.
    fn head(&self) -> Head<'_>;

    /// Returns the host that the request goes to.
    fn host(&self) -> Option<Host>;

    /// Returns whether the body can be sent again.
    fn is_replayable(&self) -> bool;

    /// Returns the body, or `None` if its bytes are not known before they are sent.
    fn body(&mut self) -> impl Future<Output = Option<Bytes>> + Send;

    /// Returns credentials that are valid at the time `at`.
    fn credentials(&mut self, at: SystemTime) -> impl Future<Output = Option<Credentials>> + Send;

    /// Returns the credentials with this access key that were in use of late, expired or
    /// not. Requests in flight may be signed with them after the identity cache has loaded
    /// others.
    fn recent_credentials(&self, access_key: &str) -> Option<Credentials>;

    /// Reads the beginning of a response's body. Returns the whole response and that
    /// beginning.
    fn read(
        &mut self,
        response: Self::Response,
    ) -> impl Future<Output = (Self::Response, Bytes)> + Send;

    /// Returns whether the status is a success. The body of a success is not read.
    fn is_success(response: &Self::Response) -> bool;

    /// Returns the parts of a response that can be evidence; `text` is the beginning of its
    /// body.
    fn view<'a>(response: &'a Self::Response, text: &'a [u8]) -> ResponseView<'a>;

    /// Waits until the inner service is ready for the request.
    fn ready(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Sends the request with this signature in place of the original one.
    fn send(
        &mut self,
        signature: NewSignature,
    ) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;

    /// Called if the request should be re-signed and cannot be.
    fn skipped(&mut self) {}

    /// Marks a response that was observed.
    fn mark(&self, response: &mut Self::Response) {
        let _ = response;
    }
}

/// Returns whether a request has to be re-signed before its first send, because it was
/// signed by another clock or long ago.
pub(crate) fn has_to_prepare(
    clock: &SkewClock,
    sent: SentAt,
    signed_at: Option<SystemTime>,
) -> bool {
    !clock.is_observe_only() && signed_at.is_some_and(|signed_at| sent.is_far_from(signed_at))
}

/// Returns a new signature for a request that was not sent yet, if the old one can be
/// reproduced.
pub(crate) async fn prepare<R: ReplayRequest>(
    request: &mut R,
    clock: &SkewClock,
) -> Option<NewSignature> {
    let host = request.host();
    let signing = clock.signing_time(host.as_ref());
    let proven = Proven::of(request, signing).await.ok()?;
    let signing = clock.signing_time(host.as_ref());
    proven.sign(&request.head(), signing.now).ok()
}

/// Observes the response to a request, and re-signs and resends the request if the decision
/// says so. Returns the response for the caller.
///
/// # Errors
///
/// Returns the error of the resend, if the resend fails.
pub(crate) async fn recover<R: ReplayRequest>(
    request: &mut R,
    clock: &SkewClock,
    sent: SentAt,
    received: Reading,
    response: R::Response,
) -> Result<R::Response, R::Error> {
    let (mut response, text) = read(request, response).await;
    let evidence = Evidence::read(&R::view(&response, &text));
    let host = request.host();
    let (service, signed_at) = {
        let head = request.head();
        (head.service().map(str::to_owned), head.signed_at())
    };
    let exchange = Exchange {
        trip: sent.round_trip(signed_at, received),
        evidence: &evidence,
        host: host.as_ref(),
        service: service.as_deref(),
        operation: None,
        is_resend: false,
    };
    request.mark(&mut response);
    // This comes before the next `await`: if the caller's timeout cancels the rest, the
    // clock has still been updated.
    if clock.observe(&exchange) == Decision::Pass {
        return Ok(response);
    }
    let signature = match resign_when_ready(request, clock, host.as_ref()).await {
        Ok(signature) => signature?,
        Err(reason) => {
            clock.resend_skipped(&exchange, reason);
            request.skipped();
            return Ok(response);
        }
    };
    drop(response);

    let signed_at = amz_date(&signature.headers);
    let sent = SentAt::now(clock, || host.clone());
    let second = match request.send(signature).await {
        Ok(second) => second,
        Err(error) => {
            clock.resend_failed();
            return Err(error);
        }
    };
    let received = clock.reading();
    let (mut second, text) = read(request, second).await;
    let evidence = Evidence::read(&R::view(&second, &text));
    clock.observe(&Exchange {
        trip: sent.round_trip(signed_at, received),
        evidence: &evidence,
        is_resend: true,
        ..exchange
    });
    request.mark(&mut second);
    Ok(second)
}

/// Reproduces the signature, and makes a new one when the inner service is ready. A
/// signature that is made earlier would age while the request waits.
async fn resign_when_ready<R: ReplayRequest>(
    request: &mut R,
    clock: &SkewClock,
    host: Option<&Host>,
) -> Result<Result<NewSignature, R::Error>, SkipReason> {
    let signing: SigningTime = clock.signing_time(host);
    let proven = Proven::of(request, signing).await?;
    if !request.is_replayable() {
        return Err(SkipReason::Body);
    }
    if let Err(error) = request.ready().await {
        clock.resend_failed();
        return Ok(Err(error));
    }
    let signing = clock.signing_time(host);
    proven.sign(&request.head(), signing.now).map(Ok)
}

async fn read<R: ReplayRequest>(request: &mut R, response: R::Response) -> (R::Response, Bytes) {
    if R::is_success(&response) {
        (response, Bytes::new())
    } else {
        request.read(response).await
    }
}

fn amz_date(headers: &[SignatureHeader]) -> Option<SystemTime> {
    let header = headers.iter().find(|header| header.name == "x-amz-date")?;
    timestamp::sigv4(&header.value)
}

/// A signature that was reproduced, with the credentials and the body for a new one.
struct Proven {
    proof: Proof,
    credentials: Credentials,
    body: Option<Bytes>,
}

impl Proven {
    /// Reproduces the signature of a request with the credentials that made it. Keeps those
    /// credentials for the new signature, or gets present ones if they have expired.
    async fn of<R: ReplayRequest>(
        request: &mut R,
        signing: SigningTime,
    ) -> Result<Self, SkipReason> {
        if !R::SIGNS_CHUNKS && request.head().has_chunks() {
            return Err(SkipReason::Chunked);
        }
        let body = if request.head().needs_body() {
            request.body().await
        } else {
            None
        };
        let (proof, mut credentials) = match prove_with_recent(request, body.as_deref()) {
            Some(proven) => proven,
            None => {
                let present = request.credentials(signing.now).await;
                let present = present.ok_or(SkipReason::Identity)?;
                match prove(&request.head(), body.as_deref(), &present) {
                    Ok(proof) => (proof, present),
                    // The identity cache has replaced the credentials in the meantime.
                    Err(reason) => prove_with_recent(request, body.as_deref()).ok_or(reason)?,
                }
            }
        };
        // A clock that was behind may have signed with credentials that had already
        // expired.
        let has_expired = |credentials: &Credentials| {
            credentials
                .expiry()
                .is_some_and(|expiry| expiry <= signing.now)
        };
        if has_expired(&credentials) {
            let present = request.credentials(signing.now).await;
            credentials = present.ok_or(SkipReason::Identity)?;
        }
        Ok(Self {
            proof,
            credentials,
            body,
        })
    }

    /// Signs the request for the time `time`.
    fn sign(&self, head: &Head<'_>, time: SystemTime) -> Result<NewSignature, SkipReason> {
        let body = self.body.as_deref();
        self.proof.sign(head, body, &self.credentials, time)
    }
}

/// Reproduces the signature with credentials that were recently in use.
fn prove_with_recent<R: ReplayRequest>(
    request: &R,
    body: Option<&[u8]>,
) -> Option<(Proof, Credentials)> {
    let head = request.head();
    let credentials = request.recent_credentials(head.access_key()?)?;
    let proof = prove(&head, body, &credentials).ok()?;
    Some((proof, credentials))
}

/// How long to wait for the beginning of an error body. A server that rejects a signature
/// sends a few hundred bytes at once.
pub(crate) const LONGEST_READ: Duration = Duration::from_secs(5);
pub(crate) const LARGEST_READ: usize = 64 * 1_024;

//! Recovery of a rejected request, for the integrations that re-sign requests themselves
//! (HTTP client, Tower): observe the response, reproduce the signature, re-sign, resend.
//!
//! Accepted responses bypass this module, unless the clock has to observe them.

use std::future::Future;
use std::str;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;

use crate::clock::{SentAt, SkewClock};
use crate::decide::{Decision, Exchange};
use crate::event::SkipReason;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::offset::whole_seconds;
use crate::resign::{Head, NewSignature, Proof};
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

/// The last signing time that was read. Requests of the same second have the same one, and
/// reading it costs as much as half of a copy.
#[derive(Debug, Default)]
pub(crate) struct LastDate(Mutex<Option<([u8; 16], SystemTime)>>);

impl LastDate {
    /// Returns the time in an `x-amz-date`.
    #[inline]
    pub(crate) fn read(&self, date: &[u8]) -> Option<SystemTime> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, time)) = last.filter(|(known, _)| known == date) {
            return Some(time);
        }
        let time = timestamp::sigv4(str::from_utf8(date).ok()?)?;
        *last = Some((date.try_into().ok()?, time));
        Some(time)
    }
}

/// Returns a new signature for a request that was not sent yet, if the old one can be
/// reproduced.
pub(crate) async fn prepare<R: ReplayRequest>(
    request: &mut R,
    clock: &SkewClock,
) -> Option<NewSignature> {
    let host = request.host();
    let now = || clock.signing_time(host.as_ref()).now;
    let proof = prove(request, now()).await.ok()?;
    proof.sign(&request.head(), now()).ok()
}

/// Observes a response that has just arrived, and re-signs and resends its request once if
/// the decision says so. Returns the response for the caller.
///
/// # Errors
///
/// Returns the error of the resend, if the resend fails.
pub(crate) async fn recover<R: ReplayRequest>(
    request: &mut R,
    clock: &SkewClock,
    mut sent: SentAt,
    mut response: R::Response,
) -> Result<R::Response, R::Error> {
    let host = request.host();
    let now = || clock.signing_time(host.as_ref()).now;
    let (service, mut signed_at) = {
        let head = request.head();
        let signature = head.authorization();
        let service = signature.map(|signature| signature.service.to_owned());
        (service, head.signed_at())
    };
    let mut is_resend = false;
    loop {
        let received = clock.reading();
        let (mut answer, text) = read(request, response).await;
        let evidence = Evidence::read(&R::view(&answer, &text));
        let exchange = Exchange {
            trip: sent.round_trip(signed_at, received),
            evidence: &evidence,
            host: host.as_ref(),
            service: service.as_deref(),
            operation: None,
            is_resend,
        };
        request.mark(&mut answer);
        // This comes before the next `await`: if the caller's timeout cancels the rest, the
        // clock has still been updated.
        if clock.observe(&exchange) == Decision::Pass || is_resend {
            return Ok(answer);
        }
        let signature = match prove(request, now()).await {
            Ok(_) if !request.is_replayable() => Err(SkipReason::Body),
            Ok(proof) => {
                let ready = request.ready().await;
                ready.inspect_err(|_| clock.resend_failed())?;
                // A signature that is made earlier would age while the request waits.
                proof.sign(&request.head(), now())
            }
            Err(reason) => Err(reason),
        };
        let signature = match signature {
            Ok(signature) => signature,
            Err(reason) => {
                clock.resend_skipped(&exchange, reason);
                request.skipped();
                return Ok(answer);
            }
        };
        drop(answer);
        signed_at = Some(whole_seconds(signature.time));
        sent = SentAt::now(clock, || host.clone());
        is_resend = true;
        let resent = request.send(signature).await;
        response = resent.inspect_err(|_| clock.resend_failed())?;
    }
}

/// Reads the beginning of a response's body, unless the response is a success.
async fn read<R: ReplayRequest>(request: &mut R, response: R::Response) -> (R::Response, Bytes) {
    if matches!(R::view(&response, &[]).status, 200..=299) {
        (response, Bytes::new())
    } else {
        request.read(response).await
    }
}

/// Reproduces the signature of a request with the credentials that made it. Keeps those
/// credentials for the new signature, or gets present ones if they have expired.
async fn prove<R: ReplayRequest>(request: &mut R, now: SystemTime) -> Result<Proof, SkipReason> {
    if !R::SIGNS_CHUNKS && request.head().has_chunks() {
        return Err(SkipReason::Chunked);
    }
    let body = if request.head().needs_body() {
        request.body().await
    } else {
        None
    };
    // A clock that was behind may have signed with credentials that had already expired.
    let has_expired = |proof: &Proof| {
        let expiry = proof.credentials.expiry();
        expiry.is_some_and(|expiry| expiry <= now)
    };
    let recent = match prove_with_recent(request, body.clone()) {
        Some(proof) if !has_expired(&proof) => return Ok(proof),
        recent => recent,
    };
    let present = request.credentials(now).await;
    let present = present.ok_or(SkipReason::Identity)?;
    let mut proof = match recent {
        Some(proof) => proof,
        None => {
            let proof = Proof::of(&request.head(), body.clone(), present.clone());
            // The identity cache may have replaced the credentials in the meantime.
            proof.or_else(|reason| prove_with_recent(request, body).ok_or(reason))?
        }
    };
    if has_expired(&proof) {
        proof.credentials = present;
    }
    Ok(proof)
}

/// Reproduces the signature with credentials that were recently in use.
fn prove_with_recent<R: ReplayRequest>(request: &R, body: Option<Bytes>) -> Option<Proof> {
    let head = request.head();
    let credentials = request.recent_credentials(head.authorization()?.access_key)?;
    Proof::of(&head, body, credentials).ok()
}

/// How long to wait for the beginning of an error body. A server that rejects a signature
/// sends a few hundred bytes at once.
pub(crate) const LONGEST_READ: Duration = Duration::from_secs(5);

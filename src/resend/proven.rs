//! [`Proven`]: a request's own signature, reproduced before there is a new one.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use bytes::Bytes;

use super::ReplayRequest;
use crate::event::SkipReason;
use crate::judge::SigningTime;
use crate::resign::{Head, Proof, SignatureHeader, prove};

/// A signature that was reproduced, and what it takes to make another.
pub(super) struct Proven {
    proof: Proof,
    credentials: Credentials,
    body: Option<Bytes>,
}

impl Proven {
    /// Reproduces the signature of a request with the credentials that made it, and
    /// returns what is needed to sign it at another time: those credentials, unless
    /// they have expired by then.
    pub(super) async fn of<R: ReplayRequest>(
        request: &mut R,
        signing: SigningTime,
    ) -> Result<Self, SkipReason> {
        let body = if request.head().needs_body() {
            request.body().await
        } else {
            None
        };
        let (proof, mut credentials) = match recent(request, body.as_deref()) {
            Some(proven) => proven,
            None => {
                let present = request.credentials(signing.now).await;
                let present = present.ok_or(SkipReason::Identity)?;
                match prove(&request.head(), body.as_deref(), &present) {
                    Ok(proof) => (proof, present),
                    // They were replaced just now.
                    Err(reason) => recent(request, body.as_deref()).ok_or(reason)?,
                }
            }
        };
        // The clock that signed may have been too slow to see them expire.
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

    /// Signs the request for a time.
    pub(super) fn sign(
        &self,
        head: &Head<'_>,
        time: SystemTime,
    ) -> Result<Vec<SignatureHeader>, SkipReason> {
        let body = self.body.as_deref();
        self.proof.sign(head, body, &self.credentials, time)
    }
}

/// Reproduces the signature with credentials that were replaced of late.
fn recent<R: ReplayRequest>(request: &R, body: Option<&[u8]>) -> Option<(Proof, Credentials)> {
    let head = request.head();
    let credentials = request.recent_credentials(head.access_key()?)?;
    let proof = prove(&head, body, &credentials).ok()?;
    Some((proof, credentials))
}

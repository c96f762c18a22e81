//! [`Proven`]: a request's own signature made again, before there is a new one.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use bytes::Bytes;

use super::{Carrier, time_by};
use crate::clock::SkewClock;
use crate::event::SkipReason;
use crate::offset::ClockOffset;
use crate::resign::{Proof, SignatureHeader, prove};

/// A signature that was reproduced, and what did it.
pub(super) struct Proven {
    proof: Proof,
    credentials: Credentials,
    body: Option<Bytes>,
}

impl Proven {
    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.credentials
            .expiry()
            .is_some_and(|expiry| expiry <= now)
    }
}

pub(super) async fn proven<C: Carrier>(carrier: &mut C) -> Result<Proven, SkipReason> {
    let body = body_of(carrier).await;
    let credentials = signers(carrier).await.ok_or(SkipReason::Identity)?;
    let proof = prove(&carrier.head(), body.as_deref(), &credentials)?;
    Ok(Proven {
        proof,
        credentials,
        body,
    })
}

/// Returns the credentials that have signed the request, as far as can be told: the
/// present ones, or others of late where those have another access key.
async fn signers<C: Carrier>(carrier: &mut C) -> Option<Credentials> {
    let present = carrier.credentials().await;
    let head = carrier.head();
    let Some(access_key) = head.access_key() else {
        return present;
    };
    match present {
        Some(present) if present.access_key_id() == access_key => Some(present),
        other => {
            let recent = carrier.recent_credentials(access_key);
            recent.or(other)
        }
    }
}

pub(super) async fn resigned<C: Carrier>(
    carrier: &mut C,
    clock: &SkewClock,
    proven: Result<Proven, SkipReason>,
    sign_by: Option<ClockOffset>,
) -> Result<Vec<SignatureHeader>, SkipReason> {
    let mut proven = proven?;
    // The clock that signed may have been too slow to see them expire.
    if proven.has_expired(time_by(clock, sign_by)) {
        proven.credentials = carrier.credentials().await.ok_or(SkipReason::Identity)?;
    }
    let body = proven.body.as_deref();
    let time = time_by(clock, sign_by);
    proven
        .proof
        .sign(&carrier.head(), body, &proven.credentials, time)
}

async fn body_of<C: Carrier>(carrier: &mut C) -> Option<Bytes> {
    if carrier.head().needs_body() {
        carrier.body().await
    } else {
        None
    }
}

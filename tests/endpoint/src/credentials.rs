//! The credentials that the endpoint accepts.

use crate::lock::lock;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, SignatureError,
};
use std::{collections::HashMap, io, sync::Mutex, time::SystemTime};

/// All credentials, by access key id.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    keys: Mutex<HashMap<String, Credentials>>,
}

impl Keyring {
    /// Adds credentials, replacing those with the same access key id.
    ///
    /// # Errors
    ///
    /// If the length of the secret is not 40: the verifier accepts no other.
    pub(crate) fn insert(&self, credentials: NewCredentials) -> io::Result<()> {
        let secret = credentials.secret.parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "a secret access key has 40 characters",
            )
        })?;
        let known = Credentials {
            secret,
            session_token: credentials.session_token,
            expires: credentials.expires,
        };
        lock(&self.keys).insert(credentials.access_key_id, known);
        Ok(())
    }

    /// Returns the key that a request should have been signed with.
    pub(crate) fn signing_key(
        &self,
        request: &GetSigningKeyRequest,
        now: SystemTime,
    ) -> Result<GetSigningKeyResponse, SignatureError> {
        let keys = lock(&self.keys);
        let credentials = keys
            .get(request.access_key())
            .filter(|known| known.session_token.as_deref() == request.session_token())
            .ok_or_else(|| SignatureError::InvalidClientTokenId(INVALID_TOKEN.to_owned()))?;
        if credentials.expires.is_some_and(|expires| expires <= now) {
            return Err(SignatureError::ExpiredToken(EXPIRED_TOKEN.to_owned()));
        }
        let key = credentials.secret.to_ksigning(
            request.request_date(),
            request.region(),
            request.service(),
        );
        GetSigningKeyResponse::builder()
            .signing_key(key)
            .build()
            .map_err(|error| SignatureError::InternalServiceError(error.into()))
    }
}

/// Credentials as a test specifies them.
///
/// Without `Debug`: the secret must not reach a log.
#[derive(Clone)]
pub(crate) struct NewCredentials {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
    /// The expiry by the server's clock.
    pub(crate) expires: Option<SystemTime>,
}

impl NewCredentials {
    pub(crate) fn new(
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
        expires: Option<SystemTime>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret: secret.to_owned(),
            session_token: session_token.map(str::to_owned),
            expires,
        }
    }
}

#[derive(Debug)]
struct Credentials {
    secret: KSecretKey,
    session_token: Option<String>,
    expires: Option<SystemTime>,
}

const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";

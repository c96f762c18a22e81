//! Names for requests, messages, keys and credentials.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of identifiers that look random and never repeat in one endpoint.
///
/// They are hashes of a counter and of the port. The counter makes a test run reproducible; the
/// port keeps two endpoints from accepting each other's credentials.
#[derive(Debug)]
pub(crate) struct Identifiers {
    port: u16,
    used: AtomicU64,
}

impl Identifiers {
    pub(crate) const fn new(port: u16) -> Self {
        Self {
            port,
            used: AtomicU64::new(0),
        }
    }

    /// Returns 32 bytes that no other call returns.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        Sha256::new()
            .chain_update(self.port.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .finalize()
            .into()
    }

    /// Returns an identifier of [`UUID_LENGTH`] characters in the form of a UUID.
    pub(crate) fn uuid(&self) -> String {
        let digits = hex::encode(self.bytes());
        let groups = [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..32],
        ];
        groups.join("-")
    }

    /// Returns an access key id of temporary credentials.
    pub(crate) fn access_key_id(&self) -> String {
        format!("ASIA{}", &hex::encode_upper(self.bytes())[..16])
    }

    /// Returns a secret of 40 characters.
    pub(crate) fn secret(&self) -> String {
        BASE64_STANDARD.encode(&self.bytes()[..30])
    }

    /// Returns a session token.
    pub(crate) fn session_token(&self) -> String {
        BASE64_STANDARD.encode([self.bytes(), self.bytes(), self.bytes()].concat())
    }
}

/// The length of a [`Identifiers::uuid`].
pub(crate) const UUID_LENGTH: usize = 36;

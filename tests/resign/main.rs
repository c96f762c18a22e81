//! Prove, then re-sign: what real SDK clients have signed, and what must not be
//! touched, through the public integration for requests that somebody else has signed.

#![expect(clippy::expect_used, reason = "a test may panic")]

mod integration;
mod left_alone;
mod odd_headers;
mod operations;
mod same_signature;
mod scratchstack;
mod signer;
mod sigv4a;
mod verifier;

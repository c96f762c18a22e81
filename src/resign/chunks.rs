//! [`ChunkSigner`]: signatures of the chunks of a body, each computed from the one before.
//! Source: "Signature calculations for the authorization header: transferring payload in
//! multiple chunks", <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{self, sign_chunk, sign_trailer};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::http::Headers;
use bytes::Bytes;

/// Signs the chunks of a body, after the headers of the request were signed.
pub(crate) struct ChunkSigner {
    identity: Identity,
    region: String,
    service: String,
    time: SystemTime,
    /// The signature of the last chunk, or at first that of the request's headers.
    previous: String,
}

impl ChunkSigner {
    pub(crate) fn new(
        credentials: &Credentials,
        (region, service): (&str, &str),
        time: SystemTime,
        signature: String,
    ) -> Self {
        Self {
            identity: credentials.clone().into(),
            region: region.to_owned(),
            service: service.to_owned(),
            time,
            previous: signature,
        }
    }

    /// Returns the signature of the next chunk.
    pub(crate) fn chunk(&mut self, chunk: &Bytes) -> Option<&str> {
        let output = sign_chunk(chunk, &self.previous, &self.params()?).ok()?;
        self.previous = output.into_parts().1;
        Some(&self.previous)
    }

    /// Returns the signature of the trailers, which follow the last chunk.
    pub(crate) fn trailers(&mut self, trailers: &Headers) -> Option<&str> {
        let output = sign_trailer(trailers, &self.previous, &self.params()?).ok()?;
        self.previous = output.into_parts().1;
        Some(&self.previous)
    }

    fn params(&self) -> Option<v4::SigningParams<'_, ()>> {
        v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(())
            .build()
            .ok()
    }
}

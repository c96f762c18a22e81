//! [`Chunks`]: a body of signed chunks that is re-signed for another time.

use std::pin::Pin;
use std::str;
use std::task::{Context, Poll, ready};

use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::{Error, SdkBody};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use crate::resign::ChunkSigner;

/// A body whose chunks get new signatures. A new signature is as long as the old one, so
/// all other bytes stay.
pub(super) struct Chunks {
    inner: SdkBody,
    signer: ChunkSigner,
    /// Bytes that were read and are not a whole chunk yet, or follow the last chunk.
    read: BytesMut,
    is_past_chunks: bool,
}

impl Chunks {
    pub(super) fn new(inner: SdkBody, signer: ChunkSigner) -> Self {
        Self {
            inner,
            signer,
            read: BytesMut::new(),
            is_past_chunks: false,
        }
    }

    /// Returns the next chunk if all of it was read.
    fn chunk(&mut self) -> Option<Bytes> {
        if self.is_past_chunks {
            return None;
        }
        let start = self.read.windows(2).position(|end| end == b"\r\n")? + 2;
        let line = str::from_utf8(self.read.get(..start)?).ok()?;
        let (size, _) = line.split_once(";chunk-signature=")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        self.is_past_chunks = size == 0;
        let end = if size == 0 {
            start
        } else {
            start.checked_add(size)?.checked_add(2)?
        };
        let content = self.read.get(..end)?.get(start..start + size)?;
        let signature = self.signer.chunk(&Bytes::copy_from_slice(content))?;
        put(signature, start - 2, &mut self.read)?;
        Some(self.read.split_to(end).freeze())
    }

    /// Returns the bytes after the last chunk, if all of them were read.
    fn trailers(&mut self) -> Option<Bytes> {
        let mut rest = self.read.split();
        let mut trailers = Headers::new();
        let mut signature_ends = None;
        let mut end = 0;
        for line in str::from_utf8(&rest)
            .unwrap_or_default()
            .split_inclusive("\r\n")
        {
            end += line.len();
            match line.trim_end().split_once(':') {
                Some(("x-amz-trailer-signature", _)) => signature_ends = end.checked_sub(2),
                Some((name, value)) => {
                    drop(trailers.try_append(name.to_owned(), value.to_owned()));
                }
                None => {}
            }
        }
        if let Some(end) = signature_ends {
            put(self.signer.trailers(&trailers)?, end, &mut rest)?;
        }
        (!rest.is_empty()).then(|| rest.freeze())
    }
}

/// Replaces the signature that ends at `end`.
fn put(signature: &str, end: usize, text: &mut [u8]) -> Option<()> {
    let old = text.get_mut(end.checked_sub(signature.len())?..end)?;
    old.copy_from_slice(signature.as_bytes());
    Some(())
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if let Some(piece) = self.chunk() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.trailers().map(|rest| Ok(Frame::data(rest)))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::{Duration, SystemTime};

    use aws_credential_types::Credentials;
    use aws_smithy_types::byte_stream::ByteStream;
    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    /// Re-signs the "Example: PUT object" of the page that `ChunkSigner` cites.
    async fn example(body: &str, frame: usize) -> String {
        let frames = body.as_bytes().chunks(frame).map(|data| {
            let frame = Frame::data(Bytes::copy_from_slice(data));
            Ok::<_, Infallible>(frame)
        });
        let frames: Vec<_> = frames.collect();
        let inner = SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames)));
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let signer = ChunkSigner::new(
            &Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None, None, "test"),
            ("us-east-1", "s3"),
            // 2013-05-24T00:00:00Z
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600),
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".to_owned(),
        );
        let body = SdkBody::from_body_1_x(Chunks::new(inner, signer));
        let sent = ByteStream::new(body).collect().await.unwrap();
        String::from_utf8(sent.into_bytes().to_vec()).unwrap()
    }

    fn body(signatures: [&str; 3]) -> String {
        let [first, second, last] = signatures;
        let (one, other) = ("a".repeat(65_536), "a".repeat(1_024));
        format!(
            "10000;chunk-signature={first}\r\n{one}\r\n400;chunk-signature={second}\r\n{other}\r\n\
             0;chunk-signature={last}\r\n\r\n"
        )
    }

    #[tokio::test]
    async fn the_example_of_aws_comes_out_identical() {
        let zeros = "0".repeat(64);
        let expected = body([
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]);
        for frame in [97, 65_536, usize::MAX] {
            let sent = example(&body([&zeros; 3]), frame).await;
            assert!(sent == expected, "frames of {frame} bytes");
        }
    }

    #[tokio::test]
    async fn a_body_of_another_form_stays_as_it_is() {
        for body in [
            "",
            "hello",
            "5\r\nhello\r\n0\r\n\r\n",
            "x;chunk-signature=0\r\nhello",
            "5;chunk-signature=0\r\nhello\r\n",
            "ffffffffffffffff;chunk-signature=0\r\nhello",
            "fffffffffffffffe;chunk-signature=0\r\nhello",
        ] {
            assert_eq!(example(body, 3).await, body);
        }
    }
}

//! Bodies of requests: kept for a second send if they are small, passed on if not.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_clock_skew::tower::ReplayBody;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::BoxError;

/// A body on its way to the upstream.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Whole(Full<Bytes>),
    /// It is sent once only: what was read of it, and the rest.
    Streamed(Bytes, Incoming),
}

/// The memory for bodies.
#[derive(Debug)]
pub(crate) struct Memory(Semaphore);

/// A body that was read as far as there is room.
pub(crate) struct Received<'a> {
    /// If it is not too long.
    pub(crate) whole: Option<Bytes>,
    pub(crate) outgoing: Outgoing,
    _room: SemaphorePermit<'a>,
}

impl Memory {
    /// Reads a body, once there is room for it.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
    ) -> Result<Received<'_>, BoxError> {
        let stated = headers.get(CONTENT_LENGTH);
        let stated: Option<usize> = stated.and_then(|length| length.to_str().ok()?.parse().ok());
        let length = stated.unwrap_or(if body.is_end_stream() { 0 } else { LARGEST });
        let is_large = length > LARGEST;
        let room = if is_large { 0 } else { length };
        let units = u32::try_from(room.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permit = self.0.acquire_many(units).await?;
        let mut read = BytesMut::with_capacity(stated.map_or(0, |_| room));
        let mut is_whole = false;
        while !is_large && !is_whole && read.len() <= room {
            match body.frame().await {
                None => is_whole = true,
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        read.extend_from_slice(&data);
                    }
                }
            }
        }
        let read = read.freeze();
        let whole = is_whole.then(|| read.clone());
        let outgoing = match &whole {
            Some(whole) => Outgoing::Whole(Full::from(whole.clone())),
            None => Outgoing::Streamed(read, body),
        };
        Ok(Received {
            whole,
            outgoing,
            _room: permit,
        })
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Semaphore::new(ALL / UNIT))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(|never| match never {})
            }
            Self::Streamed(read, _) if !read.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(read)))))
            }
            Self::Streamed(_, rest) => Pin::new(rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(read, rest) => read.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            // What was read is there because the length is not known.
            Self::Streamed(read, _) if !read.is_empty() => SizeHint::default(),
            Self::Streamed(_, rest) => rest.size_hint(),
        }
    }
}

impl ReplayBody for Outgoing {
    fn try_clone(&self) -> Option<Self> {
        match self {
            Self::Whole(body) => Some(Self::Whole(body.clone())),
            Self::Streamed(..) => None,
        }
    }
}

/// Two of the parts in which SDKs upload large objects: 5 MiB and 8 MiB.
pub(crate) const LARGEST: usize = 16 << 20;
/// Sixteen of the largest.
const ALL: usize = 256 << 20;
const UNIT: usize = 1 << 10;

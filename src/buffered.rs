//! [`Buffered`]: a body whose beginning was read, and that still yields all of its frames.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// A body that yields the frames that were read, and then the rest of the original body.
pub(crate) struct Buffered<B: Body> {
    frames: VecDeque<Result<Frame<Bytes>, B::Error>>,
    /// The body as it came, unless it has ended. The allocation is rare: only error
    /// responses are read.
    rest: Option<Pin<Box<B>>>,
}

impl<B: Body> Buffered<B> {
    /// Reads until the body ends, [`LARGEST_READ`] bytes or [`MOST_FRAMES`] frames are read, or
    /// `deadline` completes. Other tasks can run after every [`FRAMES_AT_ONCE`] frames.
    /// Returns the whole body, and the bytes of its beginning.
    pub(crate) async fn read(body: B, deadline: impl Future<Output = ()>) -> (Self, Bytes) {
        let mut rest = Box::pin(body);
        let mut deadline = pin!(deadline);
        let mut frames = VecDeque::new();
        let mut text = BytesMut::new();
        let has_ended = poll_fn(|cx| {
            for _ in 0..FRAMES_AT_ONCE {
                let Poll::Ready(frame) = rest.as_mut().poll_frame(cx) else {
                    return deadline.as_mut().poll(cx).map(|()| false);
                };
                let Some(frame) = frame else {
                    return Poll::Ready(true);
                };
                let frame = frame.map(whole_frame);
                if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
                    let room = LARGEST_READ.saturating_sub(text.len());
                    text.put(data.as_ref().take(room));
                }
                let has_failed = frame.is_err();
                frames.push_back(frame);
                if has_failed || text.len() >= LARGEST_READ || frames.len() >= MOST_FRAMES {
                    return Poll::Ready(false);
                }
            }
            // While the body is always ready, this is the only place where other tasks run
            // and the deadline is polled.
            cx.waker().wake_by_ref();
            deadline.as_mut().poll(cx).map(|()| false)
        })
        .await;
        let rest = (!has_ended).then_some(rest);
        (Self { frames, rest }, text.freeze())
    }

    /// Returns the body in one piece, if it has ended and holds only data frames.
    #[cfg(feature = "sdk")]
    pub(crate) fn whole(&self) -> Option<Bytes> {
        if self.rest.is_some() {
            return None;
        }
        let mut whole = BytesMut::new();
        for frame in &self.frames {
            whole.extend_from_slice(frame.as_ref().ok()?.data_ref()?);
        }
        Some(whole.freeze())
    }
}

impl<B: Body> Body for Buffered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        let Some(rest) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        rest.as_mut().poll_frame(cx).map_ok(whole_frame)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self
            .frames
            .iter()
            .filter_map(|frame| frame.as_ref().ok()?.data_ref())
            .map(|data| u64::try_from(data.len()).unwrap_or(u64::MAX))
            .sum();
        let mut hint = self
            .rest
            .as_ref()
            .map_or(SizeHint::with_exact(0), |rest| rest.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(hint.lower().saturating_add(read));
        hint
    }
}

// The frames need no pinning, and `rest` is pinned on the heap.
impl<B: Body> Unpin for Buffered<B> {}

/// Converts a frame's data to `Bytes`; this copies nothing if the data is `Bytes` already.
pub(crate) fn whole_frame<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

const LARGEST_READ: usize = 64 * 1_024;
/// A body can yield empty frames without end, and all of them would be kept. The error body
/// of a service comes in one or two frames.
const MOST_FRAMES: usize = 1_024;
/// How many frames are read before other tasks run.
const FRAMES_AT_ONCE: usize = 32;

//! Responses to the caller: error responses byte for byte, successes unbuffered.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_clock_skew::SkewClock;
use aws_clock_skew::tower::SkewBody;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt};

use crate::script::{Lost, Script, response, signed, with_body};
use crate::stack::credentials;
use crate::world::{MINUTE, World};

type Answered = Response<SkewBody<UnsyncBoxBody<Bytes, Lost>>>;

/// Sends a request through the layer to a service with this response. Returns the response and the
/// clock.
async fn through(answer: Response<UnsyncBoxBody<Bytes, Lost>>) -> (Answered, SkewClock) {
    let world = World::with_skew(0);
    let script = Script::new(&world);
    script.plan([Some(Ok(answer))]);
    let clock = world.skew_clock();
    let service = clock.layer(credentials()).layer(script);
    let answer = service.oneshot(signed(&world)).await;
    (answer.expect("the service answers"), clock)
}

type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, Lost>>;

fn channel() -> (
    Frames,
    impl Body<Data = Bytes, Error = Lost> + Send + 'static,
) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, StreamBody::new(stream))
}

/// A body that is always ready with another frame and never ends.
struct Endless(Arc<AtomicUsize>, &'static [u8]);

impl Body for Endless {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(data(self.1)))
    }
}

/// Sends a request whose response is an error with this body. Returns the largest number of frames
/// that were read before another task could run.
async fn read_without_pause(signs: bool, body: Endless) -> usize {
    let frames = body.0.clone();
    let world = World::with_skew(0);
    let script = Script::new(&world);
    script.plan([Some(Ok(with_body(403, body)))]);
    let clock = world.skew_clock();
    let answer = if signs {
        let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
        let call = layer.layer(script).oneshot(unsigned());
        tokio::spawn(call.map(|answer| answer.ok().map(|answer| answer.status())))
    } else {
        let layer = clock.layer(credentials());
        let call = layer.layer(script).oneshot(signed(&world));
        tokio::spawn(call.map(|answer| answer.ok().map(|answer| answer.status())))
    };
    // The two tasks run in turn.
    let is_finished = answer.abort_handle();
    let (mut last, mut most) = (0, 0);
    let observer = tokio::spawn(std::future::poll_fn(move |cx| {
        let read = frames.load(Ordering::Relaxed);
        most = most.max(read - last);
        last = read;
        if is_finished.is_finished() {
            return Poll::Ready(most);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let most = observer.await.expect("it does not panic");
    assert_eq!(answer.await.ok(), Some(Some(http::StatusCode::FORBIDDEN)));
    most
}

#[tokio::test]
async fn an_endless_error_body_is_bounded_in_frames_and_bytes() {
    for signs in [false, true] {
        for (frame, most) in [(&b""[..], 1_024), (b"x", 1_024), (&[b'x'; 1_024], 64)] {
            let frames = Arc::new(AtomicUsize::new(0));
            let without_pause = read_without_pause(signs, Endless(frames.clone(), frame)).await;
            assert_eq!(
                frames.load(Ordering::Relaxed),
                most,
                "{signs} {}",
                frame.len()
            );
            assert!(
                without_pause <= 32,
                "{without_pause} of {most} {}",
                frame.len()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_error_body_is_bounded_in_time() {
    let ticks = futures_util::stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((data(b""), ()))
    });
    let before = tokio::time::Instant::now();
    let (answer, _) = through(with_body(403, StreamBody::new(ticks))).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(before.elapsed().as_secs(), 5);
}

fn unsigned() -> http::Request<Full<Bytes>> {
    crate::stack::operation("https://sqs.test/", "AmazonSQS.Op", String::new())
}

fn data(text: &'static [u8]) -> Result<Frame<Bytes>, Lost> {
    Ok(Frame::data(Bytes::from_static(text)))
}

/// The next frame, if it is ready.
fn at_hand(body: &mut SkewBody<UnsyncBoxBody<Bytes, Lost>>) -> Option<Bytes> {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(body).poll_frame(&mut cx) {
        Poll::Ready(frame) => frame?.ok()?.into_data().ok(),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn error_responses_come_back_byte_for_byte() {
    for status in [400, 401, 403, 404, 409, 412, 416, 429, 500, 503, 304, 301] {
        for size in [0, 1, 100, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20] {
            let whole: String = ('a'..='z').cycle().take(size).collect();
            let (answer, clock) = through(response(status, &whole)).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.body().size_hint().exact(), Some(size as u64));
            assert_eq!(answer.body().is_end_stream(), size == 0);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(body == whole, "{size} bytes of {status} differ");
            assert_eq!(clock.status().event_count(), 0);
        }
    }
}

#[tokio::test]
async fn long_error_bodies_in_pieces_go_on_where_reading_stopped() {
    let (frames, body) = channel();
    for _ in 0..100 {
        assert!(frames.send(data(&[b'x'; 1_000])).is_ok());
    }
    let (answer, _) = through(with_body(503, body)).await;
    for _ in 0..100 {
        assert!(frames.send(data(&[b'y'; 1_000])).is_ok());
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", HeaderValue::from_static("t"));
    assert!(frames.send(Ok(Frame::trailers(trailers.clone()))).is_ok());
    drop(frames);
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers));
    let whole = body.to_bytes();
    assert_eq!(whole.len(), 200_000);
    assert!(whole[..100_000].iter().all(|byte| *byte == b'x'));
    assert!(whole[100_000..].iter().all(|byte| *byte == b'y'));
}

#[tokio::test(start_paused = true)]
async fn the_layer_waits_five_seconds_for_a_slow_error_body() {
    let (frames, body) = channel();
    assert!(frames.send(data(b"slow ")).is_ok());
    let before = tokio::time::Instant::now();
    let (mut answer, _) = through(with_body(403, body)).await;
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(at_hand(answer.body_mut()).as_deref(), Some(&b"slow "[..]));
    assert_eq!(at_hand(answer.body_mut()), None);
    assert!(frames.send(data(b"but here")).is_ok());
    drop(frames);
    let rest = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&rest[..], b"but here");
}

/// The clock skew error is in the part that arrives in time.
#[tokio::test(start_paused = true)]
async fn a_clock_skew_error_whose_body_hangs_is_recovered_from() {
    let world = World::with_skew(-60 * MINUTE);
    let script = Script::new(&world);
    let (frames, body) = channel();
    let text = "Signature expired: 20270116T070000Z is now earlier than 20270116T075500Z \
                (20270116T080000Z - 5 min.)";
    let text = Bytes::from(crate::script::rejection(text));
    assert!(frames.send(Ok(Frame::data(text))).is_ok());
    script.plan([Some(Ok(with_body(403, body)))]);
    let service = world
        .skew_clock()
        .layer(credentials())
        .layer(script.clone());
    let answer = tokio::time::timeout(Duration::from_secs(6), service.oneshot(signed(&world)));
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert_eq!(script.sent().len(), 2);
}

#[tokio::test]
async fn an_error_body_that_ends_early_ends_early_for_the_caller() {
    let (frames, body) = channel();
    assert!(frames.send(data(b"half of ")).is_ok());
    assert!(frames.send(Err(Lost)).is_ok());
    drop(frames);
    let (mut answer, _) = through(with_body(403, body)).await;
    assert_eq!(
        at_hand(answer.body_mut()).as_deref(),
        Some(&b"half of "[..])
    );
    assert_eq!(answer.into_body().collect().await.map(drop), Err(Lost));
}

#[tokio::test]
async fn trailers_of_error_responses_come_back() {
    let (frames, body) = channel();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("16"));
    assert!(frames.send(data(b"no")).is_ok());
    assert!(frames.send(Ok(Frame::trailers(trailers.clone()))).is_ok());
    drop(frames);
    let (answer, _) = through(with_body(403, body)).await;
    assert!(!answer.body().is_end_stream());
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers));
    assert_eq!(&body.to_bytes()[..], b"no");
}

#[tokio::test]
async fn successes_stream() {
    let (frames, body) = channel();
    assert!(frames.send(data(b"first")).is_ok());
    let (mut answer, _) = through(with_body(200, body)).await;
    // The last frame does not exist yet.
    assert_eq!(at_hand(answer.body_mut()).as_deref(), Some(&b"first"[..]));
    assert_eq!(at_hand(answer.body_mut()), None);
    assert!(frames.send(data(b"last")).is_ok());
    drop(frames);
    let rest = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&rest[..], b"last");
}

#[tokio::test]
async fn headers_and_size_of_successes_are_kept() {
    let body = Full::from("sized").map_err(|never| match never {});
    let mut original = with_body(200, body);
    original
        .headers_mut()
        .insert("x-test", HeaderValue::from_static("kept"));
    original.extensions_mut().insert(7_u32);
    let (answer, _) = through(original).await;
    assert_eq!(answer.headers()["x-test"], "kept");
    assert_eq!(answer.extensions().get::<u32>(), Some(&7));
    assert_eq!(answer.body().size_hint().exact(), Some(5));
}

//! Streams: frames that are signed one by one, and bodies that may not be replayable.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sqs::config::{ConfigBag, Intercept};
use aws_sdk_transcribestreaming::error::DisplayErrorContext;
use aws_sdk_transcribestreaming::primitives::Blob;
use aws_sdk_transcribestreaming::primitives::event_stream::{HeaderValue, Message};
use aws_sdk_transcribestreaming::types::error::AudioStreamError;
use aws_sdk_transcribestreaming::types::{AudioEvent, AudioStream, LanguageCode, MediaEncoding};
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;

use crate::assertions::distance;
use crate::clients::{config, receive, sqs, without_retries};
use crate::log::Log;
use crate::wire::{Wire, whole_body};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

const URL: &str = "https://sqs.us-east-1.amazonaws.com";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/1/q";

/// A wire whose server reads the bodies of requests.
#[derive(Clone)]
struct Reader {
    wire: Wire,
    /// The dates of the frames of event streams.
    frames: mpsc::UnboundedSender<SystemTime>,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Reader {
    fn new(world: &World) -> (Self, mpsc::UnboundedReceiver<SystemTime>) {
        let (frames, received) = mpsc::unbounded_channel();
        let reader = Self {
            wire: Wire::new(world, minutes(5)),
            frames,
            bodies: Arc::default(),
        };
        (reader, received)
    }

    fn config(&self) -> SdkConfig {
        config(URL).into_builder().http_client(self.clone()).build()
    }

    fn rejected(&self) -> usize {
        self.wire.rejected()
    }

    async fn read_frames(self, body: SdkBody) {
        let mut decoder = MessageFrameDecoder::new();
        let mut received = BytesMut::new();
        let mut body = ByteStream::new(body);
        while let Some(Ok(chunk)) = body.next().await {
            received.extend_from_slice(&chunk);
            while let Ok(DecodedFrame::Complete(message)) = decoder.decode_frame(&mut received) {
                let date = date_of(&message).expect("frames are signed");
                self.frames.send(date).expect("the test listens");
            }
        }
    }
}

fn date_of(message: &Message) -> Option<SystemTime> {
    let header = |name| {
        let mut headers = message.headers().iter();
        headers.find(move |header| header.name().as_str() == name)
    };
    header(":chunk-signature")?;
    match header(":date")?.value() {
        HeaderValue::Timestamp(date) => SystemTime::try_from(*date).ok(),
        _ => None,
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl HttpConnector for Reader {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let body = std::mem::replace(request.body_mut(), SdkBody::empty());
            let response = this.wire.answer(&request)?;
            if request.uri().contains("stream-transcription") {
                if response.status().is_success() {
                    tokio::spawn(this.read_frames(body));
                }
            } else {
                let body = whole_body(body).await;
                this.bodies.lock().expect("is not poisoned").push(body);
            }
            Ok(response)
        })
    }
}

impl HttpClient for Reader {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

pub(crate) type Transcription =
    aws_sdk_transcribestreaming::operation::start_stream_transcription::StartStreamTranscriptionOutput;

/// Opens an event stream. Each message on the channel goes out as a frame of audio.
pub(crate) async fn transcribe(
    client: &aws_sdk_transcribestreaming::Client,
) -> (mpsc::UnboundedSender<()>, Result<Transcription, String>) {
    let (say, mut said) = mpsc::unbounded_channel();
    let audio = stream::poll_fn(move |context| {
        said.poll_recv(context).map(|said: Option<()>| {
            said?;
            let event = AudioEvent::builder().audio_chunk(Blob::new("la")).build();
            Some(Ok::<_, AudioStreamError>(AudioStream::AudioEvent(event)))
        })
    });
    let started = client
        .start_stream_transcription()
        .language_code(LanguageCode::EnGb)
        .media_sample_rate_hertz(8_000)
        .media_encoding(MediaEncoding::Pcm)
        .audio_stream(audio.into())
        .send()
        .await;
    (
        say,
        started.map_err(|error| DisplayErrorContext(&error).to_string()),
    )
}

fn transcriber(
    config: &SdkConfig,
    skew: &aws_clock_skew::SkewClock,
) -> aws_sdk_transcribestreaming::Client {
    aws_sdk_transcribestreaming::Client::from_conf(
        aws_clock_skew::install!(
            aws_sdk_transcribestreaming::config::Builder::from(config),
            &skew
        )
        .build(),
    )
}

#[tokio::test]
async fn every_frame_is_signed_by_the_corrected_clock() {
    for skew in [-2 * DAY, -20 * MINUTE, 9 * HOUR] {
        let world = World::with_skew(skew);
        let (reader, mut frames) = Reader::new(&world);
        let clock = world.skew_clock();
        let config = reader.config();
        assert_eq!(receive(&sqs(&config, &clock), QUEUE).await, Ok(()));
        let (say, output) = transcribe(&transcriber(&config, &clock)).await;
        let _output = output.expect("another client has updated the clock");
        assert_eq!(reader.rejected(), 1);
        let mut check = async |what: &str| {
            say.send(()).expect("the stream is open");
            let date = frames.recv().await.expect("the stream is open");
            let error = distance(date, world.true_time());
            assert!(error < Duration::from_secs(1), "{error:?} {what}, {skew} s");
        };
        check("at first").await;
        // A stream may last for hours, and the local clock may be repaired in that time.
        world.advance(minutes(120));
        check("later").await;
        world.set_skew(0);
        check("after a repair").await;
        assert_eq!(clock.now(), world.machine_wall());
        world.set_skew(skew);
        assert_eq!(receive(&sqs(&config, &clock), QUEUE).await, Ok(()));
        check("wrong again, after another client has updated the clock").await;
    }
}

#[tokio::test]
async fn the_sdk_alone_signs_frames_by_the_wrong_clock() {
    let world = World::with_skew(-20 * MINUTE);
    let (reader, mut frames) = Reader::new(&world);
    let config = reader
        .config()
        .into_builder()
        .time_source(world.clone())
        .build();
    let client = aws_sdk_transcribestreaming::Client::new(&config);
    let (_, output) = transcribe(&client).await;
    assert!(output.is_err(), "it updates the clock");
    let (say, output) = transcribe(&client).await;
    let _output = output.expect("the SDK corrects the request itself");
    say.send(()).expect("the stream is open");
    let date = frames.recv().await.expect("the stream is open");
    assert!(distance(date, world.true_time()) >= minutes(19));
}

#[tokio::test]
async fn an_event_stream_cannot_be_sent_again_and_updates_the_clock_all_the_same() {
    let log = Log::start();
    let world = World::with_skew(-20 * MINUTE);
    let (reader, mut frames) = Reader::new(&world);
    let clock = world.skew_clock();
    let client = transcriber(&reader.config(), &clock);
    let (_, output) = transcribe(&client).await;
    let error = output.expect_err("its body cannot be replayed");
    assert!(error.contains("Signature expired"), "{error}");
    assert_eq!(reader.wire.seen(), [false]);
    assert_eq!(log.names(), ["skew_detected", "resend_skipped"]);
    let (say, output) = transcribe(&client).await;
    let _output = output.expect("the clock was updated");
    assert_eq!(reader.wire.seen(), [false, true]);
    say.send(()).expect("the stream is open");
    let date = frames.recv().await.expect("the stream is open");
    assert!(distance(date, world.true_time()) < Duration::from_secs(1));
}

/// Replaces the body of the next request by another one, as an operation with a streaming body
/// would have it.
#[derive(Debug)]
struct Streaming(fn() -> SdkBody);

#[dyn_dispatch_hint]
impl Intercept for Streaming {
    fn name(&self) -> &'static str {
        "Streaming"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        headers.remove("content-length");
        *context.request_mut().body_mut() = (self.0)();
        Ok(())
    }
}

async fn sent(client: &aws_sdk_sqs::Client, body: fn() -> SdkBody) -> Result<(), String> {
    let call = client.receive_message().queue_url(QUEUE).customize();
    let sent = call.interceptor(Streaming(body)).send().await;
    sent.map(drop)
        .map_err(|error| DisplayErrorContext(&error).to_string())
}

const CONTENT: &str = "what is to arrive";

fn chunks() -> SdkBody {
    let chunks = CONTENT.as_bytes().chunks(5).map(|chunk| {
        let frame = Frame::data(Bytes::copy_from_slice(chunk));
        Ok::<_, std::convert::Infallible>(frame)
    });
    SdkBody::from_body_1_x(StreamBody::new(stream::iter(chunks)))
}

#[tokio::test]
async fn a_streaming_body_that_can_be_had_again_is_sent_again_whole() {
    for prepare in [|config| config, without_retries] as [fn(SdkConfig) -> SdkConfig; 2] {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let (reader, _frames) = Reader::new(&world);
        let clock = world.skew_clock();
        let sqs = sqs(&prepare(reader.config()), &clock);
        assert_eq!(sent(&sqs, || SdkBody::retryable(chunks)).await, Ok(()));
        assert_eq!(reader.wire.seen(), [false, true]);
        assert_eq!(*reader.bodies.lock().unwrap(), [CONTENT, CONTENT]);
        assert_eq!(log.names(), ["skew_detected"]);
    }
}

#[tokio::test]
async fn a_file_is_sent_again_whole() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let content = Bytes::from(std::fs::read(&path).unwrap());
    // The file is opened here, since that is asynchronous.
    static FILE: Mutex<Option<SdkBody>> = Mutex::new(None);
    let file = ByteStream::from_path(&path).await.unwrap().into_inner();
    *FILE.lock().unwrap() = Some(file);
    let world = World::with_skew(-20 * MINUTE);
    let (reader, _frames) = Reader::new(&world);
    let clock = world.skew_clock();
    let sqs = sqs(&without_retries(reader.config()), &clock);
    let taken = || {
        let file = FILE.lock().expect("is not poisoned").take();
        file.expect("is put there")
    };
    assert_eq!(sent(&sqs, taken).await, Ok(()));
    assert_eq!(reader.wire.seen(), [false, true]);
    assert_eq!(*reader.bodies.lock().unwrap(), [content.clone(), content]);
}

#[tokio::test]
async fn a_body_that_cannot_be_replayed_is_not_sent_again_and_updates_the_clock() {
    for prepare in [|config| config, without_retries] as [fn(SdkConfig) -> SdkConfig; 2] {
        let log = Log::start();
        let world = World::with_skew(-20 * MINUTE);
        let (reader, _frames) = Reader::new(&world);
        let clock = world.skew_clock();
        let sqs = sqs(&prepare(reader.config()), &clock);
        let error = sent(&sqs, chunks)
            .await
            .expect_err("its body cannot be replayed");
        // The service's own message.
        assert!(error.contains("InvalidSignatureException"), "{error}");
        assert!(
            error.contains("Signature expired: 20270116T074000Z"),
            "{error}"
        );
        assert_eq!(reader.wire.seen(), [false]);
        assert_eq!(*reader.bodies.lock().unwrap(), [CONTENT]);
        assert!(clock.status().is_correcting());
        assert_eq!(log.names(), ["skew_detected", "resend_skipped"]);
        let event = log.events().pop().unwrap();
        assert_eq!(event.level, tracing::Level::DEBUG);
        assert_eq!(event.get("reason"), Some("body"));
        assert_eq!(event.get("rpc.method"), Some("ReceiveMessage"));
        assert_eq!(log.counted("resends_skipped", "reason", "body"), 1);
        // Retries are off, so there is no second attempt.
        assert_eq!(log.counted("resends", "outcome", "accepted"), 0);
        assert_eq!(sent(&sqs, chunks).await, Ok(()));
        assert_eq!(reader.wire.seen(), [false, true]);
    }
}

//! An event stream on a machine whose clock is twenty minutes behind.
//!
//! The SDK signs each frame of a stream with its own date, and cannot send a frame again. So the client
//! has the clock installed with `install!`, which gives the SDK's signer the corrected time. The
//! correction starts before the stream: here `synchronize` starts it, in other programs the call of
//! another client.
//!
//! ```text
//! cargo run --example event_stream
//! ```

#[path = "shared/command_line.rs"]
mod command_line;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_clock_skew::{LocalClock, ManualClock, SkewClock, install};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_transcribestreaming::primitives::Blob;
use aws_sdk_transcribestreaming::primitives::event_stream::HeaderValue;
use aws_sdk_transcribestreaming::types::error::AudioStreamError;
use aws_sdk_transcribestreaming::types::{AudioEvent, AudioStream, LanguageCode, MediaEncoding};
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::BytesMut;
use futures_util::{StreamExt, stream};

const CHUNKS: usize = 3;
const HELP: &str = "\
Sends an event stream on a machine whose clock is twenty minutes behind.

Usage: event_stream

The service is inside the process, and checks the date of each frame. The last
line counts the frames, and those whose date is correct to two seconds.

Exit codes: 0 if all dates are correct; 1 if one is not; 2 if an argument cannot
be understood.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    command_line::arguments(HELP);
    let machine = ManualClock::new(UNIX_EPOCH);
    machine.set_wall(true_time(&machine) - Duration::from_mins(20));
    // In your program: `SkewClock::new()`.
    let clock = SkewClock::builder().local_clock(machine.clone()).build();
    let service = Service {
        machine: machine.clone(),
        correct: Arc::default(),
    };
    // Here with a service inside the process; in your program: `configure`.
    let config = clock.configure_with_http_client(
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "example")),
        service.clone(),
    );
    let config = config.load().await;
    let status = clock.synchronize(&config).await?;
    println!("the local clock is {}", status.offset());

    // `install!` gives the SDK's signer the corrected time for each frame.
    let builder = aws_sdk_transcribestreaming::config::Builder::from(&config);
    let transcribe =
        aws_sdk_transcribestreaming::Client::from_conf(install!(builder, &clock).build());
    let audio = stream::iter(0..CHUNKS).map(move |_| {
        // A stream may last for hours.
        machine.advance(Duration::from_mins(30));
        let event = AudioEvent::builder().audio_chunk(Blob::new("la")).build();
        Ok::<_, AudioStreamError>(AudioStream::AudioEvent(event))
    });
    transcribe
        .start_stream_transcription()
        .language_code(LanguageCode::EnGb)
        .media_sample_rate_hertz(8_000)
        .media_encoding(MediaEncoding::Pcm)
        .audio_stream(audio.into())
        .send()
        .await?;
    let correct = service.correct.load(Ordering::Relaxed);
    println!("frames {}, dated correctly {correct}", CHUNKS + 1);
    Ok(ExitCode::from(u8::from(correct != CHUNKS + 1)))
}

/// Checks the dates of frames as Transcribe does.
#[derive(Clone)]
struct Service {
    machine: ManualClock,
    correct: Arc<AtomicUsize>,
}

impl Service {
    async fn receive(&self, body: SdkBody) {
        let mut decoder = MessageFrameDecoder::new();
        let mut received = BytesMut::new();
        let mut body = ByteStream::new(body);
        while let Some(Ok(chunk)) = body.next().await {
            received.extend_from_slice(&chunk);
            while let Ok(DecodedFrame::Complete(frame)) = decoder.decode_frame(&mut received) {
                let date = frame
                    .headers()
                    .iter()
                    .find_map(|header| match header.value() {
                        HeaderValue::Timestamp(date) => SystemTime::try_from(*date).ok(),
                        _ => None,
                    });
                let error = date.map(|date| distance(date, true_time(&self.machine)));
                match error {
                    Some(error) => println!("a frame whose date is {} ms off", error.as_millis()),
                    None => println!("a frame without a date"),
                }
                let is_correct = error.is_some_and(|error| error < Duration::from_secs(2));
                self.correct
                    .fetch_add(usize::from(is_correct), Ordering::Relaxed);
            }
        }
    }
}

impl HttpConnector for Service {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let service = self.clone();
        HttpConnectorFuture::new(async move {
            let body = std::mem::replace(request.body_mut(), SdkBody::empty());
            service.receive(body).await;
            let ok = StatusCode::try_from(200).unwrap_or_else(|_| unreachable!("200 is one"));
            let mut response = HttpResponse::new(ok, SdkBody::empty());
            let date = httpdate::fmt_http_date(true_time(&service.machine));
            response.headers_mut().insert("date", date);
            Ok(response)
        })
    }
}

impl HttpClient for Service {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .unwrap_or_else(|before| before.duration())
}

/// The monotonic clock is correct, whatever the wall clock shows.
fn true_time(machine: &ManualClock) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000) + machine.monotonic()
}

//! Over plain HTTP the S3 SDK signs a streamed body chunk by chunk.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_clock_skew::install;
use aws_sdk_s3::config::retry::RetryPartition;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::task::JoinSet;

use crate::clients::{Integration, config, error_text};
use crate::log::Log;
use crate::wire::{Manner, Wire, whole_body};
use crate::world::{DAY, HOUR, MINUTE, World, minutes};

/// A server on the local network that reads request bodies.
#[derive(Clone)]
struct Server {
    wire: Wire,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// The signature of a request, and its body.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sent {
    date: String,
    authorization: String,
    length: String,
    body: Bytes,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl HttpConnector for Server {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let body = std::mem::replace(request.body_mut(), SdkBody::empty());
            let body = whole_body(body).await;
            let header = |name| request.headers().get(name).unwrap_or_default().to_owned();
            let sent = Sent {
                date: header("x-amz-date"),
                authorization: header("authorization"),
                length: header("content-length"),
                body,
            };
            this.sent.lock().expect("is not poisoned").push(sent);
            this.wire.call(request).await
        })
    }
}

impl HttpClient for Server {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The length of the body, and whether it can be sent a second time.
#[derive(Clone, Copy, Debug)]
struct Upload {
    length: usize,
    is_replayable: bool,
}

const UPLOAD: Upload = Upload {
    // Two and a half of the SDK's chunks.
    length: 160 * 1_024,
    is_replayable: true,
};

/// For many uploads at once.
const SMALL: Upload = Upload {
    length: 5,
    ..UPLOAD
};

/// A machine with a client of that server.
struct Site {
    world: World,
    server: Server,
    s3: aws_sdk_s3::Client,
    upload: Upload,
}

impl Site {
    /// `None` is the SDK alone.
    fn new(integration: Option<Integration>, skew: i64, manner: Manner, upload: Upload) -> Self {
        let world = World::with_skew(skew);
        let server = Server {
            wire: Wire::with_manner(&world, minutes(15), manner),
            sent: Arc::default(),
        };
        let clock = world.skew_clock();
        let config = config("http://minio.example")
            .into_builder()
            .http_client(server.clone())
            .time_source(world.clone())
            .sleep_impl(world.clone())
            .build();
        let config = integration.map_or(config.clone(), |integration| {
            integration.config(&config, &clock)
        });
        let builder = aws_sdk_s3::config::Builder::from(&config)
            // A partition with its own retry quota, which no other test uses up.
            .retry_partition(RetryPartition::custom("own").build())
            .force_path_style(true);
        let builder = match integration {
            Some(integration) if integration.installs() => install!(builder, &clock),
            _ => builder,
        };
        Self {
            world,
            server,
            s3: aws_sdk_s3::Client::from_conf(builder.build()),
            upload,
        }
    }

    async fn puts(&self) -> Result<(), String> {
        puts(self.s3.clone(), self.upload).await
    }

    async fn gets(&self) -> Result<(), String> {
        let got = self.s3.get_object().bucket("b").key("k").send().await;
        got.map(drop).map_err(error_text)
    }

    /// How many of `calls` uploads at once fail.
    async fn failed_in_flight(&self, calls: usize) -> usize {
        self.server.wire.hold(calls);
        let mut sent = JoinSet::new();
        for _ in 0..calls {
            sent.spawn(puts(self.s3.clone(), self.upload));
        }
        let sent = sent.join_all().await;
        sent.iter().filter(|call| call.is_err()).count()
    }

    fn rejected(&self) -> usize {
        self.server.wire.rejected()
    }

    fn sent(&self) -> Vec<Sent> {
        self.server.sent.lock().expect("is not poisoned").clone()
    }
}

async fn puts(s3: aws_sdk_s3::Client, upload: Upload) -> Result<(), String> {
    let Upload {
        length,
        is_replayable,
    } = upload;
    let body = move || {
        // The length of a piece divides no length of a chunk.
        let content: Vec<u8> = (0..=250).cycle().take(length).collect();
        let frames: Vec<_> = content
            .chunks(9_999)
            .map(|frame| Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(frame))))
            .collect();
        SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames)))
    };
    let body = if is_replayable {
        SdkBody::retryable(body)
    } else {
        body()
    };
    let length = i64::try_from(length).expect("is short");
    let put = s3.put_object().bucket("b").key("k").content_length(length);
    let put = put.body(ByteStream::new(body)).send().await;
    put.map(drop).map_err(error_text)
}

const MANNERS: [Manner; 3] = [Manner::InFields, Manner::ByCode, Manner::Silently];
const SKEWS: [i64; 4] = [-2 * DAY, -2 * HOUR, -20 * MINUTE, 9 * HOUR];

/// The oracle is the SDK's own signer on a machine whose clock is correct.
#[tokio::test]
async fn chunks_are_signed_as_by_a_correct_local_clock() {
    for length in [0, 1, 9_999, 64 * 1_024, UPLOAD.length] {
        let upload = Upload { length, ..UPLOAD };
        let oracle = Site::new(None, 0, Manner::InFields, upload);
        assert_eq!(oracle.puts().await, Ok(()));
        let [expected] = &oracle.sent()[..] else {
            panic!("{length} bytes were not sent once");
        };
        let site = Site::new(
            Some(Integration::HttpClient),
            -2 * HOUR,
            Manner::InFields,
            upload,
        );
        // The first upload is sent twice. The second is re-signed before it is sent.
        for _ in 0..2 {
            assert_eq!(site.puts().await, Ok(()), "{length}");
        }
        let [rejected, resent, next] = &site.sent()[..] else {
            panic!("{length} bytes were not sent three times");
        };
        let text = String::from_utf8_lossy(&expected.body);
        assert!(text.contains("0;chunk-signature="), "{text}");
        assert!(text.contains("x-amz-trailer-signature:"), "{text}");
        assert_ne!(rejected.body, expected.body);
        assert_eq!((resent, next), (expected, expected), "{length}");
    }
}

#[tokio::test]
async fn a_stream_over_plain_http_costs_one_rejection_and_no_call() {
    for integration in Integration::ALL {
        for manner in MANNERS {
            for skew in SKEWS {
                let log = Log::start();
                let site = Site::new(Some(integration), skew, manner, SMALL);
                for _ in 0..5 {
                    assert_eq!(
                        site.puts().await,
                        Ok(()),
                        "{integration:?} {manner:?} {skew}"
                    );
                }
                assert_eq!(site.rejected(), 1, "{integration:?} {manner:?} {skew}");
                assert_eq!(site.sent().len(), 6);
                assert_eq!(log.names(), ["skew_detected"]);
            }
        }
    }
}

#[tokio::test]
async fn none_of_fifty_streams_in_flight_over_plain_http_fails() {
    for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
        for skew in [-2 * HOUR, 9 * HOUR] {
            let site = Site::new(integration, skew, Manner::InFields, SMALL);
            assert_eq!(site.failed_in_flight(50).await, 0, "{integration:?} {skew}");
            assert_eq!(site.rejected(), 50);
        }
    }
}

#[tokio::test]
async fn more_streams_in_flight_than_the_retry_quota_allows_for_succeed() {
    for (integration, expected) in [(None, 20), (Some(Integration::HttpClient), 0)] {
        let site = Site::new(integration, -2 * HOUR, Manner::InFields, SMALL);
        assert_eq!(
            site.failed_in_flight(120).await,
            expected,
            "{integration:?}"
        );
    }
}

/// The SDK's own correction uses the `Date` of the response to any request.
#[tokio::test]
async fn streams_after_other_requests_are_not_rejected() {
    for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
        for skew in [-2 * HOUR, 9 * HOUR] {
            let site = Site::new(integration, skew, Manner::InFields, SMALL);
            assert_eq!(site.gets().await, Ok(()), "{integration:?} {skew}");
            assert_eq!(site.failed_in_flight(20).await, 0, "{integration:?} {skew}");
            assert_eq!(site.rejected(), 1, "{integration:?} {skew}");
            let Some(integration) = integration else {
                continue;
            };
            // The local clock is correct again. The SDK alone loses a call here.
            site.world.set_skew(0);
            assert_eq!(site.gets().await, Ok(()), "{integration:?} {skew}");
            assert_eq!(site.failed_in_flight(20).await, 0, "{integration:?} {skew}");
            assert_eq!(site.rejected(), 1, "{integration:?} {skew}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_cannot_be_replayed_fails_once_and_the_next_is_not_rejected() {
    let upload = Upload {
        is_replayable: false,
        ..UPLOAD
    };
    for integration in [None].into_iter().chain(Integration::ALL.map(Some)) {
        for skew in [-2 * HOUR, 9 * HOUR] {
            let site = Site::new(integration, skew, Manner::InFields, upload);
            assert!(site.puts().await.is_err(), "{integration:?}");
            for _ in 0..3 {
                assert_eq!(site.puts().await, Ok(()), "{integration:?} {skew}");
            }
            assert_eq!(site.rejected(), 1, "{integration:?} {skew}");
            assert_eq!(site.sent().len(), 4);
        }
    }
}

#[tokio::test]
async fn on_a_correct_local_clock_a_stream_is_left_as_it_is() {
    for integration in Integration::ALL {
        let site = Site::new(Some(integration), 0, Manner::InFields, UPLOAD);
        let oracle = Site::new(None, 0, Manner::InFields, UPLOAD);
        for _ in 0..3 {
            assert_eq!(site.puts().await, Ok(()));
            assert_eq!(oracle.puts().await, Ok(()));
        }
        assert_eq!(site.sent(), oracle.sent(), "{integration:?}");
    }
}

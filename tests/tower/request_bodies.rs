//! Request bodies: sent a second time byte for byte, or only once.

use aws_clock_skew::event::SkipReason;
use aws_clock_skew::tower::{NonReplayable, ReplayBody};
use aws_clock_skew_endpoint::Endpoint;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use sha2::{Digest, Sha256};
use tower::{Layer, ServiceExt};

use crate::log::Log;
use crate::script::{Script, signed};
use crate::stack::{client, credentials, operation};
use crate::world::{HOUR, World};

/// Sends a body through the layer to a service that rejects the first send. Returns the bodies that
/// the service received.
async fn received<B>(body: B) -> Vec<(Bytes, Option<u64>)>
where
    B: ReplayBody + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Debug,
{
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let service = world
        .skew_clock()
        .layer(credentials())
        .layer(script.clone());
    let request = with_stated_hash(unsigned(), &world);
    let answer = service.oneshot(request.map(|_| body)).await;
    assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
    script
        .sent()
        .into_iter()
        .map(|sent| (sent.body, sent.declared))
        .collect()
}

fn unsigned() -> Request<Full<Bytes>> {
    operation("https://sqs.test/", "AmazonSQS.Op", String::new())
}

/// Adds a hash that is not the body's. `Script` does not check it.
fn with_stated_hash(request: Request<Full<Bytes>>, world: &World) -> Request<Full<Bytes>> {
    let mut request = request;
    let hash = hex::encode(Sha256::digest(b""));
    let value = hash.parse().expect("a hash is a value");
    request.headers_mut().insert("x-amz-content-sha256", value);
    crate::stack::signed(request, "sqs", &credentials(), world.machine_wall())
}

#[tokio::test]
async fn bodies_that_can_be_cloned_are_sent_again() {
    let text = Bytes::from_static(b"twice");
    assert_eq!(
        received(Full::<Bytes>::from(text.clone())).await,
        vec![(text.clone(), Some(5)); 2]
    );
    assert_eq!(received("twice".to_owned()).await, vec![(text, Some(5)); 2]);
    assert_eq!(
        received(Empty::<Bytes>::new()).await,
        vec![(Bytes::new(), Some(0)); 2]
    );
}

fn once()
-> NonReplayable<impl Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static> {
    let frames = ["on", "ce"].map(|data| Ok(Frame::data(Bytes::from_static(data.as_bytes()))));
    NonReplayable::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test]
async fn a_stream_is_sent_once_and_its_clock_skew_error_updates_the_clock() {
    let log = Log::start();
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let layer = clock.layer(credentials());
    let request = with_stated_hash(unsigned(), &world);
    let answer = layer
        .layer(script.clone())
        .oneshot(request.map(|_| once()))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .first(),
        Some(&b'{')
    );
    assert_eq!(script.sent().len(), 1);
    assert_eq!(&script.sent()[0].body[..], b"once");
    assert_eq!(log.names(), ["skew_detected", "resend_skipped"]);
    let reason = log.events()[1].get("reason").map(str::to_owned);
    assert_eq!(reason.as_deref(), Some(SkipReason::Body.as_str()));

    // The next request is re-signed before it is sent.
    let request = with_stated_hash(unsigned(), &world);
    let answer = layer
        .layer(script.clone())
        .oneshot(request.map(|_| once()))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(script.sent().len(), 2);
    assert_eq!(&script.sent()[1].body[..], b"once");
}

#[tokio::test]
async fn without_a_stated_hash_a_stream_cannot_be_verified() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let clock = world.skew_clock();
    let layer = clock.layer(credentials());
    for sent in 1..=2 {
        let request = signed(&world).map(|_| once());
        let answer = layer.layer(script.clone()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(script.sent().len(), sent);
        assert!(clock.status().is_correcting());
    }
}

#[tokio::test]
async fn ten_mebibytes_arrive_whole_both_times() {
    let world = World::with_skew(-HOUR);
    let endpoint = Endpoint::builder(world.clock())
        .start()
        .await
        .expect("loopback can be bound");
    endpoint.feed("q", "first");
    let queue = endpoint.queue_url("q");
    let body = format!(
        r#"{{"QueueUrl":"{queue}","MessageBody":"{}"}}"#,
        "x".repeat(10 << 20)
    );
    let hash = hex::encode(Sha256::digest(&body));
    for signs in [false, true] {
        let clock = world.skew_clock();
        let request = operation(&endpoint.url(), "AmazonSQS.SendMessage", body.clone());
        let before = endpoint.requests_log().len();
        let has_come = if signs {
            let layer = clock.signing_layer(credentials(), "us-east-1", "sqs");
            layer.layer(client()).oneshot(request).await.is_ok()
        } else {
            let request =
                crate::stack::signed(request, "sqs", &credentials(), world.machine_wall());
            clock
                .layer(credentials())
                .layer(client())
                .oneshot(request)
                .await
                .is_ok()
        };
        assert!(has_come);
        let log = endpoint.requests_log();
        let hashes: Vec<_> = log[before..]
            .iter()
            .map(|r| r.request.body_sha256.clone())
            .collect();
        assert_eq!(hashes, [hash.clone(), hash.clone()]);
        assert_eq!(endpoint.counts().rejected, if signs { 2 } else { 1 });
    }
}

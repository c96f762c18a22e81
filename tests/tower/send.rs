//! `SkewLayer::send`: a function in place of a service.

use aws_clock_skew::SkewClock;
use aws_clock_skew_endpoint::Endpoint;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower::ServiceExt;

use crate::log::Log;
use crate::script::{Lost, Script, signed};
use crate::stack::{client, credentials, operation};
use crate::world::{HOUR, World};

/// Makes twenty calls one after the other, without a Tower service. The signer reads the local
/// clock.
async fn failed_and_rejected(clock: Option<&SkewClock>, world: &World) -> (usize, u64) {
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    let layer = clock.map(|clock| clock.layer(credentials()));
    let client = client();
    let mut failed = 0;
    for number in 0..20 {
        let queue = endpoint.queue_url("q");
        let body = format!(r#"{{"QueueUrl":"{queue}","MessageBody":"{number}"}}"#);
        let request = operation(&endpoint.url(), "AmazonSQS.SendMessage", body);
        let request = crate::stack::signed(request, "sqs", &credentials(), world.machine_wall());
        let status = match &layer {
            Some(layer) => {
                let answer = layer.send(request, |request| client.request(request)).await;
                answer.map(|answer| answer.status())
            }
            None => client.request(request).await.map(|answer| answer.status()),
        };
        failed += usize::from(!status.is_ok_and(|status| status.is_success()));
    }
    (failed, endpoint.counts().rejected)
}

#[tokio::test]
async fn one_request_is_rejected_and_no_call_fails() {
    for skew in [-2 * HOUR, 9 * HOUR] {
        let world = World::with_skew(skew);
        assert_eq!(failed_and_rejected(None, &world).await, (20, 20));
        let clock = world.skew_clock();
        assert_eq!(failed_and_rejected(Some(&clock), &world).await, (0, 1));
        assert!(clock.status().is_correcting());
    }
}

#[tokio::test]
async fn while_the_local_clock_is_correct_a_request_is_sent_as_it_is() {
    let log = Log::start();
    let world = World::with_skew(0);
    let script = Script::new(&world);
    let layer = world.skew_clock().layer(credentials());
    let request = signed(&world);
    let headers = request.headers().clone();
    let answer = layer.send(request, |request| script.clone().oneshot(request));
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    assert_eq!(script.sent().len(), 1);
    assert_eq!(script.sent()[0].headers, headers);
    assert_eq!(log.names(), Vec::<String>::new());
}

#[tokio::test]
async fn an_unsigned_request_is_passed_on() {
    let world = World::with_skew(-HOUR);
    let clock = world.skew_clock();
    let script = Script::new(&world);
    let unsigned: Request<Full<Bytes>> = operation("http://sqs.test/", "Op", String::new());
    let layer = clock.layer(credentials());
    let answer = layer.send(unsigned, |request| script.clone().oneshot(request));
    assert_eq!(answer.await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(script.sent().len(), 1);
    assert_eq!(clock.status().event_count(), 0);
}

#[tokio::test]
async fn an_error_of_the_function_is_the_callers() {
    let world = World::with_skew(-HOUR);
    let script = Script::new(&world);
    let layer = world.skew_clock().layer(credentials());
    // The first send, and a second one.
    script.plan([Some(Err(Lost)), None, Some(Err(Lost))]);
    for sent in [1, 3] {
        let answer = layer.send(signed(&world), |request| script.clone().oneshot(request));
        assert_eq!(answer.await.map(drop), Err(Lost));
        assert_eq!(script.sent().len(), sent);
    }
}

#[tokio::test]
async fn a_function_may_borrow_and_its_future_can_be_spawned() {
    let world = World::with_skew(-HOUR);
    let (script, sent) = (Script::new(&world), std::sync::atomic::AtomicUsize::new(0));
    let layer = world.skew_clock().layer(credentials());
    let counted = |request| {
        sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        script.clone().oneshot(request)
    };
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let answer = is_send(layer.send(signed(&world), counted)).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(sent.into_inner(), 2);
}

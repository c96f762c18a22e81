//! Many threads, with all services and integrations at once, and one clock.

use std::sync::Arc;

use aws_clock_skew::SkewEvent;
use aws_clock_skew::event::EventKind;
use aws_clock_skew_endpoint::Endpoint;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tracing::dispatcher;

use crate::clients::{behind, config, encrypt, kms, send, sqs, without_retries};
use crate::log::Log;
use crate::world::{MINUTE, World};

const THREADS: usize = 16;
const TASKS: usize = 1_000;

#[test]
fn a_thousand_tasks_on_sixteen_threads_lose_no_call_and_have_one_event() {
    let log = Log::start();
    // Events of the other threads are captured too.
    let listener = dispatcher::get_default(Clone::clone);
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .on_thread_start(move || std::mem::forget(dispatcher::set_default(&listener)))
        .build()
        .expect("threads can be started");
    runtime.block_on(all_at_once());
    assert_eq!(log.names(), ["skew_detected"]);
    assert_eq!(log.counted("events", "event", "skew_detected"), 1);
}

async fn all_at_once() {
    let world = World::with_skew(-20 * MINUTE);
    let endpoint = Endpoint::builder(world.clock()).start().await;
    let endpoint = endpoint.expect("loopback can be bound");
    endpoint.feed("q", "first");
    let (queue, key) = (endpoint.queue_url("q"), endpoint.create_key());
    let (queue, key) = (Arc::<str>::from(queue), Arc::<str>::from(key));
    let clock = world.skew_clock();
    let config = without_retries(config(&endpoint.url()));
    let whole = behind(&config, &clock);
    let clients = [
        (sqs(&config, &clock), kms(&config, &clock)),
        (
            aws_sdk_sqs::Client::new(&whole),
            aws_sdk_kms::Client::new(&whole),
        ),
        (sqs(&whole, &clock), kms(&whole, &clock)),
    ];
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (sqs, kms) = clients[task % clients.len()].clone();
        let (queue, key, clock) = (queue.clone(), key.clone(), clock.clone());
        tasks.spawn(async move {
            let mut outcomes = vec![send(&sqs, &queue).await];
            outcomes.push(encrypt(&kms, &key).await);
            // From here on, every task gets the correct time.
            outcomes.push(
                clock
                    .status()
                    .is_correcting()
                    .then_some(())
                    .ok_or_else(String::new),
            );
            outcomes
        });
    }
    let outcomes = tasks.join_all().await;
    let failed: Vec<_> = outcomes
        .into_iter()
        .flatten()
        .filter_map(Result::err)
        .collect();
    assert_eq!(failed, Vec::<String>::new());
    let counts = endpoint.counts();
    assert_eq!(counts.accepted, 2 * TASKS as u64);
    // Only the first calls were in flight before the correction.
    assert!((1..=TASKS as u64).contains(&counts.rejected), "{counts:?}");
    assert_eq!(counts.rejected, counts.rejected_for_time);
    let status = clock.status();
    assert_eq!(status.event_count(), 1);
    assert!(matches!(
        status.last_event().map(SkewEvent::kind),
        Some(EventKind::SkewDetected)
    ));
}

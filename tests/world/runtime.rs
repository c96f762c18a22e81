//! The runtime of the world.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Only time-outs use real time, and none elapses.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    // The SDK draws its back-off from this generator.
    fastrand::seed(1);
    runtime.expect("a runtime").block_on(future)
}

/// Does the work for each job, on all cores. The results come in any order.
pub(crate) fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(work(job));
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(some)).collect();
        let done = threads.into_iter().map(thread::ScopedJoinHandle::join);
        done.flat_map(|done| done.expect("no job panics")).collect()
    })
}

//! The runtime of the world.

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

//! The example `sqs_poller` as a process of its own, and the endpoint that it polls
//! in this one.

use aws_clock_skew::{LocalClock, SystemClock};
use aws_clock_skew_endpoint::Endpoint;

use crate::program::{Clock, Program, example, on_clock};

pub(crate) struct Poller {
    pub(crate) endpoint: Endpoint,
    pub(crate) program: Program,
    orders: usize,
}

impl Poller {
    /// Starts a poller on `clock`, of an endpoint that knows the time.
    pub(crate) async fn start(clock: &Clock) -> Self {
        let true_time = || SystemClock::new().wall();
        let endpoint = Endpoint::builder(true_time).start().await;
        let endpoint = endpoint.expect("loopback can be bound");
        endpoint.feed("orders", "order 0");
        let mut command = on_clock(example("sqs_poller"), clock);
        command
            .arg(format!("--queue-url={}", endpoint.queue_url("orders")))
            .env("AWS_ENDPOINT_URL", endpoint.url());
        let mut program = Program::start(&mut command);
        program.until("order 0").await;
        Self {
            endpoint,
            program,
            orders: 0,
        }
    }

    /// Sends an order, and waits for the poller to receive it.
    pub(crate) async fn works(&mut self) {
        self.orders += 1;
        let order = format!("order {}", self.orders);
        self.endpoint.feed("orders", &order);
        self.program.until(&order).await;
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.endpoint.counts().rejected
    }

    /// Stops the poller, which may not have lost a call, and returns all it has said.
    pub(crate) async fn stops(self) -> String {
        self.program.signal("INT").await;
        let said = self.program.ends().await;
        let last = said.lines().last().unwrap_or_default();
        assert!(last.ends_with(", failed 0"), "{said}");
        said
    }
}

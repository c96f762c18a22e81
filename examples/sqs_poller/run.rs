//! A run: a queue, a client with a wrong clock, a poller, and the counts.

use super::{
    arguments::{Arguments, Correction},
    client::client,
    machine::{Machine, true_time},
    poller::{Ending, PATIENCE, Poller, Tally},
    queue::{MESSAGES, Queue},
};
use aws_clock_skew::LocalClock;
use httpdate::fmt_http_date;
use std::process::ExitCode;
use std::{fmt, io};

/// Runs the example until `stop` is ready. With the endpoint on loopback, it also ends when all messages
/// are received. `secret` is the secret key for that endpoint.
///
/// # Errors
///
/// If the endpoint cannot be started.
pub(crate) async fn run(
    arguments: &Arguments,
    secret: &str,
    stop: impl Future<Output = ()>,
) -> io::Result<Summary> {
    let queue = match &arguments.queue_url {
        Some(url) => Queue::at_aws(url).await,
        None => Queue::embedded(secret, !arguments.no_date).await?,
    };
    let machine = Machine::new(arguments.skew);
    introduce(arguments, &queue, machine);

    let client = client(&queue.config, machine, arguments.correction);
    let most = queue.endpoint.is_some().then_some(MESSAGES);
    let (ending, tally) = Poller::new(client, queue.url).poll(most, stop).await;

    match ending {
        Ending::Done => println!("Done      received all {MESSAGES} messages"),
        Ending::Stopped => println!("Stopped   every received message was processed"),
        Ending::GaveUp => println!("Gave up   after {PATIENCE} failed calls in a row"),
    }
    let rejected = queue.endpoint.map(|endpoint| endpoint.counts().rejected);
    Ok(Summary {
        ending,
        tally,
        rejected,
    })
}

fn introduce(arguments: &Arguments, queue: &Queue, machine: Machine) {
    println!("Queue     {}", queue.url);
    println!(
        "Client    {}",
        match arguments.correction {
            Correction::Crate => "aws-sdk-sqs with aws-clock-skew",
            Correction::Sdk => "aws-sdk-sqs with the SDK's own clock skew correction",
            Correction::None => "aws-sdk-sqs without clock skew correction",
        }
    );
    if queue.endpoint.is_some() {
        println!("True time {}", fmt_http_date(true_time()));
    }
    println!(
        "Clock     {}: {}\n",
        fmt_http_date(machine.wall()),
        arguments.skew
    );
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Summary {
    pub(crate) ending: Ending,
    pub(crate) tally: Tally,
    /// How many requests the endpoint on loopback rejected. Unknown for AWS.
    pub(crate) rejected: Option<u64>,
}

impl Summary {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.ending {
            Ending::Done | Ending::Stopped => ExitCode::SUCCESS,
            Ending::GaveUp => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { calls, failed, .. } = self.tally;
        match self.rejected {
            Some(rejected) => {
                write!(
                    f,
                    "calls {calls}, rejected by the server {rejected}, failed {failed}"
                )
            }
            None => write!(f, "calls {calls}, failed {failed}"),
        }
    }
}

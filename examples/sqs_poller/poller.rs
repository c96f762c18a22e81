//! The poller: an ordinary service, without any code for clocks.

use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{DeleteMessageBatchRequestEntry, Message},
};
use std::{error::Error, pin::pin, time::Duration};

/// Receives, processes and deletes messages.
#[derive(Debug)]
pub(crate) struct Poller {
    client: Client,
    queue_url: String,
    tally: Tally,
}

/// The counts of a poller.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) messages: usize,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
}

/// Why a poller ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// It has processed as many messages as it should.
    Done,
    /// It was stopped.
    Stopped,
    /// [`PATIENCE`] calls in a row failed.
    GaveUp,
}

impl Poller {
    pub(crate) fn new(client: Client, queue_url: String) -> Self {
        Self {
            client,
            queue_url,
            tally: Tally::default(),
        }
    }

    /// Polls until `most` messages are processed, `stop` is ready, or [`PATIENCE`] calls in a row
    /// have failed.
    pub(crate) async fn poll(
        mut self,
        most: Option<usize>,
        stop: impl Future<Output = ()>,
    ) -> (Ending, Tally) {
        let mut stop = pin!(stop);
        let mut failures = 0;
        let ending = loop {
            if most.is_some_and(|most| self.tally.messages >= most) {
                break Ending::Done;
            }
            let received = tokio::select! {
                // This drops only a long poll, never the processing or deletion. SQS
                // returns messages of a dropped poll again after their visibility time-out.
                biased;
                () = &mut stop => break Ending::Stopped,
                received = self.receive() => received,
            };
            if let Some(messages) = received {
                failures = 0;
                self.work(&messages);
                self.delete(&messages).await;
            } else {
                failures += 1;
                if failures == PATIENCE {
                    break Ending::GaveUp;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        (ending, self.tally)
    }

    /// Returns the next messages, an empty list after 20 seconds without one, or `None` if the call
    /// failed.
    async fn receive(&mut self) -> Option<Vec<Message>> {
        let call = self.client.receive_message().queue_url(&self.queue_url);
        let answer = call
            .max_number_of_messages(10)
            .wait_time_seconds(20)
            .send()
            .await;
        let output = self.count("ReceiveMessage", answer)?;
        Some(output.messages.unwrap_or_default())
    }

    /// Processes the messages.
    fn work(&mut self, messages: &[Message]) {
        self.tally.messages += messages.len();
        let bodies: Vec<&str> = messages.iter().filter_map(Message::body).collect();
        match bodies[..] {
            [] => println!("Received  nothing"),
            [body] => println!("Received  1 message: {body}"),
            _ => println!("Received  {} messages: {}", bodies.len(), bodies.join(", ")),
        }
    }

    /// Deletes the messages. A message that cannot be deleted is received again.
    async fn delete(&mut self, messages: &[Message]) {
        if messages.is_empty() {
            return;
        }
        let entries = messages.iter().enumerate().map(|(index, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .set_receipt_handle(message.receipt_handle.clone())
                .build()
        });
        // A message without a handle cannot be deleted, and AWS sends none.
        let entries = entries.filter_map(Result::ok).collect();
        let call = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue_url);
        let answer = call.set_entries(Some(entries)).send().await;
        if let Some(output) = self.count("DeleteMessageBatch", answer) {
            for entry in output.failed() {
                println!("Kept      message {}: {}", entry.id(), entry.code());
            }
        }
    }

    fn count<T, E, R>(&mut self, operation: &str, answer: Result<T, SdkError<E, R>>) -> Option<T>
    where
        SdkError<E, R>: ProvideErrorMetadata + Error,
    {
        self.tally.calls += 1;
        answer
            .inspect_err(|error| {
                self.tally.failed += 1;
                match (error.code(), error.message()) {
                    (Some(code), Some(text)) => println!("Failed    {operation}: {code}: {text}"),
                    _ => println!("Failed    {operation}: {}", chain(error)),
                }
            })
            .ok()
    }
}

/// Returns the messages of an error and of its sources.
fn chain(error: &dyn Error) -> String {
    let mut messages = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        messages.push(error.to_string());
        source = error.source();
    }
    messages.dedup();
    messages.join(": ")
}

/// The example ends after this many failures in a row. A service would continue.
pub(crate) const PATIENCE: u32 = 5;

/// The pause after a failure. A service would wait longer after each.
const PAUSE: Duration = Duration::from_millis(100);

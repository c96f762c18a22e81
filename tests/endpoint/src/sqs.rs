//! SQS over AWS JSON 1.0, with its queues in memory.

use crate::{
    ACCOUNT_ID,
    answer::Failure,
    identifiers::Identifiers,
    input::Input,
    lock::lock,
    sqs::queue::{Queue, Received},
};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

mod queue;

/// All queues, by name.
#[derive(Debug)]
pub(crate) struct Sqs {
    /// The beginning of queue URLs.
    endpoint_url: String,
    queues: Mutex<HashMap<String, Arc<Queue>>>,
}

impl Sqs {
    pub(crate) fn new(endpoint_url: String) -> Self {
        Self {
            endpoint_url,
            queues: Mutex::default(),
        }
    }

    /// Returns the URL of a queue, whether it exists or not.
    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT_ID}/{name}", self.endpoint_url)
    }

    /// Puts a message into a queue, and creates the queue if it does not exist.
    pub(crate) fn feed(&self, name: &str, body: String, identifiers: &Identifiers) {
        self.create(name, DEFAULT_VISIBILITY)
            .send(identifiers.uuid(), body, Duration::ZERO);
    }

    /// Performs an operation.
    pub(crate) async fn perform(
        &self,
        operation: &str,
        input: &Input,
        identifiers: &Identifiers,
    ) -> Result<String, Failure> {
        let output = match operation {
            "CreateQueue" => {
                let name = input.text("QueueName")?;
                let visibility = input.nested("Attributes").number("VisibilityTimeout");
                self.create(
                    name,
                    visibility.map_or(DEFAULT_VISIBILITY, Duration::from_secs),
                );
                json!({ "QueueUrl": self.queue_url(name) })
            }
            "ListQueues" => {
                let queues = lock(&self.queues);
                let urls: BTreeSet<_> = queues.keys().map(|name| self.queue_url(name)).collect();
                json!({ "QueueUrls": urls })
            }
            "GetQueueUrl" => {
                let name = input.text("QueueName")?;
                self.queue(name)?;
                json!({ "QueueUrl": self.queue_url(name) })
            }
            "SendMessage" => send(&*self.addressed(input)?, input, identifiers)?,
            "SendMessageBatch" => {
                let queue = self.addressed(input)?;
                batch(input, |entry| send(&queue, entry, identifiers))?
            }
            "ReceiveMessage" => receive(&*self.addressed(input)?, input).await,
            "DeleteMessage" => {
                delete(&*self.addressed(input)?, input)?;
                json!({})
            }
            "DeleteMessageBatch" => {
                let queue = self.addressed(input)?;
                batch(input, |entry| delete(&queue, entry).map(|()| json!({})))?
            }
            other => return Err(Failure::unknown_operation(other)),
        };
        Ok(output.to_string())
    }

    fn create(&self, name: &str, visibility: Duration) -> Arc<Queue> {
        let mut queues = lock(&self.queues);
        let queue = queues.entry(name.to_owned());
        Arc::clone(queue.or_insert_with(|| Arc::new(Queue::new(visibility))))
    }

    /// Returns the queue that the last segment of `QueueUrl` names.
    fn addressed(&self, input: &Input) -> Result<Arc<Queue>, Failure> {
        let url = input.text("QueueUrl")?;
        self.queue(queue_name(url))
    }

    fn queue(&self, name: &str) -> Result<Arc<Queue>, Failure> {
        lock(&self.queues).get(name).cloned().ok_or_else(|| {
            Failure::bad_request(
                "com.amazonaws.sqs#QueueDoesNotExist",
                "The specified queue does not exist.",
            )
        })
    }
}

/// Returns the name of the queue with this URL.
pub(crate) fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn send(queue: &Queue, input: &Input, identifiers: &Identifiers) -> Result<Value, Failure> {
    let body = input.text("MessageBody")?;
    let delay = Duration::from_secs(input.number("DelaySeconds").unwrap_or(0));
    let id = identifiers.uuid();
    queue.send(id.clone(), body.to_owned(), delay);
    Ok(json!({ "MessageId": id, "MD5OfMessageBody": md5(body) }))
}

async fn receive(queue: &Queue, input: &Input) -> Value {
    let most = input
        .number("MaxNumberOfMessages")
        .unwrap_or(1)
        .clamp(1, 10);
    let visibility = input.number("VisibilityTimeout").map(Duration::from_secs);
    let wait = Duration::from_secs(input.number("WaitTimeSeconds").unwrap_or(0));
    // At most ten, so that the conversion cannot fail.
    let most = usize::try_from(most).unwrap_or(1);
    let received = queue.receive(most, visibility, wait).await;
    if received.is_empty() {
        return json!({});
    }
    let messages: Vec<Value> = received
        .into_iter()
        .map(
            |Received {
                 id,
                 body,
                 receipt_handle,
             }| {
                json!({
                    "MessageId": id,
                    "MD5OfBody": md5(&body),
                    "Body": body,
                    "ReceiptHandle": receipt_handle,
                })
            },
        )
        .collect();
    json!({ "Messages": messages })
}

fn delete(queue: &Queue, input: &Input) -> Result<(), Failure> {
    let deleted = queue.delete(input.text("ReceiptHandle")?);
    deleted.ok_or_else(|| {
        Failure::bad_request(
            "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            "The input receipt handle is invalid.",
        )
    })
}

/// Performs an operation on each entry of a batch.
/// The output for an entry has its `Id`. Unlike at AWS, one failure fails the batch, since a
/// failure here is a mistake in the test.
fn batch(
    input: &Input,
    perform: impl Fn(&Input) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let mut successful = Vec::new();
    for entry in input.entries() {
        let mut output = perform(&entry)?;
        output["Id"] = json!(entry.text("Id")?);
        successful.push(output);
    }
    Ok(json!({ "Successful": successful, "Failed": [] }))
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text))
}

/// The default of SQS.
const DEFAULT_VISIBILITY: Duration = Duration::from_secs(30);

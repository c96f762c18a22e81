//! SQS: messages are received once, and long polls wait for them.

use crate::{
    Outcome,
    client::{Client, Clock},
};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let queue = endpoint.queue_url("orders");
    let missing = client
        .sqs("GetQueueUrl", json!({ "QueueName": "orders" }))
        .await?;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert_eq!(missing.code(), "com.amazonaws.sqs#QueueDoesNotExist");

    client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    let listed = client.sqs("ListQueues", json!({})).await?.json();
    assert_eq!(listed["QueueUrls"], json!([queue]));
    let sent = client
        .sqs(
            "SendMessage",
            json!({ "QueueUrl": queue, "MessageBody": "hello" }),
        )
        .await?;
    assert_eq!(
        sent.json()["MD5OfMessageBody"],
        "5d41402abc4b2a76b9719d911017c592"
    );
    let received = client
        .sqs("ReceiveMessage", json!({ "QueueUrl": queue }))
        .await?
        .json();
    let message = &received["Messages"][0];
    assert_eq!(message["Body"], "hello");
    assert_eq!(message["MD5OfBody"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(message["MessageId"], sent.json()["MessageId"]);
    let delete = json!({ "QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"] });
    assert_eq!(client.sqs("DeleteMessage", delete).await?.body, "{}");
    Ok(())
}

#[tokio::test]
async fn batches_are_answered_entry_by_entry() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let queue = endpoint.queue_url("orders");
    client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    let entries = json!([{ "Id": "a", "MessageBody": "1" }, { "Id": "b", "MessageBody": "2" }]);
    let sent = client
        .sqs(
            "SendMessageBatch",
            json!({ "QueueUrl": queue, "Entries": entries }),
        )
        .await?
        .json();
    assert_eq!(sent["Successful"][1]["Id"], "b");
    assert_eq!(
        sent["Successful"][1]["MD5OfMessageBody"],
        "c81e728d9d4c2f636f067f89cc14862c"
    );

    let receive = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
    let received = client.sqs("ReceiveMessage", receive.clone()).await?.json();
    let handles = [0, 1].map(|index| received["Messages"][index]["ReceiptHandle"].clone());
    let entries = json!([{ "Id": "a", "ReceiptHandle": handles[0] }, { "Id": "b", "ReceiptHandle": handles[1] }]);
    let deleted = client
        .sqs(
            "DeleteMessageBatch",
            json!({ "QueueUrl": queue, "Entries": entries }),
        )
        .await?
        .json();
    assert_eq!(
        deleted,
        json!({ "Successful": [{ "Id": "a" }, { "Id": "b" }], "Failed": [] })
    );
    assert_eq!(client.sqs("ReceiveMessage", receive).await?.body, "{}");
    Ok(())
}

#[tokio::test]
async fn a_long_poll_wakes_when_a_message_arrives() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let queue = endpoint.queue_url("orders");
    client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    let poll = client.sqs(
        "ReceiveMessage",
        json!({ "QueueUrl": queue, "WaitTimeSeconds": 20 }),
    );
    let feed = async {
        while endpoint.counts().accepted < 2 {
            tokio::task::yield_now().await;
        }
        endpoint.feed("orders", "at last");
    };
    let (answer, ()) =
        tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(poll, feed) }).await?;
    assert_eq!(answer?.json()["Messages"][0]["Body"], "at last");
    Ok(())
}

#[tokio::test]
async fn a_received_message_comes_back_to_a_long_poll_when_it_is_visible_again() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    endpoint.feed("orders", "again");
    let queue = endpoint.queue_url("orders");
    let first = client
        .sqs(
            "ReceiveMessage",
            json!({ "QueueUrl": queue, "VisibilityTimeout": 1 }),
        )
        .await?;
    assert_eq!(first.json()["Messages"][0]["Body"], "again");
    let at_once = client
        .sqs("ReceiveMessage", json!({ "QueueUrl": queue }))
        .await?;
    assert_eq!(at_once.body, "{}");
    let second = client
        .sqs(
            "ReceiveMessage",
            json!({ "QueueUrl": queue, "WaitTimeSeconds": 20 }),
        )
        .await?;
    assert_eq!(second.json()["Messages"][0]["Body"], "again");
    Ok(())
}

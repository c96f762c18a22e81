//! `Date` headers, hooks, and KMS.

use crate::{
    Outcome,
    client::{Client, Clock},
};
use http::StatusCode;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn the_date_is_the_servers_time_and_can_be_switched_off() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let dated = client.kms("CreateKey", json!({})).await?;
    assert_eq!(dated.headers["date"], "Sun, 19 Jun 2016 12:40:00 GMT");
    assert_eq!(dated.headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(dated.headers["x-amzn-requestid"].len(), 36);
    endpoint.set_send_date(false);
    client.clock.set(-3600);
    let rejected = client.kms("CreateKey", json!({})).await?;
    assert_eq!(rejected.status, StatusCode::BAD_REQUEST);
    assert!(!rejected.headers.contains_key("date"));
    Ok(())
}

#[tokio::test]
async fn the_date_can_be_wrong() -> Outcome {
    let endpoint = Clock::default()
        .builder()
        .date_clock(|| Some("yesterday".to_owned()))
        .start()
        .await?;
    let mut client = Client::connect(&endpoint).await?;
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.headers["date"],
        "yesterday"
    );
    endpoint.set_date_clock(|| None);
    assert!(
        !client
            .kms("CreateKey", json!({}))
            .await?
            .headers
            .contains_key("date")
    );
    Ok(())
}

#[tokio::test]
async fn times_before_1970_are_dates_too() -> Outcome {
    let clock = Clock::default();
    clock.set(-1_466_340_001);
    let endpoint = clock.builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let answer = client.kms("CreateKey", json!({})).await?;
    assert_eq!(answer.headers["date"], "Wed, 31 Dec 1969 23:59:59 GMT");
    assert!(
        answer.message().contains("(19691231T235959Z + 5 min.)"),
        "{}",
        answer.message()
    );
    Ok(())
}

#[tokio::test]
async fn a_hook_before_verification_may_set_the_clock() -> Outcome {
    let clock = Clock::default();
    let moved = clock.clone();
    let endpoint = clock
        .builder()
        .before_verify(move |request| {
            if request.operation == "CreateKey" {
                moved.set(301);
            }
        })
        .start()
        .await?;
    let mut client = Client::connect(&endpoint).await?;
    let answer = client.kms("CreateKey", json!({})).await?;
    assert!(
        answer.message().ends_with("(20160619T124501Z - 5 min.)"),
        "{}",
        answer.message()
    );
    assert_eq!(answer.headers["date"], "Sun, 19 Jun 2016 12:45:01 GMT");
    Ok(())
}

#[tokio::test]
async fn a_hook_after_verification_finds_the_date_on_the_answer() -> Outcome {
    static REJECTED: AtomicBool = AtomicBool::new(true);
    let clock = Clock::default();
    let moved = clock.clone();
    let endpoint = clock
        .builder()
        .after_verify(move |record| {
            REJECTED.store(record.rejected(), Ordering::SeqCst);
            moved.set(600);
        })
        .start()
        .await?;
    let mut client = Client::connect(&endpoint).await?;
    let answer = client.kms("CreateKey", json!({})).await?;
    assert_eq!(answer.headers["date"], "Sun, 19 Jun 2016 12:40:00 GMT");
    assert!(!REJECTED.load(Ordering::SeqCst));
    Ok(())
}

#[tokio::test]
async fn encrypted_data_can_be_decrypted() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let key = client.kms("CreateKey", json!({})).await?.json()["KeyMetadata"]["Arn"].clone();
    let described = client
        .kms("DescribeKey", json!({ "KeyId": key }))
        .await?
        .json();
    assert_eq!(described["KeyMetadata"]["Arn"], key);

    let encrypted = client
        .kms("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" }))
        .await?;
    let blob = &encrypted.json()["CiphertextBlob"];
    let decrypted = client
        .kms("Decrypt", json!({ "CiphertextBlob": blob }))
        .await?
        .json();
    assert_eq!(
        (&decrypted["Plaintext"], &decrypted["KeyId"]),
        (&json!("aGVsbG8="), &key)
    );

    let data_key = client
        .kms(
            "GenerateDataKey",
            json!({ "KeyId": key, "KeySpec": "AES_256" }),
        )
        .await?;
    let blob = &data_key.json()["CiphertextBlob"];
    let decrypted = client
        .kms("Decrypt", json!({ "CiphertextBlob": blob }))
        .await?
        .json();
    assert_eq!(decrypted["Plaintext"], data_key.json()["Plaintext"]);

    let unknown = client
        .kms(
            "Encrypt",
            json!({ "KeyId": "none", "Plaintext": "aGVsbG8=" }),
        )
        .await?;
    assert_eq!(unknown.code(), "NotFoundException");
    Ok(())
}

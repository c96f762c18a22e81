//! Accepted requests, and the messages for rejected ones.

use crate::{
    Outcome,
    client::{Client, Clock},
};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, Verdict};
use aws_credential_types::Credentials;
use http::{Request, StatusCode};
use serde_json::json;
use std::time::Duration;

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

#[tokio::test]
async fn a_correct_signature_is_accepted_and_recorded() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let answer = client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["QueueUrl"], endpoint.queue_url("orders"));

    let counts = endpoint.counts();
    assert_eq!(
        (counts.requests, counts.accepted, counts.rejected),
        (1, 1, 0)
    );
    let log = endpoint.requests_log();
    assert_eq!(log.len(), 1);
    let request = &log[0].request;
    assert_eq!(
        (request.service, request.operation.as_str()),
        ("sqs", "CreateQueue")
    );
    assert_eq!(request.access_key_id, ACCESS_KEY_ID);
    assert_eq!(request.amz_date, "20160619T124000Z");
    assert_eq!(request.body_sha256.len(), 64);
    Ok(())
}

#[tokio::test]
async fn one_changed_byte_of_the_secret_is_a_mismatch() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    client.credentials = Credentials::from_keys(
        ACCESS_KEY_ID,
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ",
        None,
    );

    let sqs = client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    assert_eq!(sqs.status, StatusCode::FORBIDDEN);
    assert_eq!(
        sqs.code(),
        "com.amazon.coral.service#InvalidSignatureException"
    );
    assert_eq!(sqs.message(), MISMATCH);
    let kms = client.kms("CreateKey", json!({})).await?;
    assert_eq!(kms.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        (kms.code().as_str(), kms.message().as_str()),
        ("InvalidSignatureException", MISMATCH)
    );
    let sts = client
        .sts("Action=GetCallerIdentity&Version=2011-06-15")
        .await?;
    assert_eq!(sts.status, StatusCode::FORBIDDEN);
    assert_eq!(
        (sts.element("Code"), sts.element("Message")),
        ("SignatureDoesNotMatch", MISMATCH)
    );

    let counts = endpoint.counts();
    assert_eq!(
        (counts.rejected, counts.rejected_for_time, counts.accepted),
        (3, 0, 0)
    );
    Ok(())
}

#[tokio::test]
async fn one_changed_byte_of_the_body_is_a_mismatch() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let mut request = client.json("sqs", "AmazonSQS.CreateQueue", json!({ "QueueName": "a" }))?;
    *request.body_mut() = json!({ "QueueName": "b" }).to_string().into();
    assert_eq!(client.send(request).await?.message(), MISMATCH);
    Ok(())
}

#[tokio::test]
async fn a_late_signature_is_rejected_with_the_message_of_aws() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    client.clock.set(-901);
    let sqs = client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    assert_eq!(sqs.status, StatusCode::FORBIDDEN);
    assert_eq!(
        sqs.message(),
        "Signature expired: 20160619T122459Z is now earlier than 20160619T122500Z (20160619T124000Z - 15 min.)",
    );
    client.clock.set(-301);
    let kms = client.kms("CreateKey", json!({})).await?;
    assert_eq!(kms.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        kms.message(),
        "Signature expired: 20160619T123459Z is now earlier than 20160619T123500Z (20160619T124000Z - 5 min.)",
    );
    let counts = endpoint.counts();
    assert_eq!((counts.rejected, counts.rejected_for_time), (2, 2));
    Ok(())
}

#[tokio::test]
async fn an_early_signature_is_rejected_with_the_message_of_aws() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    client.clock.set(301);
    let kms = client.kms("CreateKey", json!({})).await?;
    assert_eq!(
        kms.message(),
        "Signature not yet current: 20160619T124501Z is still later than 20160619T124500Z (20160619T124000Z + 5 min.)",
    );
    client.clock.set(901);
    let sts = client
        .sts("Action=GetCallerIdentity&Version=2011-06-15")
        .await?;
    assert_eq!(
        sts.element("Message"),
        "Signature not yet current: 20160619T125501Z is still later than 20160619T125500Z (20160619T124000Z + 15 min.)",
    );
    Ok(())
}

#[tokio::test]
async fn the_bounds_themselves_are_accepted() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    for seconds in [-300, 300] {
        client.clock.set(seconds);
        assert_eq!(
            client.kms("CreateKey", json!({})).await?.status,
            StatusCode::OK
        );
    }
    for seconds in [-900, 900] {
        client.clock.set(seconds);
        let queue = json!({ "QueueName": "orders" });
        assert_eq!(
            client.sqs("CreateQueue", queue).await?.status,
            StatusCode::OK
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_tolerance_and_the_message_can_be_changed_while_it_runs() -> Outcome {
    let endpoint = Clock::default().builder().bound_only(true).start().await?;
    let mut client = Client::connect(&endpoint).await?;
    client.clock.set(-301);
    endpoint.set_tolerance(Duration::from_mins(15));
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.status,
        StatusCode::OK
    );
    endpoint.set_tolerance(Duration::from_mins(5));
    let late = client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    assert_eq!(
        late.message(),
        "Signature expired: 20160619T123459Z is now earlier than 20160619T123500Z",
    );
    endpoint.set_bound_only(false);
    let late = client
        .sqs("CreateQueue", json!({ "QueueName": "orders" }))
        .await?;
    assert!(
        late.message().ends_with(" (20160619T124000Z - 5 min.)"),
        "{}",
        late.message()
    );
    Ok(())
}

#[tokio::test]
async fn a_late_request_with_a_wrong_signature_is_rejected_as_late() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    client.credentials = Credentials::from_keys(ACCESS_KEY_ID, "wrong", None);
    client.clock.set(-3600);
    client.kms("CreateKey", json!({})).await?;
    assert_eq!(endpoint.requests_log()[0].verdict, Verdict::RejectedForTime);
    Ok(())
}

#[tokio::test]
async fn a_request_without_a_signature_is_rejected() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let request = Request::post("/")
        .header("host", "localhost")
        .body("{}".into())?;
    let answer = client.send(request).await?;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer
            .code()
            .ends_with("MissingAuthenticationTokenException"),
        "{}",
        answer.body
    );
    assert_eq!(
        endpoint.requests_log()[0].verdict,
        Verdict::MissingAuthentication
    );
    Ok(())
}

#[tokio::test]
async fn a_signature_for_another_service_is_rejected() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let request = client.json("sqs", "TrentService.CreateKey", json!({}))?;
    let answer = client.send(request).await?;
    assert_eq!(
        answer.message(),
        "Credential should be scoped to correct service: 'kms'."
    );
    Ok(())
}

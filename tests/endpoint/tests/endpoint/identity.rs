//! Session credentials and denied operations.

use crate::{
    Outcome,
    client::{Answer, Client, Clock},
};
use aws_clock_skew_endpoint::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, Verdict};
use aws_credential_types::Credentials;
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

fn session(answer: &Answer) -> Credentials {
    Credentials::from_keys(
        answer.element("AccessKeyId"),
        answer.element("SecretAccessKey"),
        Some(answer.element("SessionToken").to_owned()),
    )
}

#[tokio::test]
async fn an_assumed_role_signs_until_it_expires_by_the_servers_clock() -> Outcome {
    let clock = Clock::default();
    let endpoint = clock.builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let role = client
        .sts("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdemo&RoleSessionName=a%26b&DurationSeconds=900")
        .await?;
    assert_eq!(role.status, StatusCode::OK, "{}", role.body);
    assert_eq!(role.element("Expiration"), "2016-06-19T12:55:00Z");
    assert_eq!(
        role.element("Arn"),
        "arn:aws:sts::123456789012:assumed-role/demo/a&amp;b"
    );
    assert_eq!(role.element("SecretAccessKey").len(), 40);

    client.credentials = session(&role);
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.status,
        StatusCode::OK
    );
    clock.set(900);
    client.clock.set(900);
    let expired = client.kms("CreateKey", json!({})).await?;
    assert_eq!(expired.status, StatusCode::BAD_REQUEST);
    assert_eq!(expired.code(), "ExpiredTokenException");
    assert_eq!(
        expired.message(),
        "The security token included in the request is expired"
    );
    let expired = client
        .sts("Action=GetCallerIdentity&Version=2011-06-15")
        .await?;
    assert_eq!(
        (expired.status, expired.element("Code")),
        (StatusCode::FORBIDDEN, "ExpiredToken")
    );
    Ok(())
}

#[tokio::test]
async fn another_session_token_is_rejected_as_unknown() -> Outcome {
    let endpoint = Clock::default()
        .builder()
        .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, Some("one"))
        .start()
        .await?;
    let mut client = Client::connect(&endpoint).await?;
    for token in [None, Some("two".to_owned())] {
        client.credentials = Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token);
        let answer = client.kms("CreateKey", json!({})).await?;
        assert_eq!(answer.code(), "UnrecognizedClientException");
        assert_eq!(
            answer.message(),
            "The security token included in the request is invalid."
        );
    }
    client.credentials =
        Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, Some("one".to_owned()));
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.status,
        StatusCode::OK
    );
    Ok(())
}

#[tokio::test]
async fn expiring_credentials_can_be_added_and_replaced() -> Outcome {
    let clock = Clock::default();
    let expires = clock.now() + Duration::from_mins(1);
    let endpoint = clock
        .builder()
        .credentials_expiring(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, expires)
        .start()
        .await?;
    let mut client = Client::connect(&endpoint).await?;
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.status,
        StatusCode::OK
    );
    clock.set(60);
    client.kms("CreateKey", json!({})).await?;
    assert_eq!(
        endpoint.requests_log()[1].verdict,
        Verdict::ExpiredCredentials
    );
    endpoint.add_credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None)?;
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.status,
        StatusCode::OK
    );
    Ok(())
}

#[tokio::test]
async fn a_denied_operation_is_rejected_after_its_signature_was_verified() -> Outcome {
    let clock = Clock::default();
    let endpoint = clock.builder().deny("Encrypt").start().await?;
    let mut client = Client::connect(&endpoint).await?;
    let key = endpoint.create_key();
    let input = json!({ "KeyId": key, "Plaintext": "aGVsbG8=" });
    let denied = client.kms("Encrypt", input.clone()).await?;
    assert_eq!(
        (denied.status, denied.code().as_str()),
        (StatusCode::BAD_REQUEST, "AccessDeniedException")
    );
    assert!(
        denied.message().starts_with(&format!(
            "User: arn:aws:iam::123456789012:user/test is not authorized to perform: kms:Encrypt \
             on resource: arn:aws:kms:eu-west-1:123456789012:key/{key} "
        )),
        "{}",
        denied.message(),
    );
    client.clock.set(-3600);
    assert_eq!(
        client.kms("Encrypt", input).await?.code(),
        "InvalidSignatureException"
    );
    let counts = endpoint.counts();
    assert_eq!((counts.accepted, counts.rejected), (1, 1));
    Ok(())
}

#[tokio::test]
async fn an_endpoint_with_a_secret_of_another_length_does_not_start() {
    let started = Clock::default()
        .builder()
        .credentials(ACCESS_KEY_ID, "short", None)
        .start()
        .await;
    assert!(started.is_err());
}

//! Requests that are held until all have arrived.

use crate::{
    Outcome,
    client::{Client, Clock},
};
use aws_clock_skew_endpoint::Endpoint;
use http::StatusCode;
use serde_json::json;
use std::{future::Future, time::Duration};
use tokio::task::JoinSet;

/// Sends one request on each of `count` connections, and returns the statuses.
fn burst(endpoint: &Endpoint, count: usize) -> impl Future<Output = Outcome<Vec<StatusCode>>> {
    let connections = (0..count)
        .map(|_| Client::connect(endpoint))
        .collect::<Vec<_>>();
    async move {
        let mut calls = JoinSet::new();
        for connection in connections {
            let mut client = connection.await?;
            calls.spawn(async move { client.kms("CreateKey", json!({})).await });
        }
        let mut statuses = Vec::new();
        while let Some(call) = calls.join_next().await {
            statuses.push(call??.status);
        }
        Ok(statuses)
    }
}

#[tokio::test]
async fn a_hold_releases_when_all_have_arrived() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let hold = endpoint.hold(50);
    let statuses = burst(&endpoint, 50).await?;
    hold.arrived().await;
    assert_eq!(statuses, [StatusCode::OK; 50]);
    // Later requests pass.
    assert_eq!(burst(&endpoint, 2).await?, [StatusCode::OK; 2]);
    Ok(())
}

#[tokio::test]
async fn held_requests_are_verified_at_the_time_of_their_release() -> Outcome {
    let clock = Clock::default();
    let endpoint = clock.builder().start().await?;
    let hold = endpoint.hold_until_released(3);
    let release = async {
        hold.arrived().await;
        let counts = endpoint.counts();
        assert_eq!(
            (counts.requests, counts.accepted, counts.rejected),
            (3, 0, 0)
        );
        clock.set(301);
        hold.release();
    };
    let (statuses, ()) = tokio::join!(burst(&endpoint, 3), release);
    assert_eq!(statuses?, [StatusCode::BAD_REQUEST; 3]);
    assert_eq!(endpoint.counts().rejected_for_time, 3);
    Ok(())
}

#[tokio::test]
async fn a_dropped_hold_does_not_keep_its_requests() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    drop(endpoint.hold_until_released(5));
    assert_eq!(burst(&endpoint, 1).await?, [StatusCode::OK]);
    Ok(())
}

#[tokio::test]
async fn a_thousand_connections_are_held_and_released_at_once() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let _hold = endpoint.hold(1000);
    let statuses = tokio::time::timeout(Duration::from_secs(60), burst(&endpoint, 1000)).await??;
    assert_eq!(statuses, [StatusCode::OK; 1000]);
    assert_eq!(endpoint.counts().accepted, 1000);
    Ok(())
}

#[tokio::test]
async fn a_dropped_endpoint_closes_its_connections() -> Outcome {
    let endpoint = Clock::default().builder().start().await?;
    let mut client = Client::connect(&endpoint).await?;
    assert_eq!(
        client.kms("CreateKey", json!({})).await?.status,
        StatusCode::OK
    );
    drop(endpoint);
    assert!(client.kms("CreateKey", json!({})).await.is_err());
    Ok(())
}

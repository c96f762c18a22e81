//! Over plain HTTP the SDK signs each chunk of a streamed body, with the time of the first.

use aws_clock_skew::SkewClock;
use aws_sdk_s3::primitives::ByteStream;
use sha2::{Digest, Sha256};

use crate::site::{BUCKET, Site, content, succeeded};

#[tokio::test]
async fn without_retries_a_wrong_local_clock_costs_one_rejection_and_no_upload() {
    for is_legacy in [false, true] {
        for is_ahead in [false, true] {
            let mut site = Site::start(false).await;
            if is_legacy {
                site.use_legacy_client();
            }
            let client = site.client(is_ahead).await;
            three_uploads_cost_one_rejection(&site, client).await;
        }
    }
}

#[tokio::test]
async fn signed_chunks_succeed_with_the_interceptor_and_the_http_client() {
    for is_ahead in [false, true] {
        let site = Site::start(false).await;
        // The SDK re-signs these requests, so the HTTP client reports no resend.
        let client = site.client_of_both(is_ahead).await;
        three_uploads_cost_one_rejection(&site, client).await;
    }
}

async fn three_uploads_cost_one_rejection(
    site: &Site,
    (client, clock): (aws_sdk_s3::Client, SkewClock),
) {
    let file = site.server.file("bin");
    let content = content(300_000);
    std::fs::write(&file, &content).expect("the target directory can be written");
    let before = (site.server.requests(), site.server.rejected());
    for _ in 0..3 {
        let body = ByteStream::from_path(&file)
            .await
            .expect("the file is there");
        let put = client.put_object().bucket(BUCKET).key("k").body(body);
        succeeded(put.send().await);
    }
    assert_eq!(site.server.requests() - before.0, 4);
    assert_eq!(site.server.rejected() - before.1, 1);
    assert_eq!(clock.status().event_count(), 1, "the skew");
    holds(&client, &content).await;
}

async fn holds(client: &aws_sdk_s3::Client, content: &[u8]) {
    let get = client.get_object().bucket(BUCKET).key("k").send().await;
    let got = succeeded(get).body.collect().await.expect("it holds");
    assert_eq!(Sha256::digest(got.into_bytes()), Sha256::digest(content));
}

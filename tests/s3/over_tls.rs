//! Over TLS, where a body is not signed or ends with an unsigned trailer.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use sha2::{Digest, Sha256};

use crate::site::{BUCKET, Site, content, succeeded};

const MIB: usize = 1 << 20;

async fn put(client: &Client, key: &str, body: ByteStream) {
    let put = client.put_object().bucket(BUCKET).key(key).body(body);
    succeeded(put.send().await);
}

/// Reads an object chunk by chunk. Returns its length and hash.
async fn got(client: &Client, key: &str) -> (usize, Vec<u8>) {
    let get = client.get_object().bucket(BUCKET).key(key);
    let mut body = succeeded(get.send().await).body;
    let (mut length, mut hash) = (0, Sha256::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.expect("the connection holds");
        length += chunk.len();
        hash.update(&chunk);
    }
    (length, hash.finalize().to_vec())
}

async fn keys(client: &Client) -> Vec<String> {
    let list = succeeded(client.list_objects_v2().bucket(BUCKET).send().await);
    let keys = list.contents().iter();
    keys.filter_map(|object| object.key().map(str::to_owned))
        .collect()
}

async fn uploads(client: &Client, site: &Site, key: &str, content: &[u8], part: usize) {
    let file = site.server.file("bin");
    std::fs::write(&file, content).expect("the target directory can be written");
    let create = client.create_multipart_upload().bucket(BUCKET).key(key);
    let created = succeeded(create.send().await);
    let id = created.upload_id().expect("was made");
    let mut parts = Vec::new();
    for (number, start) in (1..).zip((0..content.len()).step_by(part)) {
        let length = part.min(content.len() - start) as u64;
        let body = ByteStream::read_from()
            .path(&file)
            .offset(start as u64)
            .length(Length::Exact(length));
        let upload = client.upload_part().bucket(BUCKET).key(key).upload_id(id);
        let body = body.build().await.expect("the file is there");
        let uploaded = succeeded(upload.part_number(number).body(body).send().await);
        let tag = uploaded.e_tag().expect("was stored");
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(tag)
                .build(),
        );
    }
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let complete = client.complete_multipart_upload().bucket(BUCKET).key(key);
    succeeded(complete.upload_id(id).multipart_upload(parts).send().await);
}

#[tokio::test]
async fn a_day_of_work_costs_one_rejection() {
    let site = Site::start(true).await;
    for is_ahead in [false, true] {
        let before = site.server.rejected();
        let (client, clock) = site.client(is_ahead).await;
        let small = content(1_000);
        put(&client, "small", small.clone().into()).await;
        assert_eq!(
            got(&client, "small").await,
            (1_000, Sha256::digest(&small).to_vec())
        );
        let large = content(64 * MIB);
        uploads(&client, &site, "large", &large, 8 * MIB).await;
        assert_eq!(
            got(&client, "large").await,
            (large.len(), Sha256::digest(&large).to_vec())
        );
        let head = client
            .head_object()
            .bucket(BUCKET)
            .key("large")
            .send()
            .await;
        assert_eq!(succeeded(head).content_length(), Some(64 << 20));
        assert_eq!(keys(&client).await, ["large", "small"]);
        succeeded(
            client
                .delete_object()
                .bucket(BUCKET)
                .key("large")
                .send()
                .await,
        );
        assert_eq!(keys(&client).await, ["small"]);
        assert_eq!(site.server.rejected() - before, 1);
        assert_eq!(clock.status().event_count(), 1);
    }
}

#[tokio::test]
async fn each_operation_succeeds_when_it_is_the_rejected_one() {
    let site = Site::start(true).await;
    let large = content(12 * MIB);
    let file = site.server.file("bin");
    let mut rejected = site.server.rejected();
    // Each operation gets a clock without a correction.
    macro_rules! first {
        (|$client:ident| $work:expr) => {{
            let ($client, clock) = site.client(rejected % 2 == 0).await;
            let outcome = $work;
            rejected += 1;
            assert_eq!(site.server.rejected(), rejected);
            assert_eq!(clock.status().event_count(), 1);
            outcome
        }};
    }
    first!(|client| put(&client, "bytes", large.clone().into()).await);
    std::fs::write(&file, &large).expect("the target directory can be written");
    let body = ByteStream::from_path(&file)
        .await
        .expect("the file is there");
    first!(|client| put(&client, "a file/ä+b ~", body).await);
    for key in ["bytes", "a file/ä+b ~"] {
        let expected = (large.len(), Sha256::digest(&large).to_vec());
        assert_eq!(first!(|client| got(&client, key).await), expected, "{key}");
    }
    let head = first!(|client| client
        .head_object()
        .bucket(BUCKET)
        .key("bytes")
        .send()
        .await);
    assert_eq!(succeeded(head).content_length(), Some(12 << 20));
    assert_eq!(first!(|client| keys(&client).await).len(), 2);
    first!(|client| uploads(&client, &site, "parts", &large, 5 * MIB).await);
    assert_eq!(
        first!(|client| got(&client, "parts").await).1,
        Sha256::digest(&large).to_vec()
    );
    let gone = first!(|client| client
        .delete_object()
        .bucket(BUCKET)
        .key("bytes")
        .send()
        .await);
    succeeded(gone);
    assert_eq!(first!(|client| keys(&client).await).len(), 2);
}

#[tokio::test]
async fn a_part_from_a_file_succeeds_when_it_is_the_rejected_one() {
    let site = Site::start(true).await;
    let (helper, _) = site.client(true).await;
    let content = content(6 * MIB);
    let file = site.server.file("bin");
    std::fs::write(&file, &content).expect("the target directory can be written");
    let create = helper.create_multipart_upload().bucket(BUCKET).key("k");
    let created = succeeded(create.send().await);
    let id = created.upload_id().expect("was made");

    let (client, clock) = site.client(false).await;
    let before = site.server.rejected();
    let body = ByteStream::from_path(&file)
        .await
        .expect("the file is there");
    let upload = client.upload_part().bucket(BUCKET).key("k").upload_id(id);
    let uploaded = succeeded(upload.part_number(1).body(body).send().await);
    assert_eq!(site.server.rejected() - before, 1);
    assert_eq!(clock.status().event_count(), 1);

    let tag = uploaded.e_tag().expect("was stored");
    let part = CompletedPart::builder().part_number(1).e_tag(tag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = helper.complete_multipart_upload().bucket(BUCKET).key("k");
    succeeded(complete.upload_id(id).multipart_upload(parts).send().await);
    assert_eq!(got(&helper, "k").await.1, Sha256::digest(&content).to_vec());
}

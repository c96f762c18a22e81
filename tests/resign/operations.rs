//! Operations of six services and five protocols, with arguments that a test may
//! choose.

use std::pin::Pin;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4a::SigV4aSigner;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeId, Sign};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::runtime_components::GetIdentityResolver;
use http_body_util::Full;

/// What goes into the operations.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// A key, a name, a message: any characters.
    pub(crate) text: String,
    /// A prefix, another value.
    pub(crate) other: String,
    /// What can stand in a header.
    pub(crate) header: String,
    pub(crate) body: Vec<u8>,
    /// Signed with SigV4a, whatever the service asks for.
    pub(crate) is_sigv4a: bool,
}

pub(crate) struct Operation {
    pub(crate) name: &'static str,
    call: fn(&SdkConfig, &Given) -> Call,
}

type Call = Pin<Box<dyn Future<Output = ()>>>;

impl Operation {
    pub(crate) fn is_s3(&self) -> bool {
        self.name.starts_with("s3 ")
    }

    /// Calls it, whatever comes of it.
    pub(crate) async fn call(&self, config: &SdkConfig, given: &Given) {
        (self.call)(config, given).await;
    }
}

macro_rules! operations {
    ($($name:literal: |$client:ident, $given:ident| $call:expr;)*) => {
        vec![$(Operation {
            name: $name,
            call: |config, $given| {
                let $client = Clients(config, $given.is_sigv4a);
                let call = $call;
                Box::pin(async move { drop(call.send().await) })
            },
        }),*]
    };
}

struct Clients<'a>(&'a SdkConfig, bool);

macro_rules! clients {
    ($($name:ident: $service:ident;)*) => {
        impl Clients<'_> {
            $(fn $name(&self) -> $service::Client {
                let mut builder = $service::config::Builder::from(self.0);
                if self.1 {
                    builder = builder.push_auth_scheme(InSigv4a::default());
                }
                $service::Client::from_conf(builder.build())
            })*
        }
    };
}

clients! {
    sqs: aws_sdk_sqs;
    kms: aws_sdk_kms;
    s3: aws_sdk_s3;
    sts: aws_sdk_sts;
    dynamodb: aws_sdk_dynamodb;
    polly: aws_sdk_polly;
}

/// Takes the place of the SDK's SigV4 scheme, and signs with its signer of SigV4a.
#[derive(Debug, Default)]
struct InSigv4a(SigV4aSigner);

impl AuthScheme for InSigv4a {
    fn scheme_id(&self) -> AuthSchemeId {
        AuthSchemeId::new("sigv4")
    }

    fn identity_resolver(
        &self,
        resolvers: &dyn GetIdentityResolver,
    ) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(self.scheme_id())
    }

    fn signer(&self) -> &dyn Sign {
        &self.0
    }
}

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// All of them; each makes one request.
pub(crate) fn all() -> Vec<Operation> {
    let mut all = json_and_query();
    all.extend(rest());
    all
}

fn json_and_query() -> Vec<Operation> {
    operations! {
        "sqs SendMessage": |c, g| c.sqs().send_message().queue_url(QUEUE).message_body(&g.text);
        "sqs ReceiveMessage": |c, g| c.sqs().receive_message().queue_url(QUEUE).message_attribute_names(&g.text);
        "sqs DeleteMessage": |c, g| c.sqs().delete_message().queue_url(QUEUE).receipt_handle(&g.text);
        "sqs CreateQueue": |c, g| c.sqs().create_queue().queue_name(&g.text);
        "sqs GetQueueUrl": |c, g| c.sqs().get_queue_url().queue_name(&g.text);
        "sqs ListQueues": |c, g| c.sqs().list_queues().queue_name_prefix(&g.text);
        "sqs PurgeQueue": |c, _g| c.sqs().purge_queue().queue_url(QUEUE);
        "sqs TagQueue": |c, g| c.sqs().tag_queue().queue_url(QUEUE).tags(&g.text, &g.other);
        "kms Encrypt": |c, g| c.kms().encrypt().key_id(&g.text).plaintext(Blob::new(g.body.clone()));
        "kms Decrypt": |c, g| c.kms().decrypt().ciphertext_blob(Blob::new(g.body.clone()));
        "kms GenerateDataKey": |c, g| c.kms().generate_data_key().key_id(&g.text).encryption_context(&g.text, &g.other);
        "kms DescribeKey": |c, g| c.kms().describe_key().key_id(&g.text);
        "kms ListKeys": |c, g| c.kms().list_keys().marker(&g.text);
        "kms CreateKey": |c, g| c.kms().create_key().description(&g.text);
        "kms CreateAlias": |c, g| c.kms().create_alias().alias_name(&g.text).target_key_id(&g.other);
        "sts GetCallerIdentity": |c, _g| c.sts().get_caller_identity();
        "sts AssumeRole": |c, g| c.sts().assume_role().role_arn(&g.text).role_session_name(&g.other);
        "sts GetSessionToken": |c, g| c.sts().get_session_token().serial_number(&g.text);
        "sts GetFederationToken": |c, g| c.sts().get_federation_token().name(&g.text).policy(&g.other);
        "dynamodb PutItem": |c, g| c.dynamodb().put_item().table_name("t").item(&g.text, text(&g.other));
        "dynamodb GetItem": |c, g| c.dynamodb().get_item().table_name("t").key("id", text(&g.text));
        "dynamodb Query": |c, g| c.dynamodb().query().table_name("t").key_condition_expression(&g.text);
        "dynamodb Scan": |c, g| c.dynamodb().scan().table_name("t").filter_expression(&g.text);
        "dynamodb DeleteItem": |c, g| c.dynamodb().delete_item().table_name("t").key("id", text(&g.text));
        "dynamodb ListTables": |c, g| c.dynamodb().list_tables().exclusive_start_table_name(&g.text);
        "dynamodb ExecuteStatement": |c, g| c.dynamodb().execute_statement().statement(&g.text);
    }
}

fn rest() -> Vec<Operation> {
    operations! {
        "polly DescribeVoices": |c, g| c.polly().describe_voices().next_token(&g.text);
        "polly GetLexicon": |c, g| c.polly().get_lexicon().name(&g.text);
        "polly PutLexicon": |c, g| c.polly().put_lexicon().name(&g.text).content(&g.other);
        "polly DeleteLexicon": |c, g| c.polly().delete_lexicon().name(&g.text);
        "polly ListLexicons": |c, g| c.polly().list_lexicons().next_token(&g.text);
        "polly SynthesizeSpeech": |c, g| c.polly().synthesize_speech().text(&g.text)
            .output_format("mp3".into()).voice_id("Vicki".into());
        "s3 PutObject": |c, g| c.s3().put_object().bucket("bucket").key(&g.text).content_type(&g.header)
            .metadata("given", &g.header).body(ByteStream::from(g.body.clone()));
        "s3 PutObject, streaming": |c, g| c.s3().put_object().bucket("bucket").key(&g.text)
            .body(ByteStream::new(SdkBody::from_body_1_x(Full::from(g.body.clone()))));
        "s3 PutObject, empty": |c, g| c.s3().put_object().bucket("bucket").key(&g.text);
        "s3 GetObject": |c, g| c.s3().get_object().bucket("bucket").key(&g.text).response_content_type(&g.header);
        "s3 GetObject, range": |c, g| c.s3().get_object().bucket("bucket").key(&g.text).range("bytes=0-9").version_id(&g.other);
        "s3 HeadObject": |c, g| c.s3().head_object().bucket("bucket").key(&g.text).if_match(&g.header);
        "s3 DeleteObject": |c, g| c.s3().delete_object().bucket("bucket").key(&g.text);
        "s3 DeleteObjects": |c, g| c.s3().delete_objects().bucket("bucket").delete(
            Delete::builder().set_objects(Some(ObjectIdentifier::builder().key(&g.text).build().into_iter().collect()))
                .build().unwrap_or_else(|_| unreachable!("it has a list")));
        "s3 CopyObject": |c, g| c.s3().copy_object().bucket("bucket").key(&g.text).copy_source(&g.header);
        "s3 ListBuckets": |c, g| c.s3().list_buckets().prefix(&g.text);
        "s3 ListObjectsV2": |c, g| c.s3().list_objects_v2().bucket("bucket").prefix(&g.text).delimiter(&g.other);
        "s3 ListObjectVersions": |c, g| c.s3().list_object_versions().bucket("bucket").prefix(&g.text).key_marker(&g.other);
        "s3 HeadBucket": |c, _g| c.s3().head_bucket().bucket("bucket");
        "s3 CreateSession": |c, _g| c.s3().create_session().bucket("bucket--use1-az4--x-s3");
        "s3 CreateBucket": |c, _g| c.s3().create_bucket().bucket("bucket");
        "s3 GetBucketLocation, path style": |c, _g| c.s3().get_bucket_location().bucket("bucket.with.dots");
        "s3 CreateMultipartUpload": |c, g| c.s3().create_multipart_upload().bucket("bucket").key(&g.text);
        "s3 UploadPart": |c, g| c.s3().upload_part().bucket("bucket").key(&g.text).upload_id(&g.other)
            .part_number(1).body(ByteStream::from(g.body.clone()));
        "s3 CompleteMultipartUpload": |c, g| c.s3().complete_multipart_upload().bucket("bucket").key(&g.text).upload_id(&g.other);
        "s3 AbortMultipartUpload": |c, g| c.s3().abort_multipart_upload().bucket("bucket").key(&g.text).upload_id(&g.other);
        "s3 PutObjectTagging": |c, g| c.s3().put_object_tagging().bucket("bucket").key(&g.text).tagging(
            aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(Vec::new())).build()
                .unwrap_or_else(|_| unreachable!("it has a set")));
        "s3 SelectObjectContent": |c, g| c.s3().select_object_content().bucket("bucket").key(&g.text).expression(&g.other);
    }
}

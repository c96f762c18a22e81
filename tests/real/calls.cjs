// Calls S3 or SQS by the JavaScript SDK, at a URL, and says how many calls failed.
const [service, url] = process.argv.slice(2);
const sdk = require(service === "s3" ? "@aws-sdk/client-s3" : "@aws-sdk/client-sqs");

const settings = { endpoint: url, maxAttempts: 1, forcePathStyle: true };
const client = service === "s3" ? new sdk.S3Client(settings) : new sdk.SQSClient(settings);
let made = 0;
let failed = 0;

async function call(name, input) {
  made += 1;
  try {
    return await client.send(new sdk[`${name}Command`](input));
  } catch (error) {
    failed += 1;
    console.log(`${name} ${input.Key ?? ""}: ${error}`);
    return {};
  }
}

function check(isRight, what) {
  if (!isRight) {
    console.log(`${what} is another`);
    process.exit(1);
  }
}

async function s3() {
  const Bucket = "javascript";
  const objects = {
    plain: Buffer.from("hello"),
    empty: Buffer.alloc(0),
    "with space/and + & = ?": Buffer.from([0, 255, 10, 13]),
    "äöü/日本語": Buffer.from("ÿ".repeat(1000)),
    "percent%20%2F": Buffer.from("%%%"),
    "(it's)*~!@": Buffer.alloc(1 << 20, 7),
  };
  await call("CreateBucket", { Bucket });
  for (const [Key, Body] of Object.entries(objects)) {
    await call("PutObject", { Bucket, Key, Body });
    const got = await call("GetObject", { Bucket, Key });
    if (got.Body) {
      check(Body.equals(Buffer.from(await got.Body.transformToByteArray())), Key);
    }
    await call("HeadObject", { Bucket, Key });
  }
  const listed = (await call("ListObjectsV2", { Bucket })).Contents ?? [];
  const keys = (list) => JSON.stringify([...list].sort());
  check(keys(listed.map((found) => found.Key)) === keys(Object.keys(objects)), "the list");
  for (const Key of Object.keys(objects)) {
    await call("DeleteObject", { Bucket, Key });
  }
  await call("DeleteBucket", { Bucket });
}

async function sqs() {
  const QueueName = "javascript";
  const created = await call("CreateQueue", { QueueName });
  // The queue's URL names the service; the proxy stands before it.
  const QueueUrl = url + new URL(created.QueueUrl ?? url).pathname;
  await call("GetQueueUrl", { QueueName });
  const bodies = ["plain", "äöü 日本語", "<&>\"'\\", "line\nfeed\ttab", "{}", "x".repeat(100_000), "%20 +"];
  for (const MessageBody of bodies) {
    await call("SendMessage", { QueueUrl, MessageBody });
    for (const message of (await call("ReceiveMessage", { QueueUrl })).Messages ?? []) {
      check(message.Body === MessageBody, MessageBody);
      await call("DeleteMessage", { QueueUrl, ReceiptHandle: message.ReceiptHandle });
    }
  }
}

(service === "s3" ? s3() : sqs()).then(() => console.log(`calls ${made}, failed ${failed}`));

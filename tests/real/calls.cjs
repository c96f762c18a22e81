// Calls S3, SQS or STS by the JavaScript SDK, and says how many calls failed.
// Arguments: service, endpoint URL, and what URLs of queues begin with.
const [service, url, origin] = process.argv.slice(2);
const sdk = require(`@aws-sdk/client-${service}`);
const { version } = require(`@aws-sdk/client-${service}/package.json`);

const settings = {
  endpoint: url,
  maxAttempts: 1,
  forcePathStyle: true,
  // Otherwise the client would send to the host in the URL of a queue.
  useQueueUrlAsEndpoint: false,
};
const client = new { s3: sdk.S3Client, sqs: sdk.SQSClient, sts: sdk.STSClient }[service](settings);
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
  const QueueUrl = origin + new URL(created.QueueUrl ?? url).pathname;
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

async function sts() {
  const RoleArn = "arn:aws:iam::123456789012:role/test";
  for (let number = 0; number < 10; number += 1) {
    await call("GetCallerIdentity", {});
    await call("AssumeRole", { RoleArn, RoleSessionName: `javascript-${number}` });
  }
}

({ s3, sqs, sts })[service]().then(() => {
  console.log(`JavaScript ${version}`);
  console.log(`calls ${made}, failed ${failed}`);
});

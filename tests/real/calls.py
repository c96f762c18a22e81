"""Calls S3, SQS or STS by botocore, and says how many calls failed.

Arguments: service, endpoint URL, and what URLs of queues begin with.
"""

import sys

import botocore
import botocore.session
from botocore.config import Config

service, url, origin = sys.argv[1:]
config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
client = botocore.session.get_session().create_client(
    service, endpoint_url=url, config=config
)
made = failed = 0


def call(name, **arguments):
    global made, failed
    made += 1
    try:
        return getattr(client, name)(**arguments)
    except Exception as error:
        failed += 1
        print(f"{name} {arguments.get('Key', '')}: {error}")
        return {}


if service == "s3":
    bucket = {"Bucket": "botocore"}
    objects = {
        "plain": b"hello",
        "empty": b"",
        "with space/and + & = ?": bytes(range(256)),
        "äöü/日本語": "ÿ".encode() * 1000,
        "percent%20%2F": b"%" * 3,
        "(it's)*~!@": b"7" * (1 << 20),
    }
    call("create_bucket", **bucket)
    for key, body in objects.items():
        call("put_object", Key=key, Body=body, **bucket)
        got = call("get_object", Key=key, **bucket)
        if got and got["Body"].read() != body:
            sys.exit(f"{key} is another")
        call("head_object", Key=key, **bucket)
    listed = call("list_objects_v2", **bucket).get("Contents", [])
    if {found["Key"] for found in listed} != set(objects):
        sys.exit(f"listed {listed}")
    for key in objects:
        call("delete_object", Key=key, **bucket)
    call("delete_bucket", **bucket)
elif service == "sts":
    role = "arn:aws:iam::123456789012:role/test"
    for number in range(10):
        call("get_caller_identity")
        call("assume_role", RoleArn=role, RoleSessionName=f"botocore-{number}")
else:
    queue = call("create_queue", QueueName="botocore").get("QueueUrl", "")
    queue = {"QueueUrl": origin + queue[queue.find("/", 8) :]}
    call("get_queue_url", QueueName="botocore")
    bodies = ["plain", "äöü 日本語", "<&>\"'\\", "line\nfeed\ttab", "{}", "x" * 100_000, "%20 +"]
    for body in bodies:
        call("send_message", MessageBody=body, **queue)
        for message in call("receive_message", **queue).get("Messages", []):
            if message["Body"] != body:
                sys.exit(f"{body} is another")
            call("delete_message", ReceiptHandle=message["ReceiptHandle"], **queue)

print("botocore", botocore.__version__)
print(f"calls {made}, failed {failed}")

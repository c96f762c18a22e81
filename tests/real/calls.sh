#!/usr/bin/env bash
# Calls S3, SQS or STS by the AWS CLI, and says how many calls failed.
# Arguments: service, endpoint URL, and what URLs of queues begin with.
set -uo pipefail
export LC_ALL=C.UTF-8 AWS_MAX_ATTEMPTS=1 AWS_PAGER=
url=$2
origin=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
made=0
failed=0

call() {
    made=$((made + 1))
    # Each is a process of its own, and a slow one: whoever waits sees that they go on.
    echo "$1 $2"
    # Version 1 ignores AWS_ENDPOINT_URL for SQS.
    if ! aws --endpoint-url "$url" "$@" >"$work/out" 2>"$work/error"; then
        failed=$((failed + 1))
        echo "aws $*: $(cat "$work/error")"
    fi
}

same() {
    cmp "$1" "$2" || exit 1
}

s3() {
    printf 'hello' >"$work/small"
    # Longer than a part: the CLI uploads it in several.
    head -c 9000000 /dev/zero | tr '\0' 'x' >"$work/large"
    call s3api create-bucket --bucket cli
    local key
    for key in plain 'with space/and + & = ?' 'äöü/日本語' "(it's)*~!@"; do
        call s3api put-object --bucket cli --key "$key" --body "$work/small"
        call s3api get-object --bucket cli --key "$key" "$work/got"
        same "$work/small" "$work/got"
        call s3api head-object --bucket cli --key "$key"
    done
    call s3 cp "$work/large" s3://cli/large
    call s3 cp s3://cli/large "$work/got"
    same "$work/large" "$work/got"
    call s3api list-objects-v2 --bucket cli --query 'length(Contents)'
    [[ $(cat "$work/out") == 5 ]] || exit 1
    call s3 rm --recursive s3://cli
    call s3api delete-bucket --bucket cli
}

sqs() {
    call sqs create-queue --queue-name cli --query QueueUrl --output text
    local queue body
    queue=$origin/$(cut -d/ -f4- "$work/out")
    call sqs get-queue-url --queue-name cli
    for body in plain 'äöü 日本語' "<&>\"'\\"; do
        call sqs send-message --queue-url "$queue" --message-body "$body"
        call sqs receive-message --queue-url "$queue" \
            --query 'Messages[0].[ReceiptHandle,Body]' --output text
        [[ $(cut -f2- "$work/out") == "$body" ]] || exit 1
        call sqs delete-message --queue-url "$queue" --receipt-handle "$(cut -f1 "$work/out")"
    done
}

sts() {
    call sts get-caller-identity
    call sts assume-role --role-arn arn:aws:iam::123456789012:role/test --role-session-name cli
    call sts get-caller-identity
}

"$1"
aws --version
echo "calls $made, failed $failed"

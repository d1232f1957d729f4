"""Every destination in AWS: what was logged is read back with AWS's own SDK and compared one by one.

It must not read a request: what matters is what the service made of it.
"""

import base64
import gzip
import itertools
import json
import os
import subprocess
import time

FUNCTION = "orders"
NUMBERS = itertools.count(1)


def fresh(word):
    """A name that no other case uses."""
    return "%s-%d-%d" % (word, os.getpid(), next(NUMBERS))


def events(count, pad=0):
    """A function's events of now, each with a text of its own."""
    first = int(time.time() * 1000) - count
    return [
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((first + n) // 1000)) + ".%03dZ" % ((first + n) % 1000),
            "type": "function",
            "record": 'line %d "\\é☃\t%s' % (n, "x" * pad),
        }
        for n in range(count)
    ]


def compared(events, records, said):
    """Every event is there once, in its order, and then the counters alone."""
    lines = [record for record in records if record["type"] == "function"]
    texts = [(record["timestamp"], record["message"]) for record in lines]
    assert texts == [(event["time"], event["record"]) for event in events], "%d of %d\n%s\n%s" % (
        len(lines), len(events), texts[:3], said[-3000:]
    )
    ids = [record["record_id"] for record in records]
    assert len(set(ids)) == len(ids), "an id is there twice"
    assert records[-1]["type"] == "brooklet.stats", records[-1]
    stats = records[-1]["record"]
    assert stats["received"] == len(events) and stats["refused"] == 0, stats


def lines(data):
    """The records of NDJSON."""
    assert data.endswith(b"\n"), data[-100:]
    return [json.loads(line) for line in data[:-1].split(b"\n")]


def objects(client, bucket, prefix=""):
    """The names of a bucket's objects and what they hold, in the order of their names."""
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [(one["Key"], client.get_object(Bucket=bucket, Key=one["Key"])) for one in listed]


def bucket(bench, name):
    """A client, and a bucket."""
    client = bench.services.client("s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": bench.services.region})
    return client


# ---- the cases ----


def s3_holds_one_object_with_everything(bench):
    """One object, gzip NDJSON, under a name of prefix, day, hour, function and environment."""
    name = fresh("bucket")
    client = bucket(bench, name)
    logged = events(300)
    before = time.gmtime()
    said = bench.run(logged, BROOKLET_ENDPOINT="s3://%s/logs/a b/x=1" % name)
    [(key, told)] = objects(client, name)
    assert told["ContentType"] == "application/x-ndjson" and told["ContentEncoding"] == "gzip", told
    compared(logged, lines(gzip.decompress(told["Body"].read())), said)
    hours = [time.strftime("%Y/%m/%d/%H", at) for at in (before, time.gmtime())]
    folder, _, last = key.rpartition("/")
    assert folder in ["logs/a b/x=1/%s/%s" % (hour, FUNCTION) for hour in hours], key
    assert last.endswith("-000001.ndjson.gz") and len(last.split("-")[0]) == 16, key


def s3_without_compression(bench):
    """The same as it is, in a bucket whose name has dots, without a prefix."""
    name = fresh("my.bucket")
    client = bucket(bench, name)
    logged = events(3)
    said = bench.run(logged, BROOKLET_ENDPOINT="s3://%s" % name, BROOKLET_COMPRESSION="none")
    [(key, told)] = objects(client, name)
    assert key.endswith(".ndjson") and "ContentEncoding" not in told, key
    compared(logged, lines(told["Body"].read()), said)


def firehose_delivers_to_its_bucket(bench):
    """Many lines in few records, which reach the bucket of the stream one behind the other."""
    name, stream = fresh("bucket"), fresh("stream")
    client = bucket(bench, name)
    bench.services.client("firehose").create_delivery_stream(
        DeliveryStreamName=stream,
        S3DestinationConfiguration={"RoleARN": "arn:aws:iam::123456789012:role/x", "BucketARN": "arn:aws:s3:::" + name},
    )
    logged = events(2000)
    said = bench.run(logged, BROOKLET_ENDPOINT="firehose://" + stream)
    data = b"".join(told["Body"].read() for _, told in objects(client, name))
    compared(logged, lines(data), said)


def kinesis_records(bench, stream):
    """What the records of a stream's only shard hold."""
    client = bench.services.client("kinesis")
    shards = client.list_shards(StreamName=stream)["Shards"]
    found = []
    for shard in shards:
        at = client.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        found += client.get_records(ShardIterator=at["ShardIterator"])["Records"]
    return found


def kinesis_by_name_and_by_arn(bench):
    """Lines in records that are no larger than a quarter of a shard's second."""
    client = bench.services.client("kinesis")
    for by_arn in (False, True):
        stream = fresh("stream")
        client.create_stream(StreamName=stream, ShardCount=1)
        arn = client.describe_stream(StreamName=stream)["StreamDescription"]["StreamARN"]
        logged = events(3000, 150)
        said = bench.run(logged, BROOKLET_ENDPOINT="kinesis://" + (arn if by_arn else stream))
        records = kinesis_records(bench, stream)
        assert 2 < len(records) < 10, len(records)
        assert all(len(record["Data"]) <= 250000 for record in records)
        assert len({record["PartitionKey"] for record in records}) == len(records)
        compared(logged, lines(b"".join(record["Data"] for record in records)), said)


def kinesis_compressed(bench):
    """Each record is a gzip file if that is asked for."""
    stream = fresh("stream")
    bench.services.client("kinesis").create_stream(StreamName=stream, ShardCount=1)
    logged = events(3000, 150)
    said = bench.run(logged, BROOKLET_ENDPOINT="kinesis://" + stream, BROOKLET_COMPRESSION="gzip")
    records = kinesis_records(bench, stream)
    assert len(records) > 2 and all(len(record["Data"]) < 100000 for record in records)
    compared(logged, lines(b"".join(gzip.decompress(record["Data"]) for record in records)), said)


def messages(client, url):
    """The bodies of a queue's messages, in the order of their first lines."""
    found = []
    while True:
        more = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not more:
            return found
        found += [message["Body"] for message in more]


def sqs_in_all_its_forms(bench):
    """Messages of lines, the queue named in each way, with an order and without."""
    client = bench.services.client("sqs")
    for form in ("%s", "123456789012/%s", "arn:aws:sqs:eu-central-1:123456789012:%s", "%s.fifo"):
        for compression in ("none", "gzip"):
            name = fresh("queue") + (".fifo" if form.endswith(".fifo") else "")
            attributes = {"FifoQueue": "true"} if form.endswith(".fifo") else {}
            url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            logged = events(2000, 150)
            logged[7]["record"] += "\uffff\ufffe"
            said = bench.run(
                logged, BROOKLET_ENDPOINT="sqs://" + form.replace(".fifo", "") % name, BROOKLET_COMPRESSION=compression
            )
            logged[7]["record"] = logged[7]["record"].replace("\uffff\ufffe", "\ufffd\ufffd")
            bodies = messages(client, url)
            assert 1 < len(bodies) <= 10, len(bodies)
            if compression == "gzip":
                logged[7]["record"] = logged[7]["record"].replace("\ufffd\ufffd", "\uffff\ufffe")
                bodies = [gzip.decompress(base64.b64decode(body)) for body in bodies]
            else:
                assert all(len(body.encode()) <= 256000 for body in bodies)
                bodies = [body.encode() for body in bodies]
            records = [record for body in bodies for record in lines(body)]
            # A queue that keeps no order may hand its messages over in any.
            records.sort(key=lambda record: int(record["record_id"].rpartition("-")[2]) + (1 << 40) * ("-own" in record["record_id"]))
            compared(logged, records, said)


def cloudwatch_makes_what_is_missing(bench):
    """Group and stream are made; a second function finds them; the events are in the order of their times."""
    client = bench.services.client("logs")
    group, stream = "/fleet/" + fresh("group"), fresh("stream")
    logged = events(100)
    shuffled = logged[50:] + logged[:50]
    both = []
    for _ in range(2):
        said = bench.run(shuffled, BROOKLET_ENDPOINT="cloudwatch://%s/%s" % (group, stream))
        found = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=1000)["events"]
        new = [event for event in found if event["message"] not in both]
        both += [event["message"] for event in new]
        records = [json.loads(event["message"]) for event in new]
        compared(logged, records, said)
        for event, record in zip(new, records):
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event["timestamp"] // 1000))
            assert record["timestamp"] == at + ".%03dZ" % (event["timestamp"] % 1000), record


def cloudwatch_refuses_times(bench):
    """Events that are too old or too new are counted as refused, and all others arrive."""
    client = bench.services.client("logs")
    group, stream = fresh("group"), fresh("stream")
    logged = events(20)
    far = events(2)
    far[0]["time"], far[1]["time"] = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
    said = bench.run(far[:1] + logged + far[1:], BROOKLET_ENDPOINT="cloudwatch://%s/%s" % (group, stream))
    found = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=1000)["events"]
    texts = [json.loads(event["message"]).get("message") for event in found]
    assert [text for text in texts if text] == [event["record"] for event in logged], "%s\n%s" % (texts, said[-3000:])
    assert '("refused", 2)' in said and "lost: refused=2" in said, said[-3000:]


def two_places_at_once(bench):
    """A bucket and a queue beside each other get the same records."""
    name, queue = fresh("bucket"), fresh("queue")
    client, sqs = bucket(bench, name), bench.services.client("sqs")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    logged = events(50)
    said = bench.run(logged, BROOKLET_ENDPOINT="s3://" + name, BROOKLET_ENDPOINT_2="sqs://" + queue)
    [(_, told)] = objects(client, name)
    compared(logged, lines(gzip.decompress(told["Body"].read())), said)
    [body] = messages(sqs, url)
    compared(logged, lines(body.encode()), said)


def a_wrong_key_is_refused_and_named(bench):
    """No service takes a signature of another key; it is said, counted, and no secret is printed."""
    for place in ("s3://bucket/x", "firehose://s", "kinesis://s", "sqs://q", "cloudwatch://g/s"):
        for token in ("", "session-token"):
            said = bench.run(
                events(5), BROOKLET_ENDPOINT=place, AWS_SECRET_ACCESS_KEY="wrong-secret", AWS_SESSION_TOKEN=token
            )
            # A token that goes with another key is looked at first.
            names = ("InvalidToken", "InvalidClientTokenId") if token else ("SignatureDoesNotMatch",)
            assert any(name in said for name in names), "%s\n%s" % (place, said)
            assert "lost: refused=6" in said, "%s\n%s" % (place, said)
            for secret in ("wrong-secret", "session-token"):
                assert secret not in said, "%s\n%s" % (place, said)


def check(bench, **variables):
    """What --check prints, and its exit code."""
    own = bench.services.function(AWS_LAMBDA_FUNCTION_NAME=FUNCTION, **variables)
    done = subprocess.run([bench.binary, "--check"], env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout.decode()


def check_delivers_a_probe(bench):
    """A probe arrives like any record."""
    name = fresh("bucket")
    client = bucket(bench, name)
    code, told = check(bench, BROOKLET_ENDPOINT="s3://" + name)
    assert code == 0, told
    [(_, found)] = objects(client, name)
    [record] = lines(gzip.decompress(found["Body"].read()))
    assert record["type"] == "brooklet.check", record


def check_names_what_is_missing(bench):
    """What is not there is named, with a hint."""
    for place, words in (
        ("s3://" + fresh("bucket"), ("NoSuchBucket", "hint")),
        ("firehose://" + fresh("stream"), ("ResourceNotFoundException", "hint")),
        ("kinesis://" + fresh("stream"), ("ResourceNotFoundException", "hint")),
        ("sqs://" + fresh("queue"), ("QueueDoesNotExist", "hint")),
    ):
        code, told = check(bench, BROOKLET_ENDPOINT=place)
        assert code == 1 and all(word in told for word in words), told


CASES = [
    s3_holds_one_object_with_everything,
    s3_without_compression,
    firehose_delivers_to_its_bucket,
    kinesis_by_name_and_by_arn,
    kinesis_compressed,
    sqs_in_all_its_forms,
    cloudwatch_makes_what_is_missing,
    cloudwatch_refuses_times,
    two_places_at_once,
    a_wrong_key_is_refused_and_named,
    check_delivers_a_probe,
    check_names_what_is_missing,
]

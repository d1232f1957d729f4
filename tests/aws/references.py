"""Secrets by reference: read from moto's Secrets Manager and Parameter Store with signatures checked, by the extension and by the wrapper.

It must not judge how a call looks or what follows one that fails: tests/scenario/secrets.rs does.
"""

import json
import subprocess
import sys

from destinations import events, fresh
from sink import Sink

GOLD = "of-gold"
# To the last byte: this goes into a variable.
ODD = 'line 1 %s\nline "2" \\ ä☃\ttab\n' % GOLD
ONE_BY_ONE = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameters"], "Resource": "*"}
]}


def secret(bench, text):
    """A fresh secret; its ARN."""
    return bench.services.client("secretsmanager").create_secret(Name=fresh("prod/secret"), SecretString=text)["ARN"]


def parameter(bench, text, kind="SecureString"):
    """A fresh parameter; its name."""
    name = fresh("/logs/parameter")
    bench.services.client("ssm").put_parameter(Name=name, Value=text, Type=kind)
    return name


def shipped(bench, **variables):
    """Ships one batch; returns the headers of every request and what was said, in which no secret may stand."""
    with Sink() as sink:
        said = bench.run(events(3), BROOKLET_ENDPOINT=sink.url, **variables)
        requests = list(sink.requests)
    assert GOLD not in said, said
    return [request.headers for request in requests], said


def wrapped(bench, **variables):
    """The environment of a runtime that the wrapper starts, and what was said."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [bench.binary, "--wrapper", sys.executable, "-c", code], env=bench.services.function(**variables),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
    )
    said = done.stderr.decode()
    assert done.returncode == 0 and GOLD not in said, said
    return json.loads(done.stdout), said


def both_services_and_json_keys(bench):
    """A key, a document's key and a parameter reach the headers that they belong to."""
    text = secret(bench, "text-" + GOLD)
    document = secret(bench, json.dumps({"user": "me", "deep": {"key": "deep-" + GOLD}}))
    name = parameter(bench, "parameter-%s\n" % GOLD)
    headers, said = shipped(
        bench, BROOKLET_API_KEY=text,
        BROOKLET_HEADERS="x-user=%s#user,x-deep=Token %s#deep.key,x-parameter=ssm:%s" % (document, document, name),
    )
    assert headers, said
    for sent in headers:
        told = [sent[name] for name in ("Authorization", "x-user", "x-deep", "x-parameter")]
        wanted = ["Bearer text-" + GOLD, "me", "Token deep-" + GOLD, "parameter-" + GOLD]
        assert told == wanted, told


def a_wrong_key_is_named_and_nothing_is_sent(bench):
    """The service says that the signature is wrong; the reason is printed and the function's records wait."""
    text = secret(bench, "text-" + GOLD)
    headers, said = shipped(bench, BROOKLET_API_KEY=text, AWS_SECRET_ACCESS_KEY="wrong" + "x" * 35)
    assert not headers, headers
    assert "SignatureDoesNotMatch" in said and text in said, said


def secrets_that_are_not_there(bench):
    """A secret, a parameter and a JSON key that do not exist are each named."""
    client = bench.services.client("secretsmanager")
    gone = secret(bench, "text-" + GOLD)
    client.delete_secret(SecretId=gone, ForceDeleteWithoutRecovery=True)
    document = secret(bench, json.dumps({"user": GOLD}))
    good = parameter(bench, "good-" + GOLD)
    told, said = wrapped(
        bench, GONE="secret:" + gone, PARAMETER="secret:ssm:/nobody", KEY="secret:%s#password" % document,
        GOOD="secret:ssm:" + good,
    )
    assert told["GOOD"] == "good-" + GOLD and told["GONE"] == "secret:" + gone, told
    lines = sorted(said.splitlines())
    wanted = ["GONE: %s: " % gone, "KEY: %s#password: it is no JSON object with the key password" % document,
              "PARAMETER: ssm:/nobody: there is no such parameter"]
    assert len(lines) == 3 and all(part in line for part, line in zip(wanted, lines)), said


def the_wrapper_hands_over_every_byte(bench):
    """Text of several lines, a whole document, names of parameters in all forms, an ARN without its end."""
    odd, plain = secret(bench, ODD), parameter(bench, "plain", "String")
    client = bench.services.client("ssm")
    client.put_parameter(Name=plain, Value="plain 2", Type="String", Overwrite=True)
    arn = client.get_parameter(Name=plain)["Parameter"]["ARN"]
    short = odd.rpartition("-")[0]
    told, said = wrapped(
        bench, ODD="secret:" + odd, SHORT="secret:" + short, PLAIN="secret:ssm:" + plain, ARN="secret:" + arn,
        BROOKLET_RUNTIME_ENV_OTHER="secret:" + odd,
    )
    assert said == "", said
    found = {name: told[name] for name in ("ODD", "SHORT", "PLAIN", "ARN", "OTHER")}
    wanted = {"ODD": ODD, "SHORT": ODD, "PLAIN": "plain 2", "ARN": "plain 2", "OTHER": ODD}
    assert found == wanted, "%r\nis not\n%r" % (found, wanted)
    # Apart from the newest one, as moto's answer does not tell which of two is which.
    told, said = wrapped(bench, FIRST="secret:ssm:%s:1" % plain)
    assert said == "" and told["FIRST"] == "plain", said


def more_than_one_call_takes(bench):
    """23 secrets and 12 parameters, each in its place."""
    variables, wanted = {}, {}
    for number in range(23):
        wanted["SECRET_%d" % number] = "secret %d" % number
        variables["SECRET_%d" % number] = "secret:" + secret(bench, "secret %d" % number)
    for number in range(12):
        wanted["PARAMETER_%d" % number] = "parameter %d" % number
        variables["PARAMETER_%d" % number] = "secret:ssm:" + parameter(bench, "parameter %d" % number)
    told, said = wrapped(bench, **variables)
    assert said == "", said
    assert {name: told[name] for name in wanted} == wanted


def a_role_that_may_read_each_but_not_in_batches(bench):
    """IAM allows GetSecretValue alone: each secret is asked for by itself."""
    iam = bench.services.client("iam")
    user = fresh("reader")
    iam.create_user(UserName=user)
    policy = iam.create_policy(PolicyName=user, PolicyDocument=json.dumps(ONE_BY_ONE))["Policy"]
    iam.attach_user_policy(UserName=user, PolicyArn=policy["Arn"])
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    told, said = wrapped(
        bench, ONE="secret:" + secret(bench, "one"), TWO="secret:" + secret(bench, "two"),
        THREE="secret:ssm:" + parameter(bench, "three"), **own,
    )
    assert said == "", said
    assert [told[name] for name in ("ONE", "TWO", "THREE")] == ["one", "two", "three"], told


def check_reads_them(bench):
    """`--check` says which were read, and no value."""
    text, name = secret(bench, "text-" + GOLD), parameter(bench, "parameter-" + GOLD)
    with Sink() as sink:
        done = subprocess.run(
            [bench.binary, "--check"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60, env=bench.services.function(
                BROOKLET_ENDPOINT=sink.url, BROOKLET_API_KEY=text, BROOKLET_HEADERS="x-a=ssm:" + name
            ),
        )
    said = done.stdout.decode()
    assert done.returncode == 0 and "%s: read" % text in said and "ssm:%s: read" % name in said, said
    assert GOLD not in said, said


CASES = [
    both_services_and_json_keys, a_wrong_key_is_named_and_nothing_is_sent, secrets_that_are_not_there,
    the_wrapper_hands_over_every_byte, more_than_one_call_takes, a_role_that_may_read_each_but_not_in_batches,
    check_reads_them,
]

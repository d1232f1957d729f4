"""Hosts of AWS that take formats which are not AWS's own: their names lead to a proxy here, and AWS's own SDK computes each signature again.

It must not read the payloads: tests/formats/ does.
"""

import concurrent.futures
import itertools
import subprocess
import urllib.parse

import destinations
import loopback

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+of=it"


class Proxy(loopback.Service):
    """A proxy that is every host itself; use it in a with statement."""

    def __init__(self):
        self.hosts, self.requests = [], []
        proxy = self

        class Handler(loopback.Handler):
            """Takes CONNECT, and then what comes through."""

            def do_CONNECT(self):
                """Whatever follows on this connection is for that host."""
                proxy.hosts.append(self.path)
                self.send_response_only(200)
                self.end_headers()

            def do_POST(self):
                """Records a request, and says that all is well."""
                proxy.requests.append((self.path, self.headers, self.body()))
                self.answer(b'{"errors":false,"items":[]}', Content_Type="application/json")

        super().__init__(Handler)
        self.url = "http://" + self.address


def shipped(bench, endpoint, **variables):
    """What goes to an endpoint: path, headers, body."""
    own = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
    with Proxy() as proxy:
        said = bench.run(
            destinations.events(5), **{"BROOKLET_ENDPOINT": endpoint, "BROOKLET_PROXY": proxy.url, **own, **variables}
        )
        assert "delivered, status 200" in said, said
        [request] = proxy.requests
        host = endpoint.split("/")[2].rpartition("@")[2]
        assert proxy.hosts == [host + ":80"] and request[1]["Host"] == host, (proxy.hosts, request[1]["Host"])
        return request


def computed_again(endpoint, request, service, region):
    """A request's signature is what AWS's own SDK says."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    path, headers, body = request
    told = headers["Authorization"]
    scope = "%s/%s/%s/%s/aws4_request" % (KEY, headers["X-Amz-Date"][:8], region, service)
    assert told.startswith("AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=" % scope), told
    names = told.split("SignedHeaders=")[1].split(",")[0].split(";")
    assert "x-amz-security-token" in names and headers["X-Amz-Security-Token"] == TOKEN
    path, _, query = path.partition("?")
    again = AWSRequest(
        method="POST",
        url="http://" + endpoint.split("/")[2] + path,
        params=urllib.parse.parse_qsl(query, keep_blank_values=True),
        data=body,
        headers={name: headers[name] for name in names},
    )
    again.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(KEY, SECRET, TOKEN), service, region)
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    assert told.endswith("Signature=" + signature), "%s\n%s" % (told, auth.canonical_request(again))


# ---- the cases ----


def opensearch_is_signed(bench):
    """`_bulk` of domains and of serverless collections, with a query and an index that must be encoded."""
    for endpoint, service, region in (
        ("http://search-x.eu-west-1.es.amazonaws.com/logs-a%20b", "es", "eu-west-1"),
        ("http://vpc-x.cn-north-1.es.amazonaws.com.cn/logs?pipeline=a%20b&b", "es", "cn-north-1"),
        ("http://id.us-east-1.aoss.amazonaws.com/logs", "aoss", "us-east-1"),
    ):
        for compression in ("gzip", "none"):
            request = shipped(bench, endpoint, BROOKLET_COMPRESSION=compression)
            assert "/_bulk?" in request[0], request[0]
            assert (request[1].get("X-Amz-Content-Sha256") is not None) == (service == "aoss")
            computed_again(endpoint, request, service, region)


def opentelemetry_is_signed(bench):
    """OTLP to CloudWatch, whose group and stream are headers, in both of its formats."""
    host = "http://logs.eu-central-1.amazonaws.com"
    for endpoint, format in ((host, ""), (host + "/v1/logs", "otlp-json")):
        request = shipped(
            bench, endpoint, BROOKLET_FORMAT=format, BROOKLET_HEADERS="x-aws-log-group=g,x-aws-log-stream=s"
        )
        assert request[0] == "/v1/logs" and request[1]["x-aws-log-group"] == "g", request[0]
        computed_again(endpoint, request, "logs", "eu-central-1")
    endpoint = "http://xray.us-gov-west-1.amazonaws.com/v1/logs"
    computed_again(endpoint, shipped(bench, endpoint, BROOKLET_FORMAT="otlp"), "xray", "us-gov-west-1")


def a_key_of_the_owners_wins(bench):
    """What has a key, and what is no host of AWS's, is not signed."""
    host = "http://search-x.eu-west-1.es.amazonaws.com/logs"
    for endpoint, more, expected in (
        (host, {"BROOKLET_API_KEY": "user:password"}, "Basic "),
        (host.replace("//", "//user:password@"), {}, "Basic "),
        (host, {"BROOKLET_HEADERS": "Authorization=own"}, "own"),
        (host, {"AWS_ACCESS_KEY_ID": ""}, None),
        ("http://search-x.eu-west-1.es.amazonaws.com.example.com/logs", {"BROOKLET_FORMAT": "elasticsearch"}, None),
    ):
        headers = shipped(bench, endpoint, **more)[1]
        told = headers.get("Authorization")
        assert told is None if expected is None else told.startswith(expected), told
        assert headers.get("X-Amz-Date") is None, "it is signed"


def objects_are_signed_as_their_names_are_sent(bench):
    """A prefix with everything that a name may hold, in a bucket that checks the signature."""
    name = destinations.fresh("bucket")
    client = destinations.bucket(bench, name)
    prefix = "a b+c&d=e%2F;:@,$!*'()~ü☃"
    bench.run(destinations.events(1), BROOKLET_ENDPOINT="s3://%s/%s" % (name, prefix))
    [(key, _)] = destinations.objects(client, name)
    assert key.startswith(prefix + "/"), key


def hosts_are_those_of_awss_own_sdk(bench):
    """Every service in a region of every partition, plain, FIPS and dual-stack; nothing is called, as the proxy is none."""
    import botocore.endpoint_provider
    import botocore.session

    loader = botocore.session.get_session().get_component("data_loader")
    partitions = loader.load_data("partitions")
    regions = [sorted(region for region in one["regions"] if "global" not in region)[-1] for one in partitions["partitions"]]
    wanted = []
    for service, endpoint in (
        ("s3", "s3://bucket"),
        ("firehose", "firehose://s"),
        ("kinesis", "kinesis://s"),
        ("sqs", "sqs://q"),
        ("logs", "cloudwatch://g/s"),
    ):
        rules = loader.load_service_model(service, "endpoint-rule-set-1")
        provider = botocore.endpoint_provider.EndpointProvider(rules, partitions)
        for region, fips, dual in itertools.product(regions, (False, True), (False, True)):
            given = {"Region": region, "UseFIPS": fips, "UseDualStack": dual}
            if service == "s3":
                given["Bucket"] = "bucket"
                # It has no FIPS there.
                if fips and region.startswith("cn-"):
                    continue
            wanted.append((endpoint, region, fips, dual, provider.resolve_endpoint(**given).url))

    def told(one):
        """The URL that --check shows."""
        endpoint, region, fips, dual, _ = one
        own = {
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_USE_FIPS_ENDPOINT": str(fips).lower(),
            "AWS_USE_DUALSTACK_ENDPOINT": str(dual).lower(),
            "BROOKLET_ENDPOINT": endpoint,
            "BROOKLET_PROXY": "http://127.0.0.1:1",
        }
        done = subprocess.run([bench.binary, "--check"], env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
        [line] = [line for line in done.stdout.decode().splitlines() if line.startswith("endpoint")]
        return line.split()[1].rstrip("/")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        wrong = [(one, url) for one, url in zip(wanted, pool.map(told, wanted)) if one[-1] != url]
    assert not wrong, "%d of %d: %s" % (len(wrong), len(wanted), wrong[:5])


CASES = [
    hosts_are_those_of_awss_own_sdk,
    opensearch_is_signed,
    opentelemetry_is_signed,
    a_key_of_the_owners_wins,
    objects_are_signed_as_their_names_are_sent,
]

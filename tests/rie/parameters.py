"""Parameter Store on the loopback, as far as one kind of call goes: it hands out parameters by name.

It must not check signatures: tests/aws.py does.
"""

import json

import loopback


class Parameters(loopback.Service):
    """The service with these parameters; use it in a with statement."""

    def __init__(self, **kept):
        self.kept = {"/" + name: value for name, value in kept.items()}
        self.calls = []
        service = self

        class Handler(loopback.Handler):
            """Answers GetParameters and refuses anything else."""

            def do_POST(self):
                """One call."""
                body = json.loads(self.body())
                signed = self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=")
                asked = self.headers["X-Amz-Target"] == "AmazonSSM.GetParameters" and body["WithDecryption"] and signed
                service.calls.append(body)
                found = [
                    {"Name": name, "Value": service.kept[name]} for name in body["Names"] if name in service.kept
                ]
                missing = [name for name in body["Names"] if name not in service.kept]
                data = json.dumps({"Parameters": found, "InvalidParameters": missing}).encode()
                self.answer(data, 200 if asked else 400)

        super().__init__(Handler)

    def function(self, **variables):
        """The variables of a function that can call it."""
        return {
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "an-example-of-a-secret-key",
            "AWS_SESSION_TOKEN": "an-example-of-a-session-token",
            "BROOKLET_AWS_ENDPOINT_URL": "http://" + self.address,
            **variables,
        }

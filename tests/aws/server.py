"""Services of AWS on this machine: moto, with every signature recomputed, and one user who may do everything.

What moto does not check (that a token is expired, how far a clock is off) is not for these cases.
"""

import json
import os
import socket
import subprocess
import sys
import time

SECONDS = 60
REGION = "eu-central-1"
# The calls that make the user are not signed with its key, as it has none yet.
FREE_CALLS = "4"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Server:
    """Moto on a free port; use it in a with statement."""

    def __init__(self, folder, log):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self.log, self.region = log, REGION
        self.command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.variables = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": folder,
            "PYTHONDONTWRITEBYTECODE": "1",
            "INITIAL_NO_AUTH_ACTION_COUNT": FREE_CALLS,
        }

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.variables, stdout=self.log, stderr=self.log)
        try:
            self.wait()
            self.key_id, self.secret = "none", "none"
            iam = self.client("iam")
            iam.create_user(UserName="function")
            policy = iam.create_policy(PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING))["Policy"]
            iam.attach_user_policy(UserName="function", PolicyArn=policy["Arn"])
            key = iam.create_access_key(UserName="function")["AccessKey"]
            self.key_id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait(self):
        """Waits until it listens; nothing tells when it does."""
        end = time.monotonic() + SECONDS
        while True:
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, "moto ended with %s" % self.process.returncode
            assert time.monotonic() < end, "moto does not listen"
            time.sleep(0.05)

    def client(self, service):
        """AWS's own SDK for a service, with the user's key."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def function(self, **variables):
        """The variables of a function that runs with the user's key."""
        return {
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "BROOKLET_AWS_ENDPOINT_URL": self.url,
            **variables,
        }

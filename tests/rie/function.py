"""The function under observation: a bootstrap on the bare Runtime API that writes exactly the lines it is told to.

An event is {"out": [line...], "err": [line...], "then": "answer" | "hang" | "exit", "tell": [name...]}; the answer names
the request, and the values of these variables.
It must write each line whole, since the emulator cuts at newlines, and must not use anything but the standard library.
"""

import http.client
import json
import os
import sys
import threading

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
# Several requests may run at once on Managed Instances; the emulator takes as many callers as it was told.
WORKERS = int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or os.environ.get("FUNCTION_WORKERS") or "1")
ONE_WRITER = threading.Lock()


def write(descriptor, line):
    """Writes a line and its newline; long ones do not fit a pipe at once, hence the lock."""
    data = line.encode() + b"\n"
    with ONE_WRITER:
        while data:
            data = data[os.write(descriptor, data):]


def work():
    """One caller of the Runtime API: ask, write, answer, for ever."""
    api = http.client.HTTPConnection(API)
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = api.getresponse()
        event = json.loads(answer.read())
        request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        for descriptor, name in ((1, "out"), (2, "err")):
            for line in event.get(name, []):
                write(descriptor, line.replace("<request id>", request))
        if event.get("then") == "exit":
            os._exit(3)
        if event.get("then") == "hang":
            threading.Event().wait()
        told = {name: os.environ.get(name) for name in event.get("tell", [])}
        told["request"] = request
        api.request("POST", "/2018-06-01/runtime/invocation/%s/response" % request, json.dumps(told))
        api.getresponse().read()


write(1, "function starts, on stdout")
write(2, "function starts, on stderr")
if os.environ.get("FUNCTION_FAILS"):
    write(2, os.environ["FUNCTION_FAILS"])
    sys.exit(7)
for _ in range(WORKERS - 1):
    threading.Thread(target=work, daemon=True).start()
work()

"""Brings OpenTelemetry's own message classes and an agent that speaks its protocol, into a cache that every clone shares.

It must not install anything for the user's python.
"""

import os

import wheels

PACKAGES = ["opentelemetry-proto==1.45.2", "protobuf==7.36.2", "rotel==0.0.1a15"]


def packages():
    """The folder with the packages, and nothing that they depend on."""
    name = "-".join(package.replace("==", "-") for package in PACKAGES)
    return wheels.bring("otlp", name, PACKAGES, 10, ["--no-deps"])


def agent(folder):
    """The path of the agent's binary."""
    path = os.path.join(folder, "rotel", "rotel-agent")
    os.chmod(path, 0o755)
    return path

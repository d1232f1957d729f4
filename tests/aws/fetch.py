"""Brings moto, which answers as services of AWS do, and AWS's own SDK, into a cache that every clone shares.

It must not install anything for the user's python.
"""

import wheels

PACKAGES = ["moto[s3,ssm]==5.2.5", "boto3==1.44.5", "flask==3.1.3", "flask-cors==6.0.5"]


def packages():
    """The folder with the packages and what they depend on."""
    return wheels.bring("aws", "moto-5.2.5-boto3-1.44.5", PACKAGES, 20)

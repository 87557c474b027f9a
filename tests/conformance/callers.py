"""Callers of AWS_IAM methods: who they are to the gateway, and requests that botocore signs for them."""

import contextlib
import datetime
import json
import os
import tempfile
import unittest.mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials

CALLER = ("AKIDCALLER", "secret-of-the-caller")
SESSION = ("ASIACALLER", "secret-of-the-session", "to/ken+with=signs")
# May call everything, unlike the reader of SESSION.
SESSION_ANYWHERE = ("ASIAANYWHERE", "secret-of-another-session", "an/other+token==")
IDENTITIES = f"""
[[identity]]
access_key_id = "{CALLER[0]}"
secret_access_key = "{CALLER[1]}"
account_id = "123456789012"
arn = "arn:aws:iam::123456789012:user/caller"

[[identity]]
access_key_id = "{SESSION[0]}"
secret_access_key = "{SESSION[1]}"
session_token = "{SESSION[2]}"
session_end = "2999-01-01T00:00:00Z"
arn = "arn:aws:sts::123456789012:assumed-role/reader/caller"
policy_file = "reader.json"

[[identity]]
access_key_id = "{SESSION_ANYWHERE[0]}"
secret_access_key = "{SESSION_ANYWHERE[1]}"
session_token = "{SESSION_ANYWHERE[2]}"
"""
READER = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:us-east-1:*:*/S3/GET/*",
    },
}


def signed(method, url, keys=CALLER, body=None, headers=(), age=0, expires=None, region="us-east-1", service="execute-api"):
    """A request signed by botocore, `age` seconds ago: its URL and headers."""
    request = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    credentials = botocore.credentials.Credentials(*keys)
    signed_at = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=age)
    with unittest.mock.patch.object(botocore.auth, "get_current_datetime", lambda: signed_at):
        if expires is None:
            botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
        else:
            botocore.auth.SigV4QueryAuth(credentials, service, region, expires=expires).add_auth(request)
    prepared = request.prepare()
    return prepared.url, [f"{name}: {value}" for name, value in prepared.headers.items() if name != "Content-Length"]


def equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what}: found {str(found)[:300]!r}, wanted {str(wanted)[:300]!r}")


def refused(answer, error_type, text, what):
    equal((answer.status, answer.headers.get("x-amzn-errortype")), (403, error_type), f"{what}: {answer.body}")
    assert text in answer.body, f"{what}: {answer.body}"


MISMATCH = ("InvalidSignatureException", b"The request signature we calculated does not match")
INVALID_TOKEN = ("UnrecognizedClientException", b"The security token included in the request is invalid.")


@contextlib.contextmanager
def guarded(world, document, stage, *options, more=""):
    """A gateway that knows the callers; `more` is more of its configuration file."""
    with tempfile.TemporaryDirectory(prefix="conformance-callers-") as folder:
        config = os.path.join(folder, "sluicegate.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(IDENTITIES + more)
        with open(os.path.join(folder, "reader.json"), "w", encoding="utf-8") as file:
            json.dump(READER, file)
        with world.serve(document, stage, "--config", config, "--max-payload", "0", *options, enforce=True) as api:
            yield api

"""`sluicegate sidecar` as a process, and what a client sees through it beside what it sees directly."""

import os
import re
import subprocess
import tempfile

import botocore.exceptions

import store


class Sidecar:
    """A running sidecar in front of `endpoint`; `identities` are the pairs of keys that it asks for. With an `authority` it speaks TLS alone."""

    def __init__(self, arguments, endpoint, keys=(store.ACCESS_KEY, store.SECRET_KEY), identities=(), authority=None):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}
        environment |= {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
        if len(keys) > 2:
            environment["AWS_SESSION_TOKEN"] = keys[2]
        command = [arguments.binary, "sidecar", "--s3-endpoint", endpoint]
        command += [] if authority else ["--listen", "127.0.0.1:0"]
        self.folder = tempfile.TemporaryDirectory()
        if identities or authority:
            path = os.path.join(self.folder.name, "sluicegate.toml")
            with open(path, "w", encoding="utf-8") as file:
                for key, secret in identities:
                    file.write(f'[[identity]]\naccess_key_id = "{key}"\nsecret_access_key = "{secret}"\n')
                if authority:
                    file.write(f'[[tls]]\nlisten = "127.0.0.1:0"\ncertificate = "{authority.chain}"\nprivate_key = "{authority.key}"\n')
            command += ["--config", path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
        self.url = None
        for line in self.process.stdout:
            if found := re.search(r"AWS_ENDPOINT_URL_S3=(\S+)", line):
                self.url = found[1]
                break
        assert self.url, "the sidecar did not start"

    def rss_max_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        store.stop(self.process)
        self.folder.cleanup()


def told(call):
    """What a client sees, without what differs between any two calls."""
    try:
        answer = call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    return status, answer


def same(world, call):
    direct, through = told(lambda: call(world.direct)), told(lambda: call(world.through))
    assert direct == through, f"direct {direct}\nthrough {through}"
    return through

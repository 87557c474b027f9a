"""`sluicegate serve` as a process, and curl as its client."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time

from store import ACCESS_KEY, SECRET_KEY, free_port, stop


class Gateway:
    def __init__(self, process, base):
        self.process = process
        self.base = base

    def peak_rss_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            kib = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        return int(kib) / 1024


@contextlib.contextmanager
def serve(binary, document, stage, endpoint, *options, secret=SECRET_KEY, enforce=False):
    """`enforce` asks callers for what the document says; without it everybody may call."""
    port = free_port()
    command = [
        binary, "serve", "--api", document, "--stage", stage, "--listen", f"127.0.0.1:{port}",
        "--s3-endpoint", endpoint, "--s3-region", "us-east-1", "--admin", "off", *options,
    ]
    command += [] if enforce else ["--ignore-authorizers"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))},
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_until_it_listens(process, port, log)
            yield Gateway(process, f"http://127.0.0.1:{port}/{stage}")
        finally:
            stop(process)
        assert process.returncode == 0, f"serve ended with {process.returncode}"
        log.seek(0)
        assert secret not in log.read(), "the log holds the secret"


def wait_until_it_listens(process, port, log):
    until = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > until:
            log.seek(0)
            raise RuntimeError(f"serve did not start:\n{log.read()}")
        time.sleep(0.05)


class Answer:
    """What curl got: status, last value of each header (lower-case names), body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


def curl(method, url, *options, body=None, headers=(), into=None):
    """One request by curl. `body` is sent through standard input; `into` keeps a long body out of memory."""
    with tempfile.TemporaryDirectory() as folder:
        head, data = os.path.join(folder, "head"), into or os.path.join(folder, "body")
        command = ["curl", "--silent", "--show-error", "--max-time", "600", "-D", head, "-o", data]
        command += ["--head"] if method == "HEAD" else ["-X", method]
        for header in headers:
            command += ["-H", header]
        if body is not None:
            command += ["--data-binary", "@-", "-H", "Content-Type;"] if not any(
                header.lower().startswith("content-type") for header in headers
            ) else ["--data-binary", "@-"]
        done = subprocess.run([*command, *options, url], input=body, capture_output=True, check=False)
        if done.returncode not in (0, 55, 56):
            raise AssertionError(f"curl {method} {url}: {done.stderr.decode().strip()}")
        status, fields = last_head(head)
        answer = b""
        if into is None and os.path.exists(data):
            with open(data, "rb") as file:
                answer = file.read()
        return Answer(status, fields, answer)


def last_head(path):
    """The final response's head; interim ones are passed over."""
    with open(path, encoding="latin-1", newline="") as file:
        blocks = [block for block in file.read().split("\r\n\r\n") if block.strip()]
    lines = blocks[-1].split("\r\n")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return int(lines[0].split()[1]), fields

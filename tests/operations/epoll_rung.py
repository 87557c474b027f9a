#!/usr/bin/env python3
"""The gateway where io_uring is forbidden: takes epoll by itself, serves, drains; refuses to start if io_uring is a must.

    epoll_rung.py PROGRAM
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
WAIT_S = 120
DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "t", "version": "1"},
    "basePath": "/v1",
    "paths": {
        "/who": {
            "get": {
                "responses": {"200": {"description": "d"}},
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{"statusCode": 200}'},
                    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "me"}}},
                },
            }
        }
    },
}


def start(program, document, *options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}
    environment |= {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}
    command = [sys.executable, HERE / "no_io_uring.py", program, "serve", "--api", document, "--listen", "127.0.0.1:0"]
    command += ["--admin", "127.0.0.1:0", "--s3-endpoint", "http://127.0.0.1:9", "--log-format", "text", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def urls(running):
    """The base URL and that of the admin listener."""
    lines = [running.stdout.readline(), running.stdout.readline()]
    return [re.search(r"http://[^ \n]*", line).group().rstrip("/") for line in lines]


def fetch(url):
    with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
        return answer.read().decode()


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        document = pathlib.Path(folder, "api.json")
        document.write_text(json.dumps(DOCUMENT))
        running = start(program, document)
        try:
            base, admin = urls(running)
            assert fetch(f"{base}/who") == "me"
            assert fetch(f"{admin}/healthz").startswith("alive")
            running.send_signal(signal.SIGTERM)
            _, told = running.communicate(timeout=WAIT_S)
        finally:
            running.kill()
        assert running.returncode == 0, told
        assert "rung=epoll" in told and "rung=io_uring" not in told, told
        insisting = start(program, document, "--io-driver", "uring")
        _, told = insisting.communicate(timeout=WAIT_S)
        assert insisting.returncode == 4, (insisting.returncode, told)
        assert "io_uring" in told and "does not start" in told, told
    print("epoll is taken where io_uring is forbidden")


if __name__ == "__main__":
    main(sys.argv[1])

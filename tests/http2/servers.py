"""The demo, `serve` and the sidecar as processes, each with a listener that speaks TLS under an authority made for the run."""

import contextlib
import os
import random
import re
import socket
import subprocess
import tempfile
import time

WAIT_S = 120
# Linux gives out 32,768 and above by itself (ip(7), `ip_local_port_range`).
SERVER_PORTS = (20_000, 32_000)


def free_port():
    """One below those that the system gives to whoever connects, who would take it before the server does."""
    for port in random.sample(range(*SERVER_PORTS), k=SERVER_PORTS[1] - SERVER_PORTS[0]):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


class Server:
    """A running process; requests go to `port` by TLS, paths begin with `base`."""

    def __init__(self, process, port, base, log):
        self.process, self.port, self.base, self.log = process, port, base, log

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def is_up(self):
        return self.process.poll() is None


def plain_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}


def stop(process):
    """Ends a process of ours; its exit status."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed"


@contextlib.contextmanager
def running(command, environment, authority, base, tables="", is_ready=None):
    """Starts `command` with a configuration of one TLS listener; it must end with status 0 and without a panic."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config, log_path = os.path.join(folder, "sluicegate.toml"), os.path.join(folder, "log")
        with open(config, "w", encoding="ascii") as file:
            file.write(f'{tables}\n[[tls]]\nlisten = "127.0.0.1:{port}"\ncertificate = "{authority.chain}"\nprivate_key = "{authority.key}"\n')
        with open(log_path, "w+b") as log:
            process = subprocess.Popen([*command, "--config", config], env=environment, stdout=log, stderr=log)
            server = Server(process, port, base, log_path)
            try:
                wait_until(lambda: listens(process, port, log_path) and (is_ready is None or is_ready(text_of(log_path))))
                yield server
            finally:
                status = stop(process)
        told = text_of(log_path)
        assert status == 0, f"{command[1]} ended with {status}: {told[-2000:]}"
        assert "panicked" not in told, told[-2000:]


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def listens(process, port, log_path):
    if process.poll() is not None:
        raise RuntimeError(f"it did not start:\n{text_of(log_path)}")
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(condition):
    until = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError("it takes too long")
        time.sleep(0.02)


@contextlib.contextmanager
def demo(binary, authority, data):
    """The demo; its own plain listener and its store are on free ports. Gives the server, the store's endpoint and its keys."""
    command = [
        binary, "demo", "--data-dir", data, "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0", "--admin", "off", "--max-payload", "0",
    ]
    ready = lambda text: "Ctrl-C" in text
    with running(command, plain_environment(), authority, "/v1/s3?key=sample/", is_ready=ready) as server:
        endpoint = re.search(r"--endpoint-url (http://\S+)", text_of(server.log))[1]
        keys_file = re.search(r"^  \. (\S+); aws", text_of(server.log), re.MULTILINE)[1]
        keys = dict(re.findall(r"(AWS_\w+)='?([^'\s]+)'?", text_of(keys_file)))
        yield server, endpoint, keys


def serve(binary, authority, endpoint, keys, *options, tables=""):
    command = [
        binary, "serve", "--api", "config/s3-proxy.openapi.yaml", "--stage", "S3", "--s3-endpoint", endpoint, "--s3-region", "us-east-1",
        "--ignore-authorizers", "--admin", "off", "--max-payload", "0", *options,
    ]
    return running(command, plain_environment() | keys, authority, "/S3/sample/", tables)


def sidecar(binary, authority, endpoint, keys, *options, tables=""):
    command = [binary, "sidecar", "--s3-endpoint", endpoint, "--admin", "off", *options]
    return running(command, plain_environment() | keys, authority, "/sample/", tables)

"""SeaweedFS on free ports of the loopback, with one key pair enforced."""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

import boto3
import botocore.config
import botocore.exceptions

ACCESS_KEY = "conformance"
SECRET_KEY = "conformance-secret-key"
READY_SECONDS_MAX = 180
# Linux gives out 32,768 and above by itself (ip(7), `ip_local_port_range`).
SERVER_PORTS = (20_000, 32_000)


def free_ports(count):
    """Ports for servers, each another one, below those that the system gives to whoever connects."""
    with contextlib.ExitStack() as held:
        found = []
        for port in random.sample(range(*SERVER_PORTS), k=SERVER_PORTS[1] - SERVER_PORTS[0]):
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise SystemExit(f"{count} free ports are wanted, there are {len(found)}")


def free_port():
    return free_ports(1)[0]


def client(endpoint, keys=(ACCESS_KEY, SECRET_KEY)):
    """A boto3 client with path-style addressing and no retries, so that each answer is seen as it came."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=keys[2] if len(keys) > 2 else None,
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=120
        ),
    )


def stop(process):
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Running:
    """The store's process, which may be ended and started again at the same place."""

    def __init__(self, weed, folder):
        names = ("master", "volume", "filer", "s3", "master.grpc", "volume.grpc", "filer.grpc", "s3.grpc")
        ports = dict(zip(names, free_ports(len(names))))
        identity = {
            "name": "conformance",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = os.path.join(folder, "s3.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"identities": [identity]}, file)
        self.command = [
            weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-master.port={ports['master']}", f"-volume.port={ports['volume']}", f"-filer.port={ports['filer']}",
            # By default the gRPC ports lie 10,000 above the others, which a free port may not allow.
            f"-master.port.grpc={ports['master.grpc']}", f"-volume.port.grpc={ports['volume.grpc']}",
            f"-filer.port.grpc={ports['filer.grpc']}", f"-s3.port.grpc={ports['s3.grpc']}",
            "-s3", f"-s3.port={ports['s3']}", f"-s3.config={config}", "-volume.max=400", "-master.volumeSizeLimitMB=128",
            "-s3.allowEmptyFolder=true",
        ]
        self.folder = folder
        self.endpoint = f"http://127.0.0.1:{ports['s3']}"
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)

    def restart(self):
        stop(self.process)
        self.start()
        wait_until_it_stores(client(self.endpoint), self.process, self.folder)


@contextlib.contextmanager
def running(weed):
    """Runs the store."""
    folder = tempfile.mkdtemp(prefix="conformance-store-")
    found = Running(weed, folder)
    try:
        wait_until_it_stores(client(found.endpoint), found.process, folder)
        yield found
    finally:
        stop(found.process)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def seaweedfs(weed):
    """Runs the store; gives its endpoint."""
    with running(weed) as found:
        yield found.endpoint


def wait_until_it_stores(s3, process, folder):
    """Ready is what has stored an object: the store answers before its volumes can be written."""
    until = time.monotonic() + READY_SECONDS_MAX
    while True:
        try:
            s3.create_bucket(Bucket="ready")
            s3.put_object(Bucket="ready", Key="ready", Body=b"ready")
            s3.delete_object(Bucket="ready", Key="ready")
            s3.delete_bucket(Bucket="ready")
            return
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            if process.poll() is not None or time.monotonic() > until:
                with open(os.path.join(folder, "log"), errors="replace", encoding="utf-8") as log:
                    raise SystemExit(f"the store did not start: {error}\n{log.read()[-2000:]}") from error
            time.sleep(0.5)

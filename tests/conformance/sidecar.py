"""The sidecar in front of SeaweedFS: boto3, the AWS CLI and plain HTTP, each answer compared with the direct one."""

import argparse
import concurrent.futures
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

import boto3
import boto3.s3.transfer
import botocore.config
import botocore.exceptions

import sidecar_clients
import sidecar_tls
import store
from sidecar_process import Sidecar, same, told

BUCKET = "through"
ODD_KEYS = ["a b", "a+b", "per%25cent", "ä/ö", "q?m=1&x", "tail/", "(x)!*'", "日本", "tilde~", "a//b", "semi;colon", "hash#tag"]
NOBODY = ("any", "any")
# A slow machine asks fifty times in so long.
LOAD_SECONDS_MAX = 120


class World:
    def __init__(self, arguments, running, process):
        self.running = running
        self.endpoint = running.endpoint
        self.arguments = arguments
        self.process = process
        self.sidecar = process.url
        self.direct = store.client(self.endpoint)
        self.through = store.client(self.sidecar, NOBODY)
        self.direct.create_bucket(Bucket=BUCKET)

    def aws(self, *arguments):
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_ENDPOINT_URL_S3": self.sidecar,
            "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        run = subprocess.run([self.arguments.aws, *arguments], env=environment, capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stderr
        return run.stdout


def odd_keys_are_the_same_keys(world):
    for key in ODD_KEYS:
        # SeaweedFS keeps no bytes of a key that ends with a slash
        body = b"" if key.endswith("/") else key.encode()
        world.through.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"a": "1"})
        status, answer = same(world, lambda s3: s3.get_object(Bucket=BUCKET, Key=key))
        assert status == 200 and answer["Body"] == body, key
        same(world, lambda s3: s3.head_object(Bucket=BUCKET, Key=key))


def every_checksum_passes(world):
    for size in (0, 10, 70_000, 3_000_000):
        for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
            body = os.urandom(size)
            world.through.put_object(Bucket=BUCKET, Key="checksum", Body=body, ChecksumAlgorithm=algorithm)
            stored = world.direct.get_object(Bucket=BUCKET, Key="checksum")["Body"].read()
            assert stored == body, f"{algorithm} {size}"


def ranges_and_conditions(world):
    etag = world.through.put_object(Bucket=BUCKET, Key="range", Body=bytes(range(256)) * 10)["ETag"]
    for options in (
        {"Range": "bytes=5-9"}, {"Range": "bytes=-7"}, {"Range": "bytes=9999-"},
        {"IfMatch": etag}, {"IfNoneMatch": etag}, {"IfMatch": '"other"'},
    ):
        same(world, lambda s3: s3.get_object(Bucket=BUCKET, Key="range", **options))
    same(world, lambda s3: s3.get_object(Bucket=BUCKET, Key="absent"))
    same(world, lambda s3: s3.head_object(Bucket=BUCKET, Key="absent"))
    same(world, lambda s3: s3.list_objects_v2(Bucket="no-such-bucket"))


def copies_and_tags(world):
    world.through.put_object(Bucket=BUCKET, Key="source", Body=b"copied")
    world.through.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "source"})
    assert world.direct.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == b"copied"
    tags = {"TagSet": [{"Key": "k", "Value": "v w"}]}
    world.through.put_object_tagging(Bucket=BUCKET, Key="copy", Tagging=tags)
    same(world, lambda s3: s3.get_object_tagging(Bucket=BUCKET, Key="copy"))
    same(world, lambda s3: s3.get_bucket_versioning(Bucket=BUCKET))
    world.through.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "source"}, {"Key": "copy"}]})
    same(world, lambda s3: s3.get_object(Bucket=BUCKET, Key="copy"))


def presigned_urls(world):
    for version in ("s3", "s3v4"):
        signer = boto3.client(
            "s3", endpoint_url=world.sidecar, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any",
            config=botocore.config.Config(signature_version=version, s3={"addressing_style": "path"}),
        )
        place = {"Bucket": BUCKET, "Key": f"pre signed {version}"}
        url = signer.generate_presigned_url("put_object", Params=place)
        request = urllib.request.Request(url, data=b"presigned", method="PUT")
        assert urllib.request.urlopen(request, timeout=30).status == 200
        url = signer.generate_presigned_url("get_object", Params=place)
        assert urllib.request.urlopen(url, timeout=30).read() == b"presigned"


def multipart_of_many_mebibytes(world):
    size = world.arguments.mib * 1024 * 1024
    with tempfile.NamedTemporaryFile() as file:
        block, digest = os.urandom(1024 * 1024), hashlib.sha256()
        for _ in range(world.arguments.mib):
            file.write(block)
            digest.update(block)
        file.flush()
        transfer = boto3.s3.transfer.TransferConfig(max_concurrency=4)
        world.through.upload_file(file.name, BUCKET, "large", Config=transfer)
        for s3 in (world.direct, world.through):
            seen, body = hashlib.sha256(), s3.get_object(Bucket=BUCKET, Key="large")["Body"]
            for piece in body.iter_chunks(1024 * 1024):
                seen.update(piece)
            assert seen.digest() == digest.digest()
    same(world, lambda s3: s3.head_object(Bucket=BUCKET, Key="large"))
    assert world.direct.head_object(Bucket=BUCKET, Key="large")["ContentLength"] == size


def the_cli(world):
    with tempfile.TemporaryDirectory() as folder:
        up, down = os.path.join(folder, "up"), os.path.join(folder, "down")
        with open(up, "wb") as file:
            file.write(os.urandom(20 * 1024 * 1024))
        world.aws("s3", "cp", "--quiet", up, f"s3://{BUCKET}/cli key")
        world.aws("s3", "cp", "--quiet", f"s3://{BUCKET}/cli key", down)
        with open(up, "rb") as one, open(down, "rb") as other:
            assert one.read() == other.read()
        assert "cli key" in world.aws("s3", "ls", f"s3://{BUCKET}/")
        world.aws("s3", "rm", "--quiet", f"s3://{BUCKET}/cli key")


def listings(world):
    def put(number):
        world.direct.put_object(Bucket=BUCKET, Key=f"list/ä {number}+%", Body=b"")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(world.arguments.keys)))
    direct, through = (
        [key["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/")
         for key in page.get("Contents", [])]
        for s3 in (world.direct, world.through)
    )
    assert direct == through and len(through) == world.arguments.keys


def a_store_that_comes_back_is_used_at_once(world):
    """GETs go on while the store's process ends and starts again; none fails once it answers a direct call."""
    world.direct.put_object(Bucket=BUCKET, Key="survivor", Body=b"still here")
    is_back, ends, late = threading.Event(), threading.Event(), []

    def load(_):
        s3 = store.client(world.sidecar, NOBODY)
        while not ends.is_set():
            was_back = is_back.is_set()
            try:
                ok = s3.get_object(Bucket=BUCKET, Key="survivor")["Body"].read() == b"still here"
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
                ok = error
            if was_back:
                late.append(ok)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(load, number) for number in range(8)]
        time.sleep(1)
        world.running.restart()
        while told(lambda: world.direct.get_object(Bucket=BUCKET, Key="survivor"))[0] != 200:
            time.sleep(0.2)
        is_back.set()
        until = time.monotonic() + LOAD_SECONDS_MAX
        while len(late) <= 50 and time.monotonic() < until:
            time.sleep(0.2)
        ends.set()
        for run in runs:
            run.result()
    failed = [one for one in late if one is not True]
    assert len(late) > 50 and not failed, f"{len(failed)} of {len(late)}: {failed[:3]}"


def memory_stays_small(world):
    size = world.arguments.mib * 1024 * 1024

    class Endless:
        def __init__(self):
            self.left = size

        def read(self, count=-1):
            count = self.left if count < 0 else min(count, self.left)
            self.left -= count
            return bytes(count)

    def transfer(number):
        request = urllib.request.Request(
            f"{world.sidecar}/{BUCKET}/memory{number}", data=Endless(), method="PUT", headers={"Content-Length": str(size)}
        )
        assert urllib.request.urlopen(request, timeout=600).status == 200
        world.direct.delete_object(Bucket=BUCKET, Key=f"memory{number}")

    with concurrent.futures.ThreadPoolExecutor(world.arguments.transfers) as pool:
        list(pool.map(transfer, range(world.arguments.transfers)))
    peak = world.process.rss_max_mib()
    print(f"        peak of {peak:.1f} MiB")
    assert peak < 48, peak


CHECKS = [
    odd_keys_are_the_same_keys, every_checksum_passes, ranges_and_conditions, copies_and_tags, presigned_urls,
    multipart_of_many_mebibytes, the_cli, listings, *sidecar_clients.CHECKS, *sidecar_tls.CHECKS, memory_stays_small, a_store_that_comes_back_is_used_at_once,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--weed", required=True)
    parser.add_argument("--aws", required=True)
    parser.add_argument("--rclone", required=True)
    parser.add_argument("--s3cmd", required=True)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--transfers", type=int, default=4)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--large", action="store_true", help="16 transfers at once and 10,000 keys")
    parser.add_argument("--only", default="", help="checks with this in their name")
    arguments = parser.parse_args()
    if arguments.large:
        arguments.transfers, arguments.keys = 16, 10_000
    checks = [one for one in CHECKS if arguments.only in one.__name__]
    for name in ("binary", "weed", "aws", "s3cmd"):
        setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    failed = 0
    with store.running(arguments.weed) as running, Sidecar(arguments, running.endpoint) as process:
        world = World(arguments, running, process)
        for one in checks:
            name = one.__name__.replace("_", " ")
            try:
                one(world)
                print(f"ok      {name}", flush=True)
            except Exception:  # a failing check must not hide the others
                failed += 1
                print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()

"""The sidecar in front of SeaweedFS: boto3, the AWS CLI and plain HTTP, each answer compared with the direct one."""

import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import traceback
import urllib.request

import boto3
import boto3.s3.transfer
import botocore.config
import botocore.exceptions

import store

BUCKET = "through"
ODD_KEYS = ["a b", "a+b", "per%25cent", "ä/ö", "q?m=1&x", "tail/", "(x)!*'", "日本", "tilde~", "a//b", "semi;colon", "hash#tag"]
NOBODY = ("any", "any")


class World:
    def __init__(self, arguments, endpoint):
        self.endpoint = endpoint
        self.arguments = arguments
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}
        environment |= {"AWS_ACCESS_KEY_ID": store.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": store.SECRET_KEY}
        self.process = subprocess.Popen(
            [arguments.binary, "sidecar", "--listen", "127.0.0.1:0", "--s3-endpoint", endpoint],
            stdout=subprocess.PIPE, env=environment, text=True,
        )
        self.sidecar = None
        for line in self.process.stdout:
            if found := re.search(r"AWS_ENDPOINT_URL_S3=(\S+)", line):
                self.sidecar = found[1]
                break
        assert self.sidecar, "the sidecar did not start"
        self.direct = store.client(endpoint)
        self.through = store.client(self.sidecar, NOBODY)
        self.direct.create_bucket(Bucket=BUCKET)

    def rss_max_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024

    def aws(self, *arguments):
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_ENDPOINT_URL_S3": self.sidecar,
            "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        run = subprocess.run([self.arguments.aws, *arguments], env=environment, capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, run.stderr
        return run.stdout


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


def wrong_credentials_give_the_stores_error(world):
    wrong = store.client(world.endpoint, ("unknown", "unknown"))
    status = told(lambda: wrong.list_buckets())[1]
    assert status == 403


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
    peak = world.rss_max_mib()
    print(f"        peak of {peak:.1f} MiB")
    assert peak < 48, peak


CHECKS = [
    odd_keys_are_the_same_keys, every_checksum_passes, ranges_and_conditions, copies_and_tags, presigned_urls,
    multipart_of_many_mebibytes, the_cli, listings, wrong_credentials_give_the_stores_error, memory_stays_small,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--weed", required=True)
    parser.add_argument("--aws", required=True)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--transfers", type=int, default=4)
    parser.add_argument("--keys", type=int, default=2000)
    arguments = parser.parse_args()
    for name in ("binary", "weed", "aws"):
        setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    failed = 0
    with store.seaweedfs(arguments.weed) as endpoint:
        world = World(arguments, endpoint)
        try:
            for one in CHECKS:
                name = one.__name__.replace("_", " ")
                try:
                    one(world)
                    print(f"ok      {name}", flush=True)
                except Exception:  # a failing check must not hide the others
                    failed += 1
                    print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        finally:
            store.stop(world.process)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()

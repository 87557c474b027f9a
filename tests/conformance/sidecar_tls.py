"""The sidecar over TLS, under an authority of the run's own: boto3 as it is used, with callers that sign for the https address."""

import io
import os
import tempfile
import urllib.request

import boto3
import boto3.s3.transfer
import botocore.config
import botocore.exceptions

import store
from authority import Authority
from sidecar_process import Sidecar, told

BUCKET = "over-tls"
CALLER = ("AKIACALLEROVERTLS000", "caller-over-tls-secret")
MULTIPART_MIB = 16
PAGES = 25


def client(endpoint, authority, keys=CALLER):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=keys[0], aws_secret_access_key=keys[1], verify=authority,
        # without its version boto3 presigns by version 2, which no caller of the sidecar may
        config=botocore.config.Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=120
        ),
    )


def objects(direct, through):
    for size in (0, 1, 70_000, 3_000_000):
        body = os.urandom(size)
        # over https boto3 sends aws-chunked with an unsigned trailer
        through.put_object(Bucket=BUCKET, Key="plain", Body=body, Metadata={"a": "ä".encode().hex()})
        assert direct.get_object(Bucket=BUCKET, Key="plain")["Body"].read() == body, size
        assert through.get_object(Bucket=BUCKET, Key="plain")["Body"].read() == body, size
    part = through.get_object(Bucket=BUCKET, Key="plain", Range="bytes=1000-1999")["Body"].read()
    assert part == body[1000:2000]
    assert told(lambda: through.get_object(Bucket=BUCKET, Key="absent")) == ("NoSuchKey", 404)


def listings(direct, through):
    for number in range(PAGES):
        direct.put_object(Bucket=BUCKET, Key=f"list/ä {number}", Body=b"")
    pages = through.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 10})
    assert len([key for page in pages for key in page["Contents"]]) == PAGES


def multipart(direct, through):
    body = os.urandom(MULTIPART_MIB * 1024 * 1024)
    transfer = boto3.s3.transfer.TransferConfig(multipart_chunksize=5 * 1024 * 1024, max_concurrency=4)
    through.upload_fileobj(io.BytesIO(body), BUCKET, "parts", Config=transfer)
    assert direct.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == body
    back = io.BytesIO()
    through.download_fileobj(BUCKET, "parts", back, Config=transfer)
    assert back.getvalue() == body
    assert "-" in through.head_object(Bucket=BUCKET, Key="parts")["ETag"], "it was no multipart upload"


def presigned(through, opener):
    place = {"Bucket": BUCKET, "Key": "pre signed"}
    url = through.generate_presigned_url("put_object", Params=place)
    assert url.startswith("https://"), url
    assert opener.open(urllib.request.Request(url, data=b"presigned", method="PUT"), timeout=30).status == 200
    assert opener.open(through.generate_presigned_url("get_object", Params=place), timeout=30).read() == b"presigned"


def strangers(sidecar, authority):
    """Who does not know the authority, and whom the sidecar does not know."""
    try:
        client(sidecar.url, True).list_buckets()
        raise AssertionError("a certificate of nobody was believed")
    except botocore.exceptions.SSLError:
        pass
    wrong = client(sidecar.url, authority.certificate, (CALLER[0], "another"))
    assert told(lambda: wrong.list_buckets()) == ("SignatureDoesNotMatch", 403)


def boto3_over_tls(world):
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(folder)
        with Sidecar(world.arguments, world.endpoint, identities=[CALLER], authority=authority) as sidecar:
            assert sidecar.url.startswith("https://127.0.0.1:"), sidecar.url
            through = client(sidecar.url, authority.certificate)
            through.create_bucket(Bucket=BUCKET)
            objects(world.direct, through)
            listings(world.direct, through)
            multipart(world.direct, through)
            trust = urllib.request.HTTPSHandler(context=authority.trusting())
            presigned(through, urllib.request.build_opener(trust))
            strangers(sidecar, authority)


CHECKS = [boto3_over_tls]

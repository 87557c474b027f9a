"""Both seed APIs against a real store. Prints a line per check and `N passed, N failed` at the end."""

import argparse
import base64
import hashlib
import json
import os
import sys
import tempfile
import traceback

import botocore.exceptions

import callers
import gateway
import postman
import signatures
import store
import tutorial_callers
from callers import CALLER, INVALID_TOKEN, MISMATCH, SESSION, refused, signed
from gateway import curl

PAYLOAD_BYTES_MAX = 10_485_760
MIB = 1024 * 1024
RSS_MIB_MAX = 32
S3_PROXY = "config/s3-proxy.openapi.yaml"
IMAGE_API = "config/image-api.openapi.yaml"
SEED_S3_PROXY = "tests/vectors/apis/s3-proxy-api.swagger2.json"
SEED_IMAGE_API = "tests/vectors/apis/image-api.swagger2.json"
CHUNKED = ("Transfer-Encoding: chunked",)

checks = [*signatures.CHECKS, *tutorial_callers.CHECKS, *postman.CHECKS]


def check(function):
    checks.append(function)
    return function


def equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what}: found {str(found)[:300]!r}, wanted {str(wanted)[:300]!r}")


def absent(s3, bucket, key):
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except botocore.exceptions.ClientError:
        return
    raise AssertionError(f"{bucket}/{key} was stored")


class World:
    """What every check is given."""

    def __init__(self, arguments, endpoint):
        self.endpoint = endpoint
        self.arguments = arguments
        self.s3 = store.client(endpoint)

    def serve(self, document, stage, *options, **more):
        return gateway.serve(self.arguments.binary, document, stage, self.endpoint, *options, **more)

    def stored(self, bucket, key):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def fresh_bucket(self, name):
        self.s3.create_bucket(Bucket=name)
        return name


@check
def tutorial_buckets_and_objects(world):
    with world.serve(S3_PROXY, "S3") as api:
        equal(curl("PUT", f"{api.base}/tutorial").status, 200, "create bucket")
        listed = curl("GET", f"{api.base}/")
        equal(listed.status, 200, "list buckets")
        assert b"<Name>tutorial</Name>" in listed.body, listed.body
        assert listed.headers["content-type"].startswith("application/xml"), listed.headers
        put = curl("PUT", f"{api.base}/tutorial/Readme.txt", body=b"Hello, World!", headers=["Content-Type: text/plain"])
        equal(put.status, 200, "put")
        equal(world.s3.head_object(Bucket="tutorial", Key="Readme.txt")["ETag"], '"65a8e27d8879283831b664bd8b7f0ad4"')
        got = curl("GET", f"{api.base}/tutorial/Readme.txt")
        equal((got.status, got.body), (200, b"Hello, World!"), "get")
        assert got.headers["content-type"].startswith("text/plain"), got.headers
        head = curl("HEAD", f"{api.base}/tutorial/Readme.txt")
        equal((head.status, head.headers["x-amzn-remapped-content-length"]), (200, "13"), "head")
        objects = curl("GET", f"{api.base}/tutorial")
        assert b"<Key>Readme.txt</Key>" in objects.body, objects.body
        missing = curl("GET", f"{api.base}/tutorial/none")
        equal(missing.status, 400, "missing object")
        assert b"NoSuchKey" in missing.body, missing.body
        equal(curl("DELETE", f"{api.base}/tutorial/Readme.txt").status, 200, "delete object")
        absent(world.s3, "tutorial", "Readme.txt")
        equal(curl("DELETE", f"{api.base}/tutorial").status, 200, "delete bucket")
        equal(curl("GET", f"{api.base}/a/b/c").body, b'{"message":"Missing Authentication Token"}', "no such route")


@check
def keys_with_slashes_and_odd_characters(world):
    bucket = world.fresh_bucket("odd-keys")
    names = {
        "test%2Ftest.txt": "test/test.txt",
        "a%20b": "a b",
        "plus%2Bplus": "plus+plus",
        "per%25cent": "per%cent",
        "%E2%9C%93": "\u2713",
        "a+b": "a+b",
        "colon:semi;at@eq=": "colon:semi;at@eq=",
        "quote'paren()": "quote'paren()",
    }
    with world.serve(S3_PROXY, "S3") as api:
        for sent, key in names.items():
            body = f"object {key}".encode()
            equal(curl("PUT", f"{api.base}/{bucket}/{sent}", body=body).status, 200, sent)
            equal(world.stored(bucket, key), body, key)
            equal(curl("GET", f"{api.base}/{bucket}/{sent}").body, body, sent)
        refused = curl("GET", f"{api.base}/{bucket}/..%2Fother", "--path-as-is")
        equal((refused.status, refused.body), (400, b'{"message": "Invalid path"}'), "dot segments")


def round_trip(world, api, bucket, size, headers):
    body = os.urandom(size)
    key = f"size-{size}-{len(headers)}"
    type_header = ["Content-Type: application/octet-stream"]
    put = curl("PUT", f"{api.base}/{bucket}/{key}", body=body, headers=[*type_header, *headers])
    equal(put.status, 200, f"put {size} {headers}: {put.body}")
    equal(hashlib.sha256(world.stored(bucket, key)).hexdigest(), hashlib.sha256(body).hexdigest(), f"stored {size}")
    got = curl("GET", f"{api.base}/{bucket}/{key}", headers=["Accept: application/octet-stream"])
    equal(got.status, 200, f"get {size}")
    equal(hashlib.sha256(got.body).hexdigest(), hashlib.sha256(body).hexdigest(), f"got {size}")


@check
def sizes_up_to_the_payload_limit(world):
    bucket = world.fresh_bucket("sizes")
    for signing in ("auto", "streaming", "unsigned"):
        with world.serve(S3_PROXY, "S3", "--payload-signing", signing) as api:
            for size in (0, 1, 65_536, 65_537, 131_073, PAYLOAD_BYTES_MAX):
                round_trip(world, api, bucket, size, ())
                round_trip(world, api, bucket, size, CHUNKED)


@check
def one_byte_over_the_limit_is_413_and_stores_nothing(world):
    bucket = world.fresh_bucket("over")
    body = os.urandom(PAYLOAD_BYTES_MAX + 1)
    with world.serve(S3_PROXY, "S3") as api:
        for key, headers in (("length", ()), ("chunked", CHUNKED)):
            answer = curl("PUT", f"{api.base}/{bucket}/{key}", body=body, headers=headers)
            equal((answer.status, answer.body), (413, b'{"message": "Request Too Long"}'), key)
            absent(world.s3, bucket, key)


@check
def image_api_raw_json_and_base64(world):
    bucket = world.fresh_bucket("photos")
    picture = bytes.fromhex("ffd8ffe000104a464946") + os.urandom(200_000)
    encoded = base64.b64encode(picture)
    for document in (IMAGE_API, SEED_IMAGE_API):
        with world.serve(document, "v1") as api:
            url = f"{api.base}/s3?key={bucket}/image.jpg"
            put = curl("PUT", url, body=picture, headers=["Content-Type: image/jpeg"])
            equal((put.status, put.body), (200, b""), "put raw")
            equal(world.stored(bucket, "image.jpg"), picture, "stored raw")
            raw = curl("GET", url, headers=["Accept: application/octet-stream"])
            equal((raw.status, raw.body), (200, picture), "get raw")
            text = curl("GET", url, headers=["Accept: application/json"])
            equal(base64.b64decode(json.loads(text.body)["image"]), picture, "get json")
            equal(text.headers["content-length"], str(len(text.body)), "length of json")
            put = curl("PUT", url + "2", body=encoded, headers=["Content-Type: application/json"])
            equal(put.status, 200, "put base64")
            equal(world.stored(bucket, "image.jpg2"), picture, "stored base64")
            bad = curl("PUT", url + "3", body=b"not base64!", headers=["Content-Type: application/json"])
            equal((bad.status, bad.body), (500, b'{"message": "Internal server error"}'), "bad base64")
            absent(world.s3, bucket, "image.jpg3")
            missing = curl("GET", f"{api.base}/s3?key={bucket}/none", headers=["Accept: application/json"])
            equal(missing.status, 500, "missing")


@check
def bucket_option_prefixes_the_image_api(world):
    bucket = world.fresh_bucket("prefixed")
    with world.serve(IMAGE_API, "v1", "--s3-bucket", bucket) as api:
        url = f"{api.base}/s3?key=image.jpg"
        equal(curl("PUT", url, body=b"\xff\xd8", headers=["Content-Type: image/jpeg"]).status, 200, "put")
        equal(world.stored(bucket, "image.jpg"), b"\xff\xd8", "stored")


@check
def text_api_repairs_what_is_not_text(world):
    bucket = world.fresh_bucket("text")
    with world.serve(SEED_S3_PROXY, "S3") as api:
        equal(curl("PUT", f"{api.base}/{bucket}/good", body="h\u00e9llo".encode()).status, 200)
        equal(world.stored(bucket, "good"), "h\u00e9llo".encode())
        equal(curl("PUT", f"{api.base}/{bucket}/bad", body=b"\xff\xd8a").status, 200)
        equal(world.stored(bucket, "bad"), "\ufffd\ufffda".encode(), "repaired on the way up")
        world.s3.put_object(Bucket=bucket, Key="raw", Body=b"\xff" * 300_000)
        equal(curl("GET", f"{api.base}/{bucket}/raw").body, "\ufffd".encode() * 300_000, "repaired on the way down")


@check
def wrong_secret_is_the_stores_own_403(world):
    bucket = world.fresh_bucket("forbidden")
    with world.serve(S3_PROXY, "S3", secret="another-secret") as api:
        for method, body in (("GET", None), ("PUT", b"x" * 300_000)):
            answer = curl(method, f"{api.base}/{bucket}/key", body=body)
            equal(answer.status, 400, f"{method}: 4xx is mapped to 400 by the document")
            assert b"SignatureDoesNotMatch" in answer.body, answer.body
        absent(world.s3, bucket, "key")
    with world.serve("config/demo.openapi.yaml", "demo", secret="another-secret") as api:
        answer = curl("GET", f"{api.base}/")
        equal(answer.status, 403, "a document that maps 403 shows it")


@check
def boto3_through_the_tutorial_api(world):
    with world.serve(S3_PROXY, "S3", "--max-payload", "0") as api:
        s3 = store.client(api.base)
        s3.create_bucket(Bucket="boto3")
        names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        assert "boto3" in names, names
        for size in (0, 1, 65_536, 20 * MIB):
            body = os.urandom(size)
            s3.put_object(Bucket="boto3", Key=f"object-{size}", Body=body, ContentType="application/octet-stream")
            equal(hashlib.md5(world.stored("boto3", f"object-{size}")).hexdigest(), hashlib.md5(body).hexdigest())
            got = s3.get_object(Bucket="boto3", Key=f"object-{size}")["Body"].read()
            equal(hashlib.md5(got).hexdigest(), hashlib.md5(body).hexdigest(), f"got {size}")
        keys = [entry["Key"] for entry in s3.list_objects(Bucket="boto3")["Contents"]]
        equal(keys, sorted(f"object-{size}" for size in (0, 1, 65_536, 20 * MIB)), "listing")
        for key in keys:
            s3.delete_object(Bucket="boto3", Key=key)
        s3.delete_bucket(Bucket="boto3")


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.hexdigest()


def write_random(path, mib):
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        for number in range(mib):
            file.write(number.to_bytes(8, "big") + block[8:])


def large_object(world, mib):
    bucket = world.fresh_bucket(f"large-{mib}")
    with tempfile.TemporaryDirectory(prefix="conformance-large-") as folder, world.serve(
        S3_PROXY, "S3", "--max-payload", "0"
    ) as api:
        source, copy = os.path.join(folder, "source"), os.path.join(folder, "copy")
        write_random(source, mib)
        wanted = digest_of(source)
        for key, headers in (("length", ()), ("chunked", CHUNKED)):
            put = curl("PUT", f"{api.base}/{bucket}/{key}", "-T", source, headers=["Content-Type: video/mp4", *headers])
            equal(put.status, 200, f"put {key}: {put.body}")
            equal(world.s3.head_object(Bucket=bucket, Key=key)["ContentLength"], mib * MIB, f"size of {key}")
            got = curl("GET", f"{api.base}/{bucket}/{key}", headers=["Accept: video/mp4"], into=copy)
            equal((got.status, digest_of(copy)), (200, wanted), f"got {key}")
            world.s3.delete_object(Bucket=bucket, Key=key)
        peak = api.peak_rss_mib()
        print(f"    peak RSS of serve after {mib} MiB up and down, sized and chunked: {peak:.1f} MiB")
        assert peak < RSS_MIB_MAX, f"{peak:.1f} MiB"


@check
def large_objects_stream(world):
    large_object(world, 256)


def huge_objects_stream(world):
    large_object(world, 2048)


@check
def abandoned_chunked_upload_leaves_nothing(world):
    bucket = world.fresh_bucket("abandoned")
    with world.serve(S3_PROXY, "S3", "--max-payload", "0") as api:
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source")
            write_random(source, 64)
            try:
                curl(
                    "PUT", f"{api.base}/{bucket}/gone", "-T", source, "--limit-rate", "20M", "--max-time", "1.5",
                    headers=CHUNKED,
                )
            except AssertionError as error:
                assert "timed out" in str(error), error
        # A request after it on the same core: the abort has been sent by then or is under way.
        until_no_uploads(world.s3, bucket)
        absent(world.s3, bucket, "gone")


@check
def aws_iam_callers(world):
    bucket = world.fresh_bucket("callers")
    with callers.guarded(world, SEED_S3_PROXY, "S3") as api:
        url = f"{api.base}/{bucket}/a%20b%2Bc?x=1%202&y&x=0"

        def sent(method="GET", target=url, body=None, change=lambda url: url, **how):
            signed_url, headers = signed(method, target, body=how.pop("signed_body", body), **how)
            return curl(method, change(signed_url), body=body, headers=headers)

        plain = {"Content-Type": "text/plain"}
        equal(sent("PUT", body=b"Hello", headers=plain).status, 200, "put")
        equal(world.stored(bucket, "a b+c"), b"Hello", "stored")
        equal(sent().body, b"Hello", "get")
        equal(sent(expires=60).body, b"Hello", "get presigned")
        equal(sent(keys=SESSION).body, b"Hello", "get in a session")
        equal(sent(keys=SESSION, expires=60).body, b"Hello", "get presigned in a session")
        equal(sent(age=290).status, 200, "nearly stale")
        equal(sent(age=50, expires=60).status, 200, "nearly past expiry")

        missing = "MissingAuthenticationTokenException", b'{"message":"Missing Authentication Token"}'
        refused(curl("GET", url), *missing, "nothing signed")
        refused(sent(keys=(CALLER[0], "another")), *MISMATCH, "wrong secret")
        refused(sent(keys=("AKIDOTHER", CALLER[1])), *INVALID_TOKEN, "unknown key")
        refused(sent(keys=(*SESSION[:2], "token")), *INVALID_TOKEN, "wrong token")
        refused(sent(keys=SESSION[:2]), *INVALID_TOKEN, "no token")
        refused(sent(age=310), "InvalidSignatureException", b"Signature expired: ", "stale")
        refused(sent(age=-310), "InvalidSignatureException", b"Signature not yet current: ", "future")
        refused(sent(age=70, expires=60), "InvalidSignatureException", b"Signature expired: ", "past expiry")
        refused(sent(region="eu-west-1"), "InvalidSignatureException", b"scoped to a valid region", "region")
        refused(sent(service="s3"), "InvalidSignatureException", b"scoped to correct service", "service")
        refused(sent(change=lambda url: url.replace("x=0", "x=9")), *MISMATCH, "tampered query")
        refused(sent(change=lambda url: url + "&z=1", expires=60), *MISMATCH, "tampered presigned query")
        longer = sent(change=lambda url: url.replace("Expires=60", "Expires=600"), age=70, expires=60)
        refused(longer, *MISMATCH, "presigned for longer")
        refused(sent(change=lambda url: url.replace("a%20b", "b%20b")), *MISMATCH, "tampered path")
        tampered = sent("PUT", f"{api.base}/{bucket}/bad", signed_body=b"Hello", body=b"hello", headers=plain)
        refused(tampered, *MISMATCH, "tampered body")
        denied = sent("PUT", f"{api.base}/{bucket}/bad", body=b"x", headers=plain, keys=SESSION)
        refused(denied, "AccessDeniedException", b"is not authorized to perform: execute-api:Invoke", "denied")
        absent(world.s3, bucket, "bad")
        equal(world.s3.head_object(Bucket=bucket, Key="a b+c")["Metadata"], {}, "metadata")


@check
def aws_iam_claimed_bodies_stream(world):
    bucket = world.fresh_bucket("claimed")
    with callers.guarded(world, SEED_S3_PROXY, "S3") as api:
        for size in (1, 300_000, 20 * MIB):
            body = b"x" * size
            claim = {"Content-Type": "text/plain", "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
            for framing in ((), CHUNKED):
                key = f"{size}-{len(framing)}"
                target, headers = signed("PUT", f"{api.base}/{bucket}/{key}", body=body, headers=claim)
                refusal = curl("PUT", target, body=body[:-1] + b"y", headers=[*headers, *framing])
                refused(refusal, *MISMATCH, f"tampered {key}")
                absent(world.s3, bucket, key)
                equal(curl("PUT", target, body=body, headers=[*headers, *framing]).status, 200, key)
                equal(len(world.stored(bucket, key)), size, key)
        until_no_uploads(world.s3, bucket)


def until_no_uploads(s3, bucket):
    for _attempt in range(100):
        if not s3.list_multipart_uploads(Bucket=bucket).get("Uploads"):
            return
    raise AssertionError("a multipart upload was left behind")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--weed", required=True)
    parser.add_argument("--newman", required=True)
    parser.add_argument("--large", action="store_true", help="also 2 GiB up and down")
    parser.add_argument("--only", help="run the checks whose name holds this")
    arguments = parser.parse_args()
    for name in ("binary", "weed", "newman"):
        setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    failed = 0
    chosen = [one for one in checks if not arguments.only or arguments.only in one.__name__]
    with store.seaweedfs(arguments.weed) as endpoint:
        world = World(arguments, endpoint)
        if arguments.large:
            chosen.append(huge_objects_stream)
        for one in chosen:
            name = one.__name__.replace("_", " ")
            try:
                one(world)
                print(f"ok      {name}", flush=True)
            except Exception:  # a failing check must not hide the others
                failed += 1
                print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()

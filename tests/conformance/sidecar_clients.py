"""Clients other than boto3 and the AWS CLI through the sidecar: rclone, s3cmd, curl, and requests signed chunk by chunk."""

import filecmp
import hashlib
import hmac
import http.client
import os
import subprocess
import tempfile
import urllib.parse
import zlib
from base64 import b64encode

import botocore.auth
import botocore.awsrequest
import botocore.credentials

import store
from sidecar_process import Sidecar, same, told

BUCKET = "through"
MIB = 1024 * 1024
# The client of the sidecar that asks who calls.
CALLER = ("AKIDCONFORMANCE", "caller-secret")
NAMES = ["a b.txt", "plus+plus", "per%cent", "umlaut-\u00e4", "paren(1)'s", "deep/er/one", "semi;colon&=x"]


def run(command, environment=None):
    # What this machine sets for AWS clients is not for these calls.
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(command, env=own | (environment or {}), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def folder_of_odd_files(folder, large_mib):
    for name in NAMES:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name.encode() * 100)
    with open(os.path.join(folder, "large"), "wb") as file:
        file.write(os.urandom(large_mib * MIB))


def same_files(one, other):
    for folder, _, names in os.walk(one):
        for name in names:
            path = os.path.join(folder, name)
            twin = os.path.join(other, os.path.relpath(path, one))
            assert filecmp.cmp(path, twin, shallow=False), path


def rclone(world):
    remote = {}
    for name, endpoint, keys in (
        ("THROUGH", world.sidecar, ("any", "any")),
        ("DIRECT", world.endpoint, (store.ACCESS_KEY, store.SECRET_KEY)),
    ):
        remote |= {
            f"RCLONE_CONFIG_{name}_TYPE": "s3", f"RCLONE_CONFIG_{name}_PROVIDER": "Other",
            f"RCLONE_CONFIG_{name}_ENDPOINT": endpoint, f"RCLONE_CONFIG_{name}_REGION": "us-east-1",
            f"RCLONE_CONFIG_{name}_ACCESS_KEY_ID": keys[0], f"RCLONE_CONFIG_{name}_SECRET_ACCESS_KEY": keys[1],
        }
    call = [world.arguments.rclone, "--config", "/dev/null", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--retries", "1"]
    with tempfile.TemporaryDirectory() as up, tempfile.TemporaryDirectory() as down:
        folder_of_odd_files(up, 12)
        run([*call, "copy", up, f"through:{BUCKET}/rclone"], remote)
        run([*call, "check", "--download", up, f"direct:{BUCKET}/rclone"], remote)
        listed = [run([*call, "lsf", "-R", "--files-only", "--format", "psh", f"{name}:{BUCKET}/rclone"], remote) for name in ("through", "direct")]
        assert listed[0] == listed[1] and len(listed[0].splitlines()) == len(NAMES) + 1, listed
        run([*call, "copy", f"through:{BUCKET}/rclone", down], remote)
        same_files(up, down)
        run([*call, "moveto", f"through:{BUCKET}/rclone/a b.txt", f"through:{BUCKET}/rclone/moved"], remote)
        run([*call, "purge", f"through:{BUCKET}/rclone"], remote)
        assert run([*call, "lsf", "-R", "--files-only", f"direct:{BUCKET}/rclone"], remote) == ""


def s3cmd(world):
    host = world.sidecar.removeprefix("http://")
    call = [
        world.arguments.s3cmd, "--config=/dev/null", "--access_key=any", "--secret_key=any", f"--host={host}", f"--host-bucket={host}",
        "--no-ssl", "--region=us-east-1", "--no-progress", "--multipart-chunk-size-mb=5",
    ]
    with tempfile.TemporaryDirectory() as up, tempfile.TemporaryDirectory() as down:
        folder_of_odd_files(up, 12)
        run([*call, "put", "--recursive", f"{up}/", f"s3://{BUCKET}/s3cmd/"])
        for name in (*NAMES, "large"):
            with open(os.path.join(up, name), "rb") as file:
                assert world.direct.get_object(Bucket=BUCKET, Key=f"s3cmd/{name}")["Body"].read() == file.read(), name
        run([*call, "get", "--recursive", f"s3://{BUCKET}/s3cmd/", f"{down}/"])
        same_files(up, down)
        listed = run([*call, "ls", "--recursive", f"s3://{BUCKET}/s3cmd/"])
        assert len(listed.splitlines()) == len(NAMES) + 1, listed
        run([*call, "cp", f"s3://{BUCKET}/s3cmd/large", f"s3://{BUCKET}/s3cmd/copy"])
        run([*call, "del", "--recursive", "--force", f"s3://{BUCKET}/s3cmd/"])
        assert "Contents" not in world.direct.list_objects_v2(Bucket=BUCKET, Prefix="s3cmd/")


def curl_signs(world):
    with Sidecar(world.arguments, world.endpoint, identities=[CALLER]) as asking:
        for url, keys in ((world.sidecar, ("any", "any")), (asking.url, CALLER)):
            call = ["curl", "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", ":".join(keys)]
            body = b"by curl"
            hashed = f"x-amz-content-sha256: {hashlib.sha256(body).hexdigest()}"
            empty = f"x-amz-content-sha256: {hashlib.sha256(b'').hexdigest()}"
            run([*call, "-X", "PUT", "-H", hashed, "--data-binary", body.decode(), "-H", "Content-Type: text/plain", f"{url}/{BUCKET}/curl"])
            assert run([*call, "-H", empty, f"{url}/{BUCKET}/curl"]) == body.decode()
            assert world.direct.get_object(Bucket=BUCKET, Key="curl")["ContentType"] == "text/plain"
        wrong = subprocess.run(
            ["curl", "-sS", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "AKIDCONFORMANCE:wrong", "-H", empty, f"{asking.url}/{BUCKET}/curl"],
            capture_output=True, text=True, check=False,
        )
        assert "<Code>SignatureDoesNotMatch</Code>" in wrong.stdout, wrong.stdout


def an_escaped_slash_is_signed_as_the_store_reads_it(world):
    host = urllib.parse.urlsplit(world.sidecar).netloc
    for method, body in (("PUT", b"one key"), ("GET", None)):
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(method, f"/{BUCKET}/esc%2Faped%2f+x", body=body)
        answer = connection.getresponse()
        assert answer.status == 200, (method, answer.status, answer.read())
        if method == "GET":
            assert answer.read() == b"one key"
        connection.close()
    assert world.direct.get_object(Bucket=BUCKET, Key="esc/aped/+x")["Body"].read() == b"one key"


class ChunkSigner:
    """The chain of chunk signatures as the S3 guide has it, written apart from the code under test."""

    def __init__(self, secret, date, scope, seed):
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self.key, self.date, self.scope, self.last = key, date, scope, seed

    def sign(self, algorithm, *hashes):
        text = "\n".join([algorithm, self.date, self.scope, self.last, *hashes])
        self.last = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return self.last

    def chunk(self, data):
        empty, own = hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()
        return f"{len(data):x};chunk-signature={self.sign('AWS4-HMAC-SHA256-PAYLOAD', empty, own)}\r\n".encode() + data + b"\r\n"

    def trailer(self, line, end):
        """`end`: what separates the trailer from its signature, CRLF or, as MinIO's clients have it, LF CRLF."""
        own = hashlib.sha256(line + b"\n").hexdigest()
        signature = self.sign("AWS4-HMAC-SHA256-TRAILER", own)
        return line + end + f"x-amz-trailer-signature:{signature}\r\n\r\n".encode()


def put_in_signed_chunks(url, key, data, trailer_end=None, spoil=False):
    """One PUT; `trailer_end` None is without a trailer. Gives status and body of the answer."""
    crc = b"x-amz-checksum-crc32:" + b64encode(zlib.crc32(data).to_bytes(4, "big"))
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer_end else "")
    fields = {"x-amz-content-sha256": mode, "x-amz-decoded-content-length": str(len(data)), "Content-Encoding": "aws-chunked"}
    if trailer_end:
        fields["x-amz-trailer"] = "x-amz-checksum-crc32"
    request = botocore.awsrequest.AWSRequest("PUT", f"{url}/{BUCKET}/{key}", headers=fields)
    request.context["payload_signing_enabled"] = True
    auth = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(*CALLER), "s3", "us-east-1")
    auth.payload = lambda _request: mode
    auth.add_auth(request)
    date = request.headers["X-Amz-Date"]
    signer = ChunkSigner(CALLER[1], date, f"{date[:8]}/us-east-1/s3/aws4_request", request.headers["Authorization"].rpartition("Signature=")[2])
    pieces = [signer.chunk(data[at:at + 65536]) for at in range(0, len(data), 65536)]
    last = signer.chunk(b"")
    body = b"".join(pieces) + (last[:-2] + signer.trailer(crc, trailer_end) if trailer_end else last)
    if spoil:
        body = body.replace(data[-20:], data[-20:][::-1])
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    connection.request("PUT", f"/{BUCKET}/{key}", body=body, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def signed_chunks(world):
    with Sidecar(world.arguments, world.endpoint, identities=[CALLER]) as asking:
        for size in (100, 70_000, 3_000_000):
            data = os.urandom(size)
            for name, end in (("none", None), ("crlf", b"\r\n"), ("lf", b"\n\r\n")):
                status, body = put_in_signed_chunks(asking.url, f"chunks-{name}", data, end)
                assert status == 200, (size, name, body)
                assert world.direct.get_object(Bucket=BUCKET, Key=f"chunks-{name}")["Body"].read() == data
                status, body = put_in_signed_chunks(asking.url, f"spoilt-{name}", data, end, spoil=True)
                assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in body, (size, name, status, body)
                absent = told(lambda: world.direct.head_object(Bucket=BUCKET, Key=f"spoilt-{name}"))
                assert absent[1] == 404, absent


def the_stores_own_errors(world):
    expired = (store.ACCESS_KEY, store.SECRET_KEY, "a-token-that-has-expired")
    for keys in (("unknown", "unknown"), (store.ACCESS_KEY, "wrong"), expired):
        with Sidecar(world.arguments, world.endpoint, keys=keys) as wrong:
            through, direct = store.client(wrong.url, ("any", "any")), store.client(world.endpoint, keys)
            for call in (
                lambda s3: s3.get_object(Bucket=BUCKET, Key="source"),
                lambda s3: s3.put_object(Bucket=BUCKET, Key="refused", Body=b"x" * 100_000),
                lambda s3: s3.list_objects_v2(Bucket=BUCKET),
            ):
                wanted, found = told(lambda: call(direct)), told(lambda: call(through))
                assert wanted == found and found[1] == 403, (keys, wanted, found)


def versions_and_conditions(world):
    enabled = {"Status": "Enabled"}
    world.direct.create_bucket(Bucket="versions")
    answer = told(lambda: world.through.put_bucket_versioning(Bucket="versions", VersioningConfiguration=enabled))
    assert answer[0] == 200, f"the store has no versions: {answer}"
    ids = [world.through.put_object(Bucket="versions", Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    for number, body in enumerate((b"one", b"two")):
        found = same(world, lambda s3: s3.get_object(Bucket="versions", Key="k", VersionId=ids[number]))
        assert found[1]["Body"] == body
    same(world, lambda s3: s3.list_object_versions(Bucket="versions"))
    world.through.delete_object(Bucket="versions", Key="k")
    assert same(world, lambda s3: s3.get_object(Bucket="versions", Key="k"))[1] == 404
    same(world, lambda s3: s3.list_object_versions(Bucket="versions"))
    world.through.put_object(Bucket=BUCKET, Key="condition", Body=b"first", IfNoneMatch="*")
    assert same(world, lambda s3: s3.put_object(Bucket=BUCKET, Key="condition", Body=b"second", IfNoneMatch="*"))[1] == 412
    same(world, lambda s3: s3.put_object(Bucket=BUCKET, Key="condition", Body=b"second", IfMatch='"other"'))
    assert world.direct.get_object(Bucket=BUCKET, Key="condition")["Body"].read() == b"first"


CHECKS = [
    rclone, s3cmd, curl_signs, an_escaped_slash_is_signed_as_the_store_reads_it, signed_chunks, the_stores_own_errors,
    versions_and_conditions,
]

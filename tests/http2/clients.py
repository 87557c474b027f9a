"""curl, nghttp and h2load over TLS: what is stored and read is what was sent, whichever version of HTTP is spoken."""

import functools
import os
import re
import subprocess
import tempfile

from authority import NAME

MIB = 1024 * 1024
SIZES = [1, 1_000, 16_385, MIB, 24 * MIB]
REQUESTS = 3_000


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, **more)
    assert done.returncode == 0, f"{command}: {done.returncode} {done.stderr.decode(errors='replace')[-1500:]}"
    return done.stdout


class Client:
    """curl in front of one server."""

    def __init__(self, server, authority, folder):
        self.server, self.authority, self.folder = server, authority, folder

    def url(self, name):
        return f"https://{NAME}:{self.server.port}{self.server.base}{name}"

    def curl(self, name, *options, version="--http2"):
        """Status, version of HTTP, body, head."""
        head, body = os.path.join(self.folder, "head"), os.path.join(self.folder, "body")
        for path in (head, body):
            if os.path.exists(path):
                os.remove(path)
        told = run(
            "curl", "--silent", "--show-error", "--max-time", "60", "--cacert", self.authority.certificate, "--resolve",
            f"{NAME}:{self.server.port}:127.0.0.1", version, "-D", head, "-o", body, "-w", "%{http_code} %{http_version}",
            "-H", "Accept: application/octet-stream", *options, self.url(name),
        )
        status, spoken = told.decode().split()
        content = b""
        if os.path.exists(body):
            with open(body, "rb") as file:
                content = file.read()
        with open(head, encoding="latin-1", newline="") as file:
            return int(status), spoken, content, file.read()

    def put(self, name, path, *options, version="--http2"):
        return self.curl(name, "-X", "PUT", "-H", "Content-Type: application/octet-stream", "-T", path, *options, version=version)


def written(folder, body):
    path = os.path.join(folder, "object")
    with open(path, "wb") as file:
        file.write(body)
    return path


def bodies_are_the_same_both_ways(client):
    for size in SIZES:
        body = os.urandom(size)
        path = written(client.folder, body)
        for name, options in ((f"length{size}", ()), (f"chunked{size}", ("-H", "Content-Length:"))):
            if options and "sidecar" in client.server.process.args:
                # S3 takes no PUT of unknown length
                continue
            status, spoken, _, head = client.put(name, path, *options)
            assert (status, spoken) == (200, "2"), (size, status, spoken, head)
            for version, number in (("--http2", "2"), ("--http1.1", "1.1")):
                status, spoken, got, head = client.curl(name, version=version)
                assert (status, spoken) == (200, number), (size, status, spoken, head)
                assert got == body, f"{len(got)} other bytes than the {size} that were stored, over HTTP/{number}"


def heads_and_ranges(client):
    body = os.urandom(300_000)
    assert client.put("head", written(client.folder, body))[0] == 200
    # curl writes the head of an answer to HEAD where a body would go
    status, spoken, got, head = client.curl("head", "--head")
    assert spoken == "2" and got.decode() == head, (spoken, got, head)
    assert status == client.curl("head", "--head", version="--http1.1")[0], head
    status, _, got, _ = client.curl("absent")
    assert status in (400, 404), status
    if "sidecar" in client.server.process.args:
        assert f"content-length: {len(body)}" in head.lower(), head
        status, _, got, _ = client.curl("head", "-r", "100000-199999")
        assert status == 206 and got == body[100_000:200_000], status
        assert client.curl("head", "-X", "DELETE")[0] == 204
        assert client.curl("head")[0] == 404


def many_requests_on_one_connection(client):
    body = b"many"
    assert client.put("many", written(client.folder, body))[0] == 200
    urls = [client.url("many")] * 200
    told = run(
        "curl", "--silent", "--show-error", "--parallel", "--parallel-max", "50", "--cacert", client.authority.certificate, "--resolve",
        f"{NAME}:{client.server.port}:127.0.0.1", "--http2", "-w", "\n%{http_code} %{http_version} %{num_connects}\n",
        "-H", "Accept: application/octet-stream", *urls,
    ).decode()
    assert told.count("200 2 ") == len(urls), told[:500]
    assert told.count("many") == len(urls)


def nghttp_reads_writes_and_sends_trailers(client):
    body = os.urandom(2 * MIB)
    path = written(client.folder, body)
    url = f"https://127.0.0.1:{client.server.port}{client.server.base}"
    fields = ["-H", "content-type: application/octet-stream", "-H", "accept: application/octet-stream"]
    for trailers in ([], ["--trailer", "x-checksum: abc"]):
        run("nghttp", "-y", "-d", path, "-H", ":method: PUT", *fields, *trailers, url + "nghttp")
        assert run("nghttp", "-y", *fields, url + "nghttp") == body
    assert client.curl("nghttp")[2] == body


def h2load_is_served(client):
    """No request of a load over many streams fails; GETs of two sizes, and PUTs."""
    small, long = os.urandom(1_000), os.urandom(MIB)
    assert client.put("small", written(client.folder, small))[0] == 200
    assert client.put("long", written(client.folder, long))[0] == 200
    put = ["-d", written(client.folder, small), "-H", ":method: PUT", "-H", "content-type: application/octet-stream"]
    for name, count, more in (("small", REQUESTS, ()), ("long", 60, ()), ("put", 500, put)):
        url = f"https://127.0.0.1:{client.server.port}{client.server.base}{name}"
        told = run("h2load", "-n", str(count), "-c", "8", "-m", "10", "-H", "accept: application/octet-stream", *more, url).decode()
        requests = re.search(r"^requests: .*$", told, re.MULTILINE)[0]
        rate = re.search(r"([\d.]+) req/s", told)[1]
        assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in requests, told
        assert f"status codes: {count} 2xx" in told, told
        assert "Application protocol: h2" in told, told
        print(f"          h2load {name}: {requests}; {rate} req/s")
    assert client.curl("put")[2] == small


CHECKS = [bodies_are_the_same_both_ways, heads_and_ranges, many_requests_on_one_connection, nghttp_reads_writes_and_sends_trailers, h2load_is_served]


def run_all(kind, server, authority, report):
    with tempfile.TemporaryDirectory() as folder:
        client = Client(server, authority, folder)
        for one in CHECKS:
            report(f"{kind}: {one.__name__.replace('_', ' ')}", functools.partial(one, client))

"""One measurement of loadtests/matrix: a server, the load on it, and what both cost."""

import json
import os
import socket
import struct
import subprocess
import time

from peers import CALLER_KEYS
from peers import LOAD_CPU
from peers import PROXY_CPU
from peers import Subject
from processes import busy_seconds
from processes import cpu_seconds
from processes import forget_peak
from processes import resident_bytes

WARM_UP_SECONDS = 1
LOAD_SECONDS_MAX = 120
# Something else that used more of one of the two CPUs than this spoils a measurement: it is done once more.
OTHERS_SHARE_MAX = 0.12
# An open loop that got less of its rate done did not measure that rate.
KEPT_UP_MIN = 0.98
# Each client's connection and some that a burst asks for: above so many for each, the proxy does not keep what it has to the store.
UPSTREAM_CONNECTIONS_EACH = 2
RESTING_SECONDS = 0.5
# So many resting connections for one that is asked again, to see that it still lives.
ASKED_AGAIN = 100


class LoadFailed(Exception):
    """The load ended without a report."""


def measure(name, cell, program, folder, origin, seconds):
    """Figures of one subject in one cell, in front of the store `origin`; the quieter of two if the first time something else used a CPU."""
    figures = once(name, cell, program, folder, origin, seconds)
    if figures.get("others", 0) > OTHERS_SHARE_MAX:
        second = once(name, cell, program, folder, origin, seconds)
        # Failed requests must not be hidden by a quieter try.
        figures = min(figures, second, key=lambda of: (of["errors"] == 0, of["others"])) | {"again": True}
    return figures | {"cell": cell.name, "subject": name}


def once(name, cell, program, folder, origin, seconds):
    with Subject(name, cell, program, folder, origin.port) as subject:
        return rest(subject) if cell.mix is None else under_load(subject, program, origin, seconds)


def under_load(subject, program, origin, seconds):
    pid, cell = subject.server.pid, subject.cell
    forget_peak(pid)
    connections = counts(origin.port)[1]
    before = Spent(pid, origin.pid)
    run = load(subject, program, seconds)
    after = Spent(pid, origin.pid)
    took, cpu = after.at - before.at, after.proxy - before.proxy
    # The server's work of the warm-up is in its CPU time, so its requests are counted as well.
    requests = sum(second["requests"] for second in run["seconds"])
    errors = sum(second["errors"] for second in run["seconds"])
    latency = run["all"]["latency_ms"]
    dialled = counts(origin.port)[1] - connections
    figures = {
        "requests": requests,
        "errors": errors,
        "faults": [f"{fault['count']} x {fault['fault']}" for fault in run["faults"]],
        "per_s": run["all"]["per_s"],
        "cpu_us": cpu * 1e6 / max(requests, 1),
        "cpu_s_per_gb": cpu / max(requests * cell.bytes / 1e9, 1e-9),
        "p50_us": latency["p50"] * 1000,
        "p99_us": latency["p99"] * 1000,
        "rss_mb": resident_bytes(pid, "VmHWM") / 1e6,
        "busy": cpu / took,
        "others": max(after.others(before)),
        "generator_late_us": run["generator_late_ms"] * 1000,
        "upstream_connections": dialled,
        "keeps_upstream": dialled <= UPSTREAM_CONNECTIONS_EACH * cell.connections,
        "kept_up": cell.rate == 0 or run["all"]["per_s"] >= KEPT_UP_MIN * cell.rate,
    }
    return figures if errors else figures | wrong_lengths(subject, run)


class Spent:
    """What was spent up to now: by the proxy; by the load, the store and this process; and by all on either CPU."""

    def __init__(self, proxy_pid, origin_pid):
        self.at = time.monotonic()
        self.proxy = cpu_seconds(proxy_pid)
        self.load = sum(os.times()[:4]) + cpu_seconds(origin_pid)
        self.busy = busy_seconds(PROXY_CPU), busy_seconds(LOAD_CPU)

    def others(self, before):
        """The shares of both CPUs that something else used."""
        ours = self.proxy - before.proxy, self.load - before.load
        took = self.at - before.at
        return [max(0.0, now - then - own) / took for now, then, own in zip(self.busy, before.busy, ours)]


def wrong_lengths(subject, run):
    """A fault if the answers were not as long as they must be."""
    moved = sum(second["bytes"] for second in run["seconds"])
    requests = sum(second["requests"] for second in run["seconds"])
    wanted = subject.answer_bytes + (subject.cell.bytes if subject.mix == "put" else 0)
    if requests and moved == requests * wanted:
        return {}
    fault = f"{moved / max(requests, 1):.0f} bytes moved a request, not {wanted}"
    return {"errors": max(requests, 1), "faults": [fault]}


def load(subject, program, seconds):
    cell = subject.cell
    options = {
        "--target": subject.base,
        "--object-path": subject.path,
        "--mix": subject.mix,
        # A body that nobody sends would only take memory.
        "--size": cell.bytes if subject.mix == "put" else 1,
        "--connections": cell.connections,
        "--rate": cell.rate,
        "--duration": seconds,
        "--warm-up": WARM_UP_SECONDS,
        "--sign": subject.sign,
    }
    command = [program, "bench", "--no-prepare", "--json", "--quiet", *(part for option in options.items() for part in option)]
    for header in cell.headers:
        command += ["--header", header]
    base = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    ended = subprocess.run(
        list(map(str, command)), env=base | CALLER_KEYS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LOAD_SECONDS_MAX
    )
    try:
        return json.loads(ended.stdout)["run"]
    except ValueError as fault:
        raise LoadFailed(f"the load ended with status {ended.returncode}: {ended.stderr.strip()[-500:]}") from fault


def counts(port):
    """Requests and connections that the store has seen, and bytes that it took."""
    with socket.create_connection(("127.0.0.1", port)) as store:
        store.sendall(b"GET /counts HTTP/1.1\r\nHost: a\r\n\r\n")
        told = b""
        while piece := store.recv(4096):
            told += piece
    return list(map(int, told.split(b"\r\n\r\n")[1].split()))


def rest(subject):
    """Resident memory once a request was answered, and what each connection adds that then rests."""
    pid, cell = subject.server.pid, subject.cell
    with connected(subject.port) as first:
        ask(first, cell.bytes)
        time.sleep(RESTING_SECONDS)
        at_rest = resident_bytes(pid)
    resting = []
    try:
        for _ in range(cell.connections):
            resting.append(connected(subject.port))
            ask(resting[-1], cell.bytes)
        time.sleep(RESTING_SECONDS)
        together = resident_bytes(pid)
        for client in resting[::ASKED_AGAIN]:
            ask(client, cell.bytes)
    finally:
        for client in resting:
            client.close()
    return {"errors": 0, "faults": [], "rss_mb": at_rest / 1e6, "kib_each": (together - at_rest) / 1024 / cell.connections}


def connected(port):
    client = socket.create_connection(("127.0.0.1", port), 10)
    # Closing sends a reset, so that no port stays taken.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return client


def ask(client, size):
    client.sendall(f"GET /bucket/resting-{size} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n".encode())
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0 or len(received) < end + 4 + size:
        piece = client.recv(65536)
        if not piece:
            raise LoadFailed("a connection that rests was closed")
        received += piece
    if not received.startswith(b"HTTP/1.1 200 "):
        raise LoadFailed(f"not answered with 200: {received[:100]!r}")

"""Floods of frames: the server stays, others are served meanwhile, its memory stays small. Those of fields and of resets by the client on one
connection are in tests/it/http2.rs; here are the others, and those on many connections at once."""

import contextlib
import functools
import threading

from frames import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, PING, PRIORITY, Connection, Ended, frame, headers,
    reset, setting, window_update,
)
from rfc9113 import OBJECT, get_of, put_object, put_of

IDLE_MS_MAX = 2_000
TABLES = f"[timeouts]\nidle = {IDLE_MS_MAX}\nheader = {IDLE_MS_MAX}"
# What a flood may add to the memory of a server with one worker.
GROWTH_MIB_MAX = 24
FRAMES = 200_000
BATCH = 500
LONG_BYTES = 4 * 1024 * 1024


class Others:
    """Clients that do nothing wrong, one after another, as long as a flood lasts."""

    def __init__(self, server, authority):
        self.server, self.authority = server, authority
        self.ends, self.served, self.wrong = threading.Event(), 0, []
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.ends.is_set() or self.served < 3:
            try:
                self.one()
            except Exception as error:  # told by the main thread
                self.wrong.append(repr(error))
            if self.wrong:
                return

    def one(self):
        with Connection(self.server.port, self.authority) as connection:
            for stream in (1, 3):
                connection.send(headers(stream, get_of(self.server.base)))
                ended = connection.until(lambda event: event == ("end", stream))
                if not ended or connection.bodies.get(stream) != OBJECT:
                    self.wrong.append(str(connection.events))
                    return
            self.served += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


def flood(server, authority, batch, first=b"", settings=(), reads=False):
    """Sends batches until the server ends the connection or takes no more; what it said at last."""
    with Connection(server.port, authority, settings=settings, receive_buffer=None if reads else 16_384) as connection:
        connection.send(first)
        connection.socket.settimeout(IDLE_MS_MAX / 1_000 * 3)
        for number in range(FRAMES // BATCH):
            if not connection.send(batch(number)):
                break
        said = connection.until(lambda event: event[0] == "GOAWAY", 0.2 if reads else 3)
        return said[2] if said else "nothing"


def many(frames):
    return lambda _number: frames * BATCH


def requests(server, more, per_stream=1):
    """Batches of requests on streams of their own, each followed by `more(stream)`."""
    put = put_of(server.base)("5")

    def batch(number):
        first = number * BATCH
        return b"".join(headers(2 * at + 1, put, END_HEADERS) + more(2 * at + 1) for at in range(first, first + BATCH // per_stream))

    return batch


def cases(server):
    get, put = get_of(server.base), put_of(server.base)
    upload = headers(1, put(None, "flooded"), END_HEADERS)
    return [
        # CVE-2019-9512, -9515: each wants an answer that nobody reads
        ("PING whose answers nobody reads", many(frame(PING, payload=bytes(8))), b""),
        ("SETTINGS whose ACKs nobody reads", many(setting((INITIAL_WINDOW_SIZE, 1_000))), b""),
        ("SETTINGS that change the table to and fro", many(setting((HEADER_TABLE_SIZE, 0)) + setting((HEADER_TABLE_SIZE, 4_096))), b""),
        # CVE-2019-9518, -9513
        ("DATA of no bytes", many(frame(DATA, 0, 1)), upload),
        ("DATA of one byte in padding", many(frame(DATA, 0x8, 1, b"\x00a")), headers(1, put("100000000", "flooded"), END_HEADERS)),
        ("PRIORITY", lambda number: b"".join(frame(PRIORITY, 0, 2 * at + 1, bytes(5)) for at in range(number * BATCH, (number + 1) * BATCH)), b""),
        ("WINDOW_UPDATE", many(window_update(0, 1)), b""),
        ("frames of unknown types", many(frame(0x77, 0, 0, bytes(64))), b""),
        ("CONTINUATION of no bytes", many(frame(CONTINUATION, 0, 1)), headers(1, get, END_STREAM)),
        # CVE-2025-8671: the client makes us reset
        ("WINDOW_UPDATE of 0 on ever new streams", requests(server, lambda stream: window_update(stream, 0)), b""),
        ("a second head on ever new streams", requests(server, lambda stream: headers(stream, get, END_HEADERS)), b""),
        # CVE-2023-44487
        ("requests that are reset at once", requests(server, reset), b""),
    ]


def endures(server, authority, batch, first):
    before = server.rss_mib()
    with Others(server, authority) as others:
        said = flood(server, authority, batch, first)
    grown = server.rss_mib() - before
    assert server.is_up() and not others.wrong, others.wrong
    print(f"          ended by {said}; {others.served} others served; {grown:+.1f} MiB")
    assert grown < GROWTH_MIB_MAX, f"{grown:.1f} MiB more"


def resets_on_many_connections(server, authority):
    """100 connections, each below its own limit and above it."""
    before = server.rss_mib()
    with Others(server, authority) as others:
        for _ in range(100):
            with Connection(server.port, authority) as connection:
                connection.send(requests(server, reset)(0))
    grown = server.rss_mib() - before
    assert server.is_up() and not others.wrong, others.wrong
    print(f"          {others.served} others served; {grown:+.1f} MiB")
    assert grown < GROWTH_MIB_MAX, f"{grown:.1f} MiB more"


def windows_that_stay_shut(server, authority):
    """8 connections of 100 downloads of 4 MiB each that nobody takes: the idle limit ends them, and their memory is bounded until then."""
    put_object(server, authority, "long", bytes(LONG_BYTES))
    get, before = get_of(server.base, "long"), server.rss_mib()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(Connection(server.port, authority, settings=((INITIAL_WINDOW_SIZE, 0),))) for _ in range(8)]
        for connection in held:
            connection.send(b"".join(headers(2 * at + 1, get) for at in range(100)))
        with Others(server, authority) as others:
            ended = 0
            for connection in held:
                last = None
                with contextlib.suppress(Ended, TimeoutError):
                    while sum(event[0] == "RST_STREAM" for event in connection.events) < 100:
                        connection.next(IDLE_MS_MAX / 1_000 * 4)
                ended += sum(event[0] == "RST_STREAM" and event[2] == "ENHANCE_YOUR_CALM" for event in connection.events)
        grown = server.rss_mib() - before
    assert not others.wrong, others.wrong
    print(f"          {ended} of 800 reset by ENHANCE_YOUR_CALM; {others.served} others served; {grown:+.1f} MiB")
    assert ended == 800, ended
    # a lane's two socket buffers are the kernel's; ours are an inbox, what waits for the window, and those of the store's side
    assert grown < 800 * 0.35, f"{grown:.1f} MiB more"


def uploads_that_stall(server, authority):
    """100 uploads on one connection that send nothing: each is ended by the idle limit, the connection stays."""
    put = put_of(server.base)("1000", "stalled")
    with Connection(server.port, authority) as connection:
        connection.send(b"".join(headers(2 * at + 1, put, END_HEADERS) for at in range(100)))
        with Others(server, authority) as others:
            with contextlib.suppress(Ended, TimeoutError):
                while sum(event[0] in ("answer", "RST_STREAM") for event in connection.events) < 100:
                    connection.next(IDLE_MS_MAX / 1_000 * 4)
        statuses = {event[2] for event in connection.events if event[0] == "answer"}
        count = sum(event[0] == "answer" for event in connection.events)
        assert not others.wrong, others.wrong
        print(f"          {count} of 100 answered {statuses}; {others.served} others served")
        assert statuses == {"408"} and count == 100, (statuses, count)
        connection.send(headers(2001, get_of(server.base)))
        assert connection.until(lambda event: event == ("end", 2001)), "the connection is gone"


def run(server, authority, report):
    put_object(server, authority, "conformance", OBJECT)
    for name, batch, first in cases(server):
        report(f"flood: {name}", functools.partial(endures, server, authority, batch, first))
    for one in (resets_on_many_connections, windows_that_stay_shut, uploads_that_stall):
        report(f"flood: {one.__name__.replace('_', ' ')}", functools.partial(one, server, authority))

"""Frames, streams and windows: RFC 9113 §3.4 to §7, each wrong use with what it is to be answered with, each right one served."""

import functools
import struct

from frames import (
    ACK, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, GOAWAY, HEADER_TABLE_SIZE, HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
    PADDED, PING, PREFACE, PRIORITY, PRIORITY_FLAG, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, headers, reset,
    setting, window_update,
)
from outcome import Case, answered_then_closed, connection_error, either, ignored, served, stream_error

PROTOCOL, SIZE, CLOSED, FLOW, COMPRESSION = "PROTOCOL_ERROR", "FRAME_SIZE_ERROR", "STREAM_CLOSED", "FLOW_CONTROL_ERROR", "COMPRESSION_ERROR"
WINDOW_MAX = 2**31 - 1
# The h2 crate ends the connection with the general code where another is wanted, or ends it where a stream would do.
GENERAL = (f"GOAWAY {PROTOCOL}", "the connection ends, under the general code: h2 tells its faults of decoding and of states no further apart")


def preface(get, _put):
    wrong = connection_error(PROTOCOL)
    return [
        Case("3.4", "a preface that is none", b"INVALID CONNECTION PREFACE\r\n\r\n", wrong, greet=False),
        Case("3.4", "HTTP/1.1 where HTTP/2 was agreed", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", wrong, greet=False),
        Case("3.4", "a preface that differs in its last byte", PREFACE[:-1] + b"\r" + setting(), wrong, greet=False),
        Case("3.4", "a preface without SETTINGS behind it", PREFACE + frame(PING, payload=b"12345678"), wrong, greet=False,
             deviates=("ignored", "the settings that nobody sent are the defaults; nothing else follows from them")),
        Case("3.4", "SETTINGS and a request in one write with the preface", PREFACE + setting() + headers(1, get), served(), waits=1, greet=False),
    ]


def format_and_size(get, put):
    size = connection_error(SIZE)
    return [
        Case("4.1", "a frame of an unknown type", frame(0x16, 0xff, 0, b"what"), ignored()),
        Case("4.1", "flags that PING does not have", frame(PING, 0xfe, 0, b"12345678"), ignored()),
        Case("4.1", "the reserved bit of a stream's number", frame(PING, 0, 1 << 31, b"12345678"), ignored()),
        Case("4.2", "DATA of 16,384 bytes", headers(1, put("16384"), END_HEADERS) + frame(DATA, END_STREAM, 1, bytes(16_384)), served(), waits=1),
        Case("4.2", "DATA of 16,385 bytes", headers(1, put("16385"), END_HEADERS) + frame(DATA, END_STREAM, 1, bytes(16_385)), stream_error(SIZE)),
        Case("4.2", "HEADERS of more than 16,384 bytes", headers(1, [*get, ("x-long", "a" * 17_000)]), size),
        Case("4.2", "SETTINGS of more than 16,384 bytes", setting(*[(0x99, 1)] * 2_731), size),
        Case("4.2", "an unknown type with more than 16,384 bytes", frame(0x16, 0, 0, bytes(16_385)), size),
    ]


def field_blocks(get, _put):
    wrong = connection_error(COMPRESSION)
    good = block(get)

    def with_block(data):
        return frame(HEADERS, END_HEADERS | END_STREAM, 1, data)

    remembered = b"\x40" + b"\x03x-a\x01b"
    names = {":method": 0x02, ":scheme": 0x07, ":path": 0x04}
    indexed = bytes([0x82, 0x87]) + block([pair for pair in get if pair[0] in (":authority", ":path")])
    return [
        Case("4.3", "an index outside of both tables", with_block(good + b"\xff\x80\x01"), wrong, GENERAL),
        Case("4.3", "index 0", with_block(good + b"\x80"), wrong, GENERAL),
        Case("4.3", "an index that overflows", with_block(good + b"\xff" + b"\xff" * 10), wrong, GENERAL),
        Case("4.3", "a literal that ends too early", with_block(good + b"\x00\x0ashort"), wrong, GENERAL),
        Case("4.3", "a Huffman code with more than seven bits of padding", with_block(good + b"\x00\x03x-a\x82\x1f\xff"), wrong, GENERAL),
        Case("4.3", "a Huffman code padded with zeros", with_block(good + b"\x00\x03x-a\x81\x18"), wrong, GENERAL),
        Case("4.3", "a Huffman code of EOS", with_block(good + b"\x00\x03x-a\x84\xff\xff\xff\xff"), wrong, GENERAL),
        Case("4.3", "a table larger than allowed", with_block(b"\x3f\xe1\xff\x03" + good), wrong, GENERAL),
        Case("4.3", "a table's size behind a field", with_block(good + b"\x20"), wrong, GENERAL),
        Case("4.3", "the table's size within its limit", with_block(b"\x20\x3f\xe1\x1f" + good), served(), waits=1),
        Case("4.3", "fields by index of the static table", with_block(indexed), served(), waits=1),
        Case("4.3", "a field remembered by the first request and named by the second",
             frame(HEADERS, END_HEADERS | END_STREAM, 1, good + remembered) + frame(HEADERS, END_HEADERS | END_STREAM, 3, good + b"\xbe"),
             served(3), waits=3),
        Case("4.3", "an index of the table after it was emptied",
             frame(HEADERS, END_HEADERS | END_STREAM, 1, good + remembered) + frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x20" + good + b"\xbe"),
             wrong, GENERAL),
        Case("4.3", "a block that is cut by PRIORITY", headers(1, get, 0) + frame(PRIORITY, 0, 1, bytes(5)), connection_error(PROTOCOL)),
        Case("4.3", "a block that is cut by HEADERS of another stream", headers(1, get, END_STREAM) + headers(3, get), connection_error(PROTOCOL)),
    ]


def states(get, put):
    idle, done = connection_error(PROTOCOL), stream_error(CLOSED)
    ended, canceled = headers(1, get), headers(1, put("5"), END_HEADERS) + reset(1)
    data = frame(DATA, 0, 1, b"late")
    more = frame(CONTINUATION, END_HEADERS, 1, block([("x-a", "b")]))

    def after_answer(late, connection):
        connection.send(headers(1, get))
        connection.until(lambda event: event == ("end", 1))
        connection.send(late)

    def answered(late):
        return functools.partial(after_answer, late)

    ignored_or_closed = either(stream_error(CLOSED), connection_error(PROTOCOL), ignored(), served())
    return [
        Case("5.1", "idle: DATA", data, idle),
        Case("5.1", "idle: RST_STREAM", reset(1), idle),
        Case("5.1", "idle: WINDOW_UPDATE", window_update(1, 100), idle),
        Case("5.1", "idle: CONTINUATION", more, idle),
        Case("5.1", "half-closed by the client: DATA", ended + data, done, GENERAL),
        Case("5.1", "half-closed by the client: HEADERS", ended + headers(1, get), done, GENERAL),
        Case("5.1", "half-closed by the client: CONTINUATION", ended + more, connection_error(PROTOCOL, CLOSED)),
        Case("5.1", "half-closed by the client: WINDOW_UPDATE, PRIORITY", ended + window_update(1, 10) + frame(PRIORITY, 0, 1, bytes(5)),
             served(), waits=1),
        Case("5.1", "closed by RST_STREAM: DATA", canceled + data, done),
        Case("5.1", "closed by RST_STREAM: HEADERS", canceled + headers(1, get), done, GENERAL),
        Case("5.1", "closed by RST_STREAM: CONTINUATION", canceled + more, connection_error(PROTOCOL, CLOSED)),
        Case("5.1", "closed by RST_STREAM: RST_STREAM and WINDOW_UPDATE", canceled + reset(1) + window_update(1, 9), ignored()),
        Case("5.1", "closed by both ends: DATA", answered(data), done),
        Case("5.1", "closed by both ends: HEADERS", answered(headers(1, get)), done, GENERAL),
        Case("5.1", "closed by both ends: CONTINUATION", answered(more), connection_error(PROTOCOL, CLOSED)),
        Case("5.1", "closed by both ends: PRIORITY, WINDOW_UPDATE, RST_STREAM",
             answered(frame(PRIORITY, 0, 1, bytes(5)) + window_update(1, 9) + reset(1)), ignored()),
        Case("5.1.1", "a stream of an even number", headers(2, get), connection_error(PROTOCOL)),
        Case("5.1.1", "a stream below the last one", headers(5, get) + headers(3, get), either(connection_error(PROTOCOL, CLOSED), stream_error(CLOSED, stream=3))),
        Case("5.1.1", "streams with gaps between them", headers(7, get) + headers(99, get), served(99), waits=99),
        Case("5.1.2", "one stream more than announced",
             b"".join(headers(2 * number + 1, put("5"), END_HEADERS) for number in range(101)) + reset(1) + reset(3),
             either(stream_error("REFUSED_STREAM", PROTOCOL, stream=201), connection_error(PROTOCOL))),
        Case("5.3", "PRIORITY that depends on itself", frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 9)), either(ignored(), stream_error(PROTOCOL), idle)),
        Case("5.3", "HEADERS with priority", frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY_FLAG, 1, struct.pack(">IB", 0, 200) + block(get)),
             served(), waits=1),
        Case("5.3", "PRIORITY of an idle stream", frame(PRIORITY, 0, 99, bytes(5)), ignored()),
        Case("5.5", "an unknown frame between others", headers(1, get) + frame(0xfa, 0, 1, b"x" * 99), served(), waits=1),
        Case("5.5", "an unknown frame within a field block",
             headers(1, get, END_STREAM) + frame(0xfa, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1), connection_error(PROTOCOL)),
        Case("7", "RST_STREAM with a code that nobody knows", headers(1, put("5"), END_HEADERS) + reset(1, 0xffff_fff0), ignored()),
    ] + [Case("5.1", "closed: a second end", ended + frame(DATA, END_STREAM, 1), ignored_or_closed)]


def data_and_headers(get, put):
    wrong, good = connection_error(PROTOCOL), block(get)
    return [
        Case("6.1", "DATA on stream 0", frame(DATA, 0, 0, b"x"), wrong),
        Case("6.1", "DATA with padding", headers(1, put("2"), END_HEADERS) + frame(DATA, END_STREAM | PADDED, 1, b"\x05ab" + bytes(5)),
             served(), waits=1),
        Case("6.1", "DATA with padding alone, then the end", headers(1, put("0"), END_HEADERS) + frame(DATA, END_STREAM | PADDED, 1, b"\x05" + bytes(5)),
             served(), waits=1),
        Case("6.1", "padding as long as the frame", headers(1, put("2"), END_HEADERS) + frame(DATA, END_STREAM | PADDED, 1, b"\x06ab" + bytes(3)), wrong),
        Case("6.1", "padding without its length", headers(1, put("2"), END_HEADERS) + frame(DATA, END_STREAM | PADDED, 1), connection_error(SIZE, PROTOCOL)),
        Case("6.1", "padding counts in the windows, and is given back", padded_upload(put), served(), waits=1),
        Case("6.2", "HEADERS on stream 0", headers(0, get), wrong),
        Case("6.2", "HEADERS with padding", frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\x03" + good + bytes(3)), served(), waits=1),
        Case("6.2", "HEADERS with more padding than there is", frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + good[:20]), wrong),
        Case("6.2", "HEADERS with flags that it does not have", headers(1, get, END_HEADERS | END_STREAM | 0xc2), served(), waits=1),
        Case("6.2", "HEADERS too short for its priority", frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY_FLAG, 1, b"\x00\x00"),
             connection_error(SIZE, PROTOCOL)),
        Case("6.3", "PRIORITY on stream 0", frame(PRIORITY, 0, 0, bytes(5)), wrong),
        Case("6.3", "PRIORITY of 4 bytes", headers(1, get) + frame(PRIORITY, 0, 1, bytes(4)), stream_error(SIZE), GENERAL),
        Case("6.4", "RST_STREAM on stream 0", reset(0), wrong),
        Case("6.4", "RST_STREAM of 3 bytes", headers(1, put("5"), END_HEADERS) + frame(RST_STREAM, 0, 1, bytes(3)), connection_error(SIZE), GENERAL),
        Case("6.6", "PUSH_PROMISE of a client", headers(1, put("5"), END_HEADERS) + frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 3) + good), wrong),
    ]


def padded_upload(put):
    """600 frames of one byte and 255 of padding: more than a stream's window, if padding were not given back."""
    def play(connection):
        connection.send(headers(1, put("600"), END_HEADERS))
        piece = frame(DATA, PADDED, 1, b"\xff" + b"x" + bytes(255))
        last = frame(DATA, PADDED | END_STREAM, 1, b"\xff" + b"x" + bytes(255))
        connection.upload(1, [piece] * 599 + [last])

    return play


def settings_and_ping(get, _put):
    wrong, size = connection_error(PROTOCOL), connection_error(SIZE)

    def is_acknowledged(connection):
        connection.events.clear()
        connection.send(setting((0x99, 7), (INITIAL_WINDOW_SIZE, 70_000)))
        assert connection.until(lambda event: event == ("settings-ack",)), "no ACK"
        connection.send(frame(PING, payload=b"sluicing"))
        assert connection.until(lambda event: event == ("pong", b"sluicing")), "no answer to a PING"

    def ack_is_not_answered(connection):
        connection.send(frame(PING, ACK, 0, b"sluicing") + frame(PING, 0, 0, b"answered"))
        assert connection.until(lambda event: event[0] == "pong") == ("pong", b"answered")

    return [
        Case("6.5", "SETTINGS with ACK and a payload", frame(SETTINGS, ACK, 0, bytes(6)), size, GENERAL),
        Case("6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1), wrong),
        Case("6.5", "SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, bytes(5)), size, GENERAL),
        Case("6.5.2", "ENABLE_PUSH 2", setting((ENABLE_PUSH, 2)), wrong),
        Case("6.5.2", "ENABLE_PUSH 0 and 1", setting((ENABLE_PUSH, 0)) + setting((ENABLE_PUSH, 1)), ignored()),
        Case("6.5.2", "INITIAL_WINDOW_SIZE above its limit", setting((INITIAL_WINDOW_SIZE, WINDOW_MAX + 1)), connection_error(FLOW), GENERAL),
        Case("6.5.2", "MAX_FRAME_SIZE below 16,384", setting((MAX_FRAME_SIZE, 16_383)), wrong),
        Case("6.5.2", "MAX_FRAME_SIZE above its limit", setting((MAX_FRAME_SIZE, 1 << 24)), wrong),
        Case("6.5.2", "a setting that nobody knows", setting((0xfff0, 1)), ignored()),
        Case("6.5.2", "a table of no bytes for our answers", headers(1, get), served(), waits=1, settings=((HEADER_TABLE_SIZE, 0),)),
        Case("6.5.3", "SETTINGS are acknowledged, PING is answered", is_acknowledged, ignored()),
        Case("6.7", "PING on a stream", frame(PING, 0, 1, bytes(8)), wrong),
        Case("6.7", "PING of 6 bytes", frame(PING, 0, 0, bytes(6)), size, GENERAL),
        Case("6.7", "PING with ACK is not answered", ack_is_not_answered, ignored()),
    ]


def goaway_and_windows(get, put):
    wrong, size = connection_error(PROTOCOL), connection_error(SIZE)

    def bodies(*steps):
        """Each step is what is sent and how many bytes of the answer's body must have come after it."""
        def play(connection):
            for sent, wanted in steps:
                connection.send(sent)
                if wanted:
                    assert connection.until(lambda _: len(connection.bodies.get(1, b"")) >= wanted), "no DATA"
                connection.send(frame(PING, payload=b"in order"))
                assert connection.until(lambda event: event[0] == "pong")
                connection.events = [event for event in connection.events if event[0] != "pong"]
                assert len(connection.bodies.get(1, b"")) == wanted, f"{len(connection.bodies.get(1, b''))} bytes instead of {wanted}"

        return play

    def beyond_the_window(connection):
        # a stream's window is 128 KiB: in one write of 4 MiB it is crossed before anybody has given some back
        connection.send(headers(1, put("9000000"), END_HEADERS) + frame(DATA, 0, 1, bytes(16_384)) * 256)

    return [
        Case("6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), wrong),
        Case("6.8", "GOAWAY of 7 bytes", frame(GOAWAY, 0, 0, bytes(7)), size, GENERAL),
        Case("6.8", "GOAWAY of a client whose request is under way", headers(1, put("5"), END_HEADERS) + frame(GOAWAY, 0, 0, bytes(8))
             + frame(DATA, END_STREAM, 1, b"whole"), answered_then_closed(), has_probe=False),
        Case("6.9", "WINDOW_UPDATE of 0 for the connection", window_update(0, 0), wrong),
        Case("6.9", "WINDOW_UPDATE of 0 for a stream", headers(1, put("5"), END_HEADERS) + window_update(1, 0), stream_error(PROTOCOL)),
        Case("6.9", "WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(3)), size, GENERAL),
        Case("6.9", "the reserved bit of an increment", window_update(0, 1 | 1 << 31), ignored()),
        Case("6.9.1", "a connection's window above its limit", window_update(0, WINDOW_MAX), connection_error(FLOW)),
        Case("6.9.1", "a stream's window above its limit", headers(1, put("5"), END_HEADERS) + window_update(1, WINDOW_MAX) * 2, stream_error(FLOW)),
        Case("6.9.1", "DATA beyond the window", beyond_the_window, stream_error(FLOW)),
        Case("6.9.1", "a window of one byte", bodies((headers(1, get), 1), (window_update(1, 2), 3), (window_update(1, 1_000_000) + setting((INITIAL_WINDOW_SIZE, 65_535)), 1_000)),
             served(), waits=1, settings=((INITIAL_WINDOW_SIZE, 1),)),
        Case("6.9.2", "a first window that is changed", bodies(
            (headers(1, get), 5), (setting((INITIAL_WINDOW_SIZE, 9)), 9), (setting((INITIAL_WINDOW_SIZE, 2)) + window_update(1, 6), 9),
            (window_update(1, 3), 11), (setting((INITIAL_WINDOW_SIZE, 100_000)), 1_000)),
             served(), waits=1, settings=((INITIAL_WINDOW_SIZE, 5),)),
        Case("6.9.2", "a first window that lifts a stream's above the limit",
             headers(1, put("5"), END_HEADERS) + window_update(1, WINDOW_MAX - 65_535) + setting((INITIAL_WINDOW_SIZE, 65_536)), connection_error(FLOW)),
        Case("6.10", "a block in four pieces", headers(1, get[:1], END_STREAM) + frame(CONTINUATION, 0, 1, block(get[1:2])) + frame(CONTINUATION, 0, 1)
             + frame(CONTINUATION, END_HEADERS, 1, block(get[2:])), served(), waits=1),
        Case("6.10", "a block cut within a field", frame(HEADERS, END_STREAM, 1, block(get)[:7]) + frame(CONTINUATION, END_HEADERS, 1, block(get)[7:]),
             served(), waits=1),
        Case("6.10", "CONTINUATION on stream 0", headers(1, get, END_STREAM) + frame(CONTINUATION, END_HEADERS, 0), wrong),
        Case("6.10", "CONTINUATION of another stream", headers(1, get, END_STREAM) + frame(CONTINUATION, END_HEADERS, 3), wrong),
        Case("6.10", "CONTINUATION behind a block that has ended", headers(1, put("5"), END_HEADERS) + frame(CONTINUATION, END_HEADERS, 1, b""), wrong),
        Case("6.10", "CONTINUATION behind DATA",
             headers(1, put("5"), END_HEADERS) + frame(DATA, 0, 1, b"ab") + frame(CONTINUATION, END_HEADERS, 1, block([("x-a", "b")])), wrong),
    ]


def cases(get, put):
    groups = [preface, format_and_size, field_blocks, states, data_and_headers, settings_and_ping, goaway_and_windows]
    return [case for group in groups for case in group(get, put)]

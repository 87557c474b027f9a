"""An HTTP/2 connection for single frames, right or wrong: hyperframe reads what comes, hpack codes fields."""

import socket
import ssl
import struct
import time

import hpack
import hyperframe.frame

from authority import NAME

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
CODES = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
    "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
]
WAIT_S = 10


def code_name(code):
    return CODES[code] if code < len(CODES) else str(code)


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """A frame (RFC 9113 §4.1); `length` may lie."""
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", increment))


def reset(stream, code=8):
    return frame(RST_STREAM, stream=stream, payload=struct.pack(">I", code))


def block(fields):
    """A field block of literals that enter no table, so that it is the same on every connection; names go as they are."""
    out = bytearray()
    for name, value in fields:
        out.append(0)
        for text in (name, value):
            text = text.encode("latin-1") if isinstance(text, str) else text
            out += hpack.hpack.encode_integer(len(text), 7)
            out += text
    return bytes(out)


def headers(stream, fields, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, block(fields))


class Ended(Exception):
    """The connection is over."""


class Connection:
    """A TLS connection on which HTTP/2 was agreed. What was seen is in `events`."""

    def __init__(self, port, authority, greet=True, settings=(), receive_buffer=None):
        context = authority.trusting()
        context.set_alpn_protocols(["h2"])
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(WAIT_S)
        plain.connect(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=NAME)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.inbox, self.decoder, self.events = b"", hpack.Decoder(), []
        self.fragments = b""
        self.bodies = {}
        self.windows = {}
        self.connection_window = 65_535
        self.peer = {}
        if greet:
            self.send(PREFACE + setting(*settings))
            while ("settings",) not in self.events:
                self.next()
            self.send(frame(SETTINGS, ACK))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """False if the peer has closed."""
        try:
            self.socket.sendall(data)
            return True
        except (OSError, ssl.SSLError):
            return False

    def bytes(self, count, until):
        while len(self.inbox) < count:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(65_536)
            except TimeoutError:
                raise
            except (OSError, ssl.SSLError) as error:
                raise Ended from error
            finally:
                # sends wait as long as before
                self.socket.settimeout(WAIT_S)
            if not more:
                raise Ended
            self.inbox += more
        taken, self.inbox = self.inbox[:count], self.inbox[count:]
        return taken

    def next(self, wait_s=WAIT_S):
        """Reads one frame and notes what it says; `Ended` at the end, `TimeoutError` if none comes."""
        until = time.monotonic() + wait_s
        head = memoryview(self.bytes(9, until))
        got, length = hyperframe.frame.Frame.parse_frame_header(head)
        got.parse_body(memoryview(self.bytes(length, until)))
        self.events.extend(self.told(got))
        return got

    def told(self, got):
        """The events of a frame: tuples of words."""
        kind = type(got).__name__
        if kind == "SettingsFrame":
            if "ACK" in got.flags:
                return [("settings-ack",)]
            self.peer.update(got.settings)
            return [("settings",)]
        if kind in ("HeadersFrame", "ContinuationFrame"):
            self.fragments += got.data
            events = []
            if "END_HEADERS" in got.flags:
                fields = self.decoder.decode(self.fragments)
                self.fragments = b""
                status = dict(fields).get(":status")
                events = [("answer", got.stream_id, status, fields) if status else ("trailers", got.stream_id, fields)]
            return events + ([("end", got.stream_id)] if "END_STREAM" in got.flags else [])
        if kind == "DataFrame":
            self.bodies[got.stream_id] = self.bodies.get(got.stream_id, b"") + got.data
            events = [("data", got.stream_id, len(got.data))]
            return events + ([("end", got.stream_id)] if "END_STREAM" in got.flags else [])
        if kind == "RstStreamFrame":
            return [("RST_STREAM", got.stream_id, code_name(got.error_code))]
        if kind == "GoAwayFrame":
            return [("GOAWAY", got.last_stream_id, code_name(got.error_code))]
        if kind == "PingFrame":
            return [("pong" if "ACK" in got.flags else "ping", got.opaque_data)]
        if kind == "WindowUpdateFrame":
            if got.stream_id == 0:
                self.connection_window += got.window_increment
            else:
                self.windows[got.stream_id] = self.windows.get(got.stream_id, self.initial_window()) + got.window_increment
            return [("window", got.stream_id, got.window_increment)]
        return [(kind,)]

    def initial_window(self):
        return self.peer.get(INITIAL_WINDOW_SIZE, 65_535)

    def upload(self, stream, pieces):
        """Sends frames of DATA (each whole, as `frame` makes it) as the windows allow; False if the stream ended before."""
        for piece in pieces:
            cost = len(piece) - 9
            while cost > min(self.connection_window, self.windows.get(stream, self.initial_window())):
                self.next()
                if any(event[0] in ("RST_STREAM", "GOAWAY", "end") for event in self.events):
                    return False
            self.connection_window -= cost
            self.windows[stream] = self.windows.get(stream, self.initial_window()) - cost
            if not self.send(piece):
                return False
        return True

    def until(self, wanted, wait_s=WAIT_S):
        """Reads until `wanted` says so of an event (of those seen as well); the event, or `None` at the end or after `wait_s`."""
        seen, begun = 0, time.monotonic()
        while True:
            for event in self.events[seen:]:
                if wanted(event):
                    return event
            seen = len(self.events)
            try:
                self.next(max(0.001, begun + wait_s - time.monotonic()))
            except (Ended, TimeoutError):
                return None

    def is_closed(self, wait_s=WAIT_S):
        """Whether the peer ends the connection."""
        try:
            while True:
                self.next(wait_s)
        except Ended:
            return True
        except TimeoutError:
            return False

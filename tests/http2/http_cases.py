"""HTTP in HTTP/2: RFC 9113 §8, what is malformed and what is only unusual. Whatever is refused must not have become an object."""

from frames import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, block, frame, headers
from outcome import Case, connection_error, either, malformed, served, stream_error


def without(fields, name):
    return [pair for pair in fields if pair[0] != name]


def changed(fields, name, value):
    return [(name, value) if pair[0] == name else pair for pair in fields]


def field_lines(get, _put):
    lines = [
        ("8.2", "a name with an upper-case letter", ("X-Upper", "a")),
        ("8.2.1", "an empty name", ("", "a")),
        ("8.2.1", "a name with a blank", ("x a", "a")),
        ("8.2.1", "a name with a colon", ("x:a", "a")),
        ("8.2.1", "a name with a control byte", ("x\x01a", "a")),
        ("8.2.1", "a name with a byte above 0x7e", ("x\xe4a", "a")),
        ("8.2.1", "a value with CR LF", ("x-a", "a\r\nx-b: c")),
        ("8.2.1", "a value with LF", ("x-a", "a\nb")),
        ("8.2.1", "a value with NUL", ("x-a", "a\0b")),
        ("8.2.2", "connection", ("connection", "close")),
        ("8.2.2", "proxy-connection", ("proxy-connection", "keep-alive")),
        ("8.2.2", "keep-alive", ("keep-alive", "timeout=5")),
        ("8.2.2", "transfer-encoding", ("transfer-encoding", "chunked")),
        ("8.2.2", "upgrade", ("upgrade", "websocket")),
        ("8.2.2", "te of gzip", ("te", "trailers, gzip")),
        ("8.3.1", "host beside another :authority", ("host", "other.example")),
    ]
    blank = "taken as HTTP/1.1 takes it, where the blank belongs to no value: it is cut off, and nobody reads the field in two ways"
    return [Case(section, name, headers(1, [*get, line]), malformed()) for section, name, line in lines] + [
        Case("8.2.1", "a value that begins with a blank", headers(1, [*get, ("x-a", " a")]), malformed(), waits=1, deviates=("answer 200", blank)),
        Case("8.2.1", "a value that ends with a tab", headers(1, [*get, ("x-a", "a\t")]), malformed(), waits=1, deviates=("answer 200", blank)),
        Case("8.2.1", "an empty value, and one with bytes above 0x7f", headers(1, [*get, ("x-a", ""), ("x-b", "\xe4")]), served(), waits=1),
        Case("8.2.2", "te of trailers", headers(1, [*get, ("te", "trailers")]), served(), waits=1),
        Case("8.2.3", "a cookie in crumbs", headers(1, [*get, ("cookie", "a=1"), ("cookie", "b=2")]), served(), waits=1),
        Case("8.3.1", "host that says what :authority says", headers(1, [*get, ("host", dict(get)[":authority"])]), served(), waits=1),
    ]


def pseudo_fields(get, _put):
    path = dict(get)[":path"]
    twice = [pair for pair in get for _ in range(2)]
    cases = [
        ("8.3", "an unknown pseudo field", [*get, (":unknown", "a")]),
        ("8.3", "a pseudo field of answers", [*get, (":status", "200")]),
        ("8.3", "a pseudo field behind others", [*get[:3], ("x-a", "b"), *get[3:]]),
        ("8.3", "all pseudo fields twice", twice),
        ("8.3.1", "no :method", without(get, ":method")),
        ("8.3.1", "no :scheme", without(get, ":scheme")),
        ("8.3.1", "no :path", without(get, ":path")),
        ("8.3.1", ":path of nothing", changed(get, ":path", "")),
        ("8.3.1", ":path without a slash at its begin", changed(get, ":path", path[1:])),
        ("8.3.1", ":path of * for GET", changed(get, ":path", "*")),
        ("8.3.1", ":path with a blank", changed(get, ":path", path + " x")),
        ("8.3.1", ":path with a control byte", changed(get, ":path", path + "\x01")),
        ("8.3.1", ":path with CR LF", changed(get, ":path", path + " HTTP/1.1\r\nx-a: b")),
        ("8.3.1", ":path that is a whole URL", changed(get, ":path", "https://other.example/")),
        ("8.3.1", ":authority with a user", changed(get, ":authority", "user@" + dict(get)[":authority"])),
        ("8.3.1", ":authority of nothing, and no host", changed(get, ":authority", "")),
        ("8.3.1", "neither :authority nor host", without(get, ":authority")),
        ("8.3.1", ":method with a blank", changed(get, ":method", "GET /x")),
        ("8.3.1", ":method of nothing", changed(get, ":method", "")),
        ("8.3.1", ":scheme with a blank", changed(get, ":scheme", "ht tps")),
        ("8.5", "CONNECT with :scheme and :path", changed(get, ":method", "CONNECT")),
        ("8.5", "CONNECT without :authority", [(":method", "CONNECT")]),
        ("8.5", "CONNECT, which nobody offers here", [(":method", "CONNECT"), (":authority", "other.example:443")]),
        ("8.5", "extended CONNECT, which is not announced", [*changed(get, ":method", "CONNECT"), (":protocol", "websocket")]),
    ]
    for name in (":method", ":scheme", ":path", ":authority"):
        cases.append(("8.3", f"{name} twice", [*get, (name, dict(get)[name])]))
    return [Case(section, name, headers(1, fields), malformed(), waits=1) for section, name, fields in cases] + [
        Case("8.3.1", "host in place of :authority", headers(1, [*without(get, ":authority"), ("host", dict(get)[":authority"])]), served(), waits=1),
    ]


def bodies(_get, put):
    """The objects of these uploads are named `absent`, but for those that are to be served."""
    def upload(fields, *pieces, trailers=None):
        sent = headers(1, fields, END_HEADERS)
        for number, piece in enumerate(pieces):
            is_last = number + 1 == len(pieces) and trailers is None
            sent += frame(DATA, END_STREAM if is_last else 0, 1, piece)
        return sent if trailers is None else sent + headers(1, trailers)

    absent = lambda length: put(length, "absent")
    whole = [("x-checksum", "abc"), ("x-b", "")]
    cases = [
        ("8.1.1", "content-length of more than comes", upload(absent("5"), b"abcd")),
        ("8.1.1", "content-length of less than comes", upload(absent("3"), b"abcd")),
        ("8.1.1", "content-length of less than comes, in pieces", upload(absent("3"), b"ab", b"cd", b"")),
        ("8.1.1", "content-length without a body", headers(1, absent("3"))),
        ("8.1.1", "content-length that is no number", upload(absent("+3"), b"abc")),
        ("8.1.1", "two of them that differ", upload([*absent("3"), ("content-length", "4")], b"abc")),
        ("8.1", "trailers that do not end the stream", headers(1, absent("9"), END_HEADERS) + frame(DATA, 0, 1, b"abc") + headers(1, whole, END_HEADERS)),
        ("8.2", "an upper-case name in trailers", upload(absent(None), b"abc", trailers=[("X-Upper", "a")])),
        ("8.2.2", "connection in trailers", upload(absent(None), b"abc", trailers=[("connection", "close")])),
        ("8.2.1", "a value with CR LF in trailers", upload(absent(None), b"abc", trailers=[("x-a", "b\r\nc: d")])),
        ("8.1.1", "trailers before the whole body", upload(absent("5"), b"abcd", trailers=whole)),
    ]
    return [Case(section, name, sent, malformed(), waits=1) for section, name, sent in cases] + [
        Case("8.1", "a body without content-length", upload(put(None), b"ab", b"", b"cd"), served(), waits=1),
        Case("8.1", "trailers behind a body without content-length", upload(put(None), b"abcd", trailers=whole), served(), waits=1),
        Case("8.1", "trailers behind a body with content-length", upload(put("4"), b"abcd", trailers=whole), served(), waits=1),
        Case("8.1", "trailers in two pieces", headers(1, put(None), END_HEADERS) + frame(DATA, 0, 1, b"abcd")
             + frame(HEADERS, END_STREAM, 1, block(whole[:1])) + frame(CONTINUATION, END_HEADERS, 1, block(whole[1:])), served(), waits=1),
        Case("8.1", "an empty body behind the head", upload(put("0"), b""), served(), waits=1),
        Case("8.1", "a pseudo field in trailers", upload(put(None), b"abcd", trailers=[(":path", "/other")]), malformed(), waits=1,
             deviates=("answer 200", "h2 drops it unseen, and nobody would read it: no trailer is passed on")),
        Case("8.1", "a head behind the end", upload(put("2"), b"ab") + headers(1, whole), either(stream_error("STREAM_CLOSED"), connection_error("STREAM_CLOSED", "PROTOCOL_ERROR"))),
    ]


def cases(get, put):
    return [case for group in (field_lines, pseudo_fields, bodies) for case in group(get, put)]

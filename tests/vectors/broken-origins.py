"""Writes broken-origins.json: what a store may answer that HTTP/1.1 forbids, and what it just allows.

python3 tests/vectors/broken-origins.py > tests/vectors/broken-origins.json
"""

import json

rows = []
OK = "HTTP/1.1 200 OK\r\n"


def add(group, name, send, outcome, **kw):
    rows.append(dict(group=group, name=name, send=send, outcome=outcome, **kw))


def pieces(s):
    return s if isinstance(s, list) else [s]


def refused(g, n, s, **k):
    add(g, n, s, "refused", **k)


def broken(g, n, first, s, **k):
    add(g, n, s, "broken", first=first, **k)


def answered(g, n, s, body="no", status=200, **k):
    add(g, n, s, "answered", status=status, body=body, **k)


g = "framing"
chunk = "2\r\nno\r\n0\r\n\r\n"
refused(g, "length and coding", OK + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
refused(g, "coding and length", OK + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + chunk)
refused(g, "coding and the length of its chunks", OK + "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n" + chunk)
refused(g, "length and an unknown coding", OK + "Content-Length: 2\r\nTransfer-Encoding: identity\r\n\r\nno")
refused(g, "length twice", OK + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nno")
refused(g, "two lengths", OK + "Content-Length: 2\r\nContent-Length: 20\r\n\r\nno")
for v in [
    "2, 2",
    "2,20",
    "2 2",
    "+2",
    "-2",
    "-0",
    "2.0",
    "2e0",
    "0x2",
    "2a",
    "a",
    "",
    "2;",
    '"2"',
    "18446744073709551616",
    "000000000000000000002",
    "²",
    "2\t2",
    "2_0",
]:
    refused(g, "length %r" % v, OK + f"Content-Length: {v}\r\n\r\nno")
answered(g, "length among blanks", OK + "Content-Length: \t2 \r\n\r\nno", kept=True)
answered(g, "length with zeros", OK + "Content-Length: 0002\r\n\r\nno", kept=True)
answered(g, "length in another case", OK + "cOnTeNt-lEnGtH:2\r\n\r\nno", kept=True)
refused(g, "blank before the colon", OK + "Content-Length : 2\r\n\r\nno")
for v in [
    "gzip",
    "identity",
    "gzip, chunked",
    "chunked, gzip",
    "chunked, chunked",
    "chunked, identity",
    "identity, chunked",
    "chunked;q=1",
    "chunked;",
    "xchunked",
    "chunked x",
    '"chunked"',
    "",
    " ,chunked",
    "chunked,",
    "\u000bchunked",
    "chunk ed",
    "chunked\u00a0",
]:
    refused(g, "coding %r" % v, OK + f"Transfer-Encoding: {v}\r\n\r\n" + chunk)
refused(g, "coding twice", OK + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
refused(g, "coding and another one", OK + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
refused(g, "coding behind a blank", OK + "Transfer-Encoding : chunked\r\n\r\n" + chunk)
refused(g, "coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
answered(g, "coding in another case", OK + "transfer-encoding: CHUNKED\r\n\r\n" + chunk, kept=True)
answered(g, "neither, until the end", OK + "\r\nno", kept=False, ends=True)
answered(g, "neither and nothing", OK + "\r\n", body="", kept=False, ends=True)

g = "chunks"


def ch(name, wire, **k):
    # nothing of the body was given: the gateway can still answer
    refused(g, name, [OK + "Transfer-Encoding: chunked\r\n\r\n"] + pieces(wire), **k)


for s in ["zz", "-2", "+2", "0x2", " 2", "2 ", "2\t", "", "g", "2h", "11111111111111111", "FFFFFFFFFFFFFFFFF", "2,2", "2.0"]:
    ch("size %r" % s, s + "\r\nno\r\n0\r\n\r\n")
ch("size ends with a bare LF", "2\nno\r\n0\r\n\r\n")
ch("size ends with a bare CR", "2\rno\r\n0\r\n\r\n")
ch("size ends with two CRs", "2\r\r\nno\r\n0\r\n\r\n")
ch("extension ends with a bare LF", "2;a=b\nno\r\n0\r\n\r\n")
ch("extension with a NUL", "2;a=\u0000\r\nno\r\n0\r\n\r\n")
ch("extensions without end", ["2;a=", ["b", 20000]])
ch("no chunk", "", ends=True)
ch("half a size", "2", ends=True)
ch("a size and its CR", "2\r", ends=True)
ch("largest size and little data", "ffffffffffffffff\r\n", ends=True)


def chc(name, wire, **k):
    broken(g, name, OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nno", pieces(wire), **k)


ENDS = {
    "no last chunk",
    "no end of the data",
    "half a last chunk",
    "last chunk without its end",
    "last chunk and a CR",
    "trailer cut",
    "data shorter than said",
}
for n, w in [
    ("no last chunk", "\r\n"),
    ("no end of the data", ""),
    ("half a last chunk", "\r\n0"),
    ("last chunk without its end", "\r\n0\r\n"),
    ("last chunk and a CR", "\r\n0\r\n\r"),
    ("last chunk ends with bare LFs", "\r\n0\n\n"),
    ("second size is none", "\r\nzz\r\n"),
    ("second size is empty", "\r\n\r\n0\r\n\r\n"),
    ("second size is signed", "\r\n-1\r\nx\r\n0\r\n\r\n"),
    ("data longer than said", "o\r\n0\r\n\r\n"),
    ("data shorter than said", "\r\n5\r\nno\r\n0\r\n"),
    ("data without an end", "0\r\n\r\n"),
    ("data ends with a bare LF", "\n0\r\n\r\n"),
    ("data ends with a bare CR", "\r0\r\n\r\n"),
    ("trailer that is none", "\r\n0\r\ntrailer\r\n\r\n"),
    ("trailer with a blank name", "\r\n0\r\n x: y\r\n\r\n"),
    ("trailer folded", "\r\n0\r\na: b\r\n c\r\n\r\n"),
    ("trailer ends with a bare LF", "\r\n0\r\na: b\n\r\n"),
    ("trailer cut", "\r\n0\r\na: b"),
    ("trailer without name", "\r\n0\r\n: b\r\n\r\n"),
    ("trailer with a NUL", "\r\n0\r\na: \u0000\r\n\r\n"),
]:
    chc(n, w, **({"ends": True} if n in ENDS else {}))
chc("trailers without end", ["\r\n0\r\na: ", ["b", 70000]])
answered(g, "extensions", OK + 'Transfer-Encoding: chunked\r\n\r\n2;a;b=c;d="e"\r\nno\r\n0;f\r\n\r\n', kept=True)
answered(g, "zeros before a size", OK + "Transfer-Encoding: chunked\r\n\r\n0002\r\nno\r\n000\r\n\r\n", kept=True)
answered(g, "trailers", OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nX-Secret: s\r\nContent-Length: 9\r\n\r\n", kept=True)

g = "status line"
L = "Content-Length: 2\r\n\r\nno"
for s in [
    "",
    "garbage",
    "HTTP/1.1",
    "HTTP/1.1 ",
    "HTTP/1.1 2",
    "HTTP/1.1 20",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 20x OK",
    "HTTP/1.1 +20 OK",
    "HTTP/1.1 -20 OK",
    "HTTP/1.1 000 OK",
    "HTTP/1.1 099 OK",
    "HTTP/1.1 600 OK",
    "HTTP/1.1 999 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.1\t200 OK",
    "HTTP/1.1 200\tOK",
    "HTTP/1.1 200OK",
    "http/1.1 200 OK",
    "HTTP/1.1200 OK",
    "HTTP /1.1 200 OK",
    "HTTP/1 200 OK",
    "HTTP/1. 200 OK",
    "HTTP/.1 200 OK",
    "HTTP/11 200 OK",
    "HTTP/1.10 200 OK",
    "HTTP/01.1 200 OK",
    "HTTP/0.9 200 OK",
    "HTTP/1.2 200 OK",
    "HTTP/2.0 200 OK",
    "HTTP/2 200",
    "HTTPS/1.1 200 OK",
    "ICY 200 OK",
    "SSH-2.0-OpenSSH_9.6",
    "220 mail.example ESMTP",
    " HTTP/1.1 200 OK",
    "200 OK HTTP/1.1",
    "GET / HTTP/1.1",
    "HTTP/1.1 ２００ OK",
    "HTTP/1.1 200 O\rK",
    "HTTP/1.1 200 O\u0000K",
]:
    refused(g, repr(s), s + "\r\n" + L)
refused(g, "an empty line before it", "\r\n" + OK + L)
refused(g, "a byte order mark before it", "\u00ef\u00bb\u00bf" + OK + L)
refused(g, "ends with a bare LF", "HTTP/1.1 200 OK\n" + L)
refused(g, "ends with a bare CR", "HTTP/1.1 200 OK\r" + L)
refused(g, "a reason without end", ["HTTP/1.1 200 ", ["a", 100000]])
refused(g, "a long reason", ["HTTP/1.1 200 ", ["a", 1100], "\r\n" + L])
refused(g, "binary", [["\u0000", 64]])
refused(g, "TLS alert", "\u0015\u0003\u0001\u0000\u0002\u0002\u0050")
refused(g, "HTTP/2 settings", "\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000")
refused(g, "HTML", "<html><body>It works</body></html>")
refused(g, "HTTP/0.9 body", "no")
answered(g, "no reason", "HTTP/1.1 200 \r\n" + L, kept=True)
answered(g, "no reason and no blank", "HTTP/1.1 200\r\n" + L, kept=True)
answered(g, "a reason in Latin-1", "HTTP/1.1 200 d\u00e9j\u00e0\r\n" + L, kept=True)

g = "fields"
for n, f in [
    ("no colon", "field\r\n"),
    ("no name", ": value\r\n"),
    ("a blank in the name", "a b: c\r\n"),
    ("a tab in the name", "a\tb: c\r\n"),
    ("a blank behind the name", "a : c\r\n"),
    ("a NUL in the name", "a\u0000: c\r\n"),
    ("a bracket in the name", "a(b): c\r\n"),
    ("a letter beyond ASCII in the name", "\u00e4: c\r\n"),
    ("a NUL in the value", "a: b\u0000c\r\n"),
    ("a bare CR in the value", "a: b\rc\r\n"),
    ("a bare LF in the value", "a: b\nc\r\n"),
    ("a bare LF at the end", "a: b\n"),
    ("a bare CR at the end", "a: b\r"),
    ("two CRs at the end", "a: b\r\r\n"),
    ("a bell in the value", "a: \u0007\r\n"),
    ("DEL in the value", "a: \u007f\r\n"),
    ("folded by a blank", "a: b\r\n c\r\n"),
    ("folded by a tab", "a: b\r\n\tc\r\n"),
    ("folded length", "Content-Length:\r\n 2\r\n"),
    ("a first line that is folded", " a: b\r\n"),
    ("a smuggled answer", "a: b\rHTTP/1.1 200 OK\r\n"),
]:
    refused(g, n, OK + f + L)
refused(g, "a head ends with bare LFs", "HTTP/1.1 200 OK\nContent-Length: 2\n\nno")
refused(g, "the empty line is a bare LF", OK + "Content-Length: 2\r\n\nno")
refused(g, "the empty line is two CRs", OK + "Content-Length: 2\r\n\r\r\nno", ends=True)
refused(g, "too long a value", [OK + "a: ", ["b", 40000], "\r\n" + L])
refused(g, "a value without end", [OK + "a: ", ["b", 300000]])
refused(g, "a name without end", [OK, ["b", 300000]])
refused(g, "too many", [OK, ["a: b\r\n", 129], L])
refused(g, "as many as may be, and one", [OK, ["a: b\r\n", 128], L])
answered(g, "as many as may be", [OK, ["a: b\r\n", 127], L], kept=True)
refused(g, "too long together", [OK, ["a: %s\r\n" % ("b" * 400), 100], L])
answered(g, "empty and odd", OK + "a:\r\nb:  \t \r\nc: \u00ff\r\n!#$%&'*+-.^_`|~: d\r\n" + L, kept=True)

g = "interim"
refused(g, "a flood", [["HTTP/1.1 102 Processing\r\n\r\n", 100], OK + L])
refused(g, "one more than is waited for", [["HTTP/1.1 103 Early Hints\r\n\r\n", 9], OK + L])
answered(g, "as many as are waited for", [["HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 8], OK + L], kept=True)
answered(g, "100 that nobody asked for", "HTTP/1.1 100 Continue\r\n\r\n" + OK + L, kept=True)
answered(g, "unknown ones", "HTTP/1.1 199 Odd\r\n\r\n" + OK + L, kept=True)
refused(g, "101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" + OK + L)
refused(g, "and no more", "HTTP/1.1 100 Continue\r\n\r\n", ends=True)
refused(g, "with a length", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello" + OK + L)
refused(g, "with an answer for a body", "HTTP/1.1 103 Early Hints\r\nContent-Length: 40\r\n\r\n" + OK + L)
refused(g, "with a coding", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK + L)
refused(g, "with two lengths", "HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n" + OK + L)
refused(g, "with a body and no length", "HTTP/1.1 103 Early Hints\r\n\r\nhello" + OK + L)
refused(g, "malformed", "HTTP/1.1 103 Early Hints\r\na\r\n\r\n" + OK + L)
refused(g, "behind an empty line", "HTTP/1.1 103 Early Hints\r\n\r\n\r\n" + OK + L)

g = "no body"
refused(g, "204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nno")
refused(g, "204 with a coding", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
refused(g, "204 with a body", "HTTP/1.1 204 No Content\r\n\r\nno")
refused(g, "204 with another answer", "HTTP/1.1 204 No Content\r\n\r\n" + OK + L)
refused(g, "204 with two lengths", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n")
refused(g, "304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nno")
refused(g, "304 with a body and no length", "HTTP/1.1 304 Not Modified\r\n\r\nno")
refused(g, "304 with a coding and length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n")
answered(g, "204", "HTTP/1.1 204 No Content\r\n\r\n", body="", status=204, kept=True)
answered(g, "204 with the length 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", body="", status=204, kept=True)
answered(g, "304 with the object's length", 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2000\r\nETag: "e"\r\n\r\n', body="", status=304, kept=True)
H = dict(method="HEAD")
answered(g, "HEAD with the object's length", OK + "Content-Length: 2000\r\n\r\n", body="", kept=True, **H)
answered(g, "HEAD with a coding", OK + "Transfer-Encoding: chunked\r\n\r\n", body="", kept=True, **H)
answered(g, "HEAD without either", OK + "\r\n", body="", kept=True, **H)
refused(g, "HEAD with a body", OK + "Content-Length: 2\r\n\r\nno", **H)
refused(g, "HEAD with chunks", OK + "Transfer-Encoding: chunked\r\n\r\n" + chunk, **H)
refused(g, "HEAD with a body and no length", OK + "\r\nno", **H)
refused(g, "HEAD with another answer", OK + "Content-Length: 2\r\n\r\n" + OK + L, **H)
refused(g, "HEAD with length and coding", OK + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", **H)

g = "length"
refused(g, "nothing of it", OK + "Content-Length: 2\r\n\r\n", ends=True)
broken(g, "shorter", OK + "Content-Length: 4\r\n\r\nno", "n", ends=True)
broken(g, "one byte of the longest", OK + "Content-Length: 18446744073709551615\r\n\r\nn", "", ends=True)
broken(g, "shorter and long", OK + "Content-Length: 3000000\r\n\r\nn", [["n", 2999998]], ends=True)
answered(g, "longer", OK + "Content-Length: 2\r\n\r\nnoo", kept=False)
answered(g, "another answer behind it", OK + L + OK + "Content-Length: 6\r\n\r\npoison", kept=False)
answered(g, "another answer behind nothing", OK + "Content-Length: 0\r\n\r\n" + OK + "Content-Length: 6\r\n\r\npoison", body="", kept=False)
answered(g, "an empty line behind it", OK + L + "\r\n", kept=False)
answered(g, "another answer behind the last chunk", OK + "Transfer-Encoding: chunked\r\n\r\n" + chunk + OK + "Content-Length: 6\r\n\r\npoison", kept=False)
answered(g, "a byte behind the last chunk", OK + "Transfer-Encoding: chunked\r\n\r\n" + chunk + "0", kept=False)

g = "persistence"
answered(g, "close", OK + "Connection: close\r\n" + L, kept=False)
answered(g, "close among others", OK + "Connection: keep-alive, CLOSE\r\n" + L, kept=False)
answered(g, "HTTP/1.0", "HTTP/1.0 200 OK\r\n" + L, kept=False)
answered(g, "HTTP/1.0 without length", "HTTP/1.0 200 OK\r\n\r\nno", kept=False, ends=True)
answered(g, "HTTP/1.0 without length that asks to stay", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nno", kept=False, ends=True)
refused(g, "HTTP/1.0 and nothing of its length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", ends=True)
broken(g, "HTTP/1.0 and half of its length", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nno", "", ends=True)

names = set()
for row in rows:
    key = (row["group"], row["name"])
    assert key not in names, key
    names.add(key)
    row["send"] = pieces(row["send"])
SOURCE = (
    "RFC 9112 (2.2 line ends, 4 status line, 5 fields, 6 framing, 7.1 chunked coding, 9.3 persistence) and RFC 9110 (8.6 "
    "Content-Length, 9.3.2 HEAD, 15.2 interim, 15.3.5 and 15.4.5 no body): what they forbid, and what is just allowed; written by "
    "broken-origins.py beside it. One character is one byte (Latin-1), but for those above U+00FF, which are UTF-8; [text, n] is "
    "text n times. ends: the store sends nothing more. refused: the gateway answers by itself. broken: the answer does not "
    "look whole, if it begins; it does if `first` came before the rest. answered: the client gets status and body; kept: "
    "the connection serves the next request."
)
print("{")
print('"source":', json.dumps(SOURCE) + ",")
print('"cases": [')
print(",\n".join(json.dumps(row) for row in rows))
print("]")
print("}")

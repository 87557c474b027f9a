#!/usr/bin/env python3
"""Writes hostile-http1.json: messages that RFC 9112 or RFC 9110 forbid or that can be read two ways, near misses beside them, and what has to
become of each. Expectations are from the RFCs' text, named per group. `@` in a message stands for the target of an object, U+E000 for an at sign."""

import json
import pathlib

CASES = []
AT = "\ue000"


def add(group, name, message, outcome, status=400, body=None):
    case = {"group": group, "name": name, "message": message, "outcome": outcome}
    if outcome == "refused":
        case["status"] = status if isinstance(status, list) else [status]
    if body is not None:
        case["body"] = body
    CASES.append(case)


def refused(group, name, message, status=400):
    add(group, name, message, "refused", status)


def forwarded(group, name, message, body=""):
    add(group, name, message, "forwarded", body=body)


def put(fields, body="hello", host="Host: a\r\n", version="HTTP/1.1"):
    return f"PUT @ {version}\r\n{host}{fields}\r\n{body}"


def get(fields="", line="GET @ HTTP/1.1", host="Host: a\r\n"):
    return f"{line}\r\n{host}{fields}\r\n"


def literal(char):
    return char.replace("@", AT)


def shown(char):
    return f"%{ord(char):02x}"


# RFC 9112 §6.3, RFC 9110 §8.6: digits and nothing else, once.
G = "content-length"
for value in ["", " ", "+5", "-5", "-0", "0x5", "5.0", "5e0", "5 5", "5,5", "5, 5", "5,", ",5", "\"5\"", "five", "5;", "5a", "a5", "5_0", "٥",
              "18446744073709551616", "99999999999999999999999", "000000000000000000005", "0b101", "5\x0b", "\x0c5", "5\x00", "\u00a05", "5=5", "(5)",
              "5/5", "#5", "5%20", "0o5", "1_0", "∞", "NaN", "nil", "5 ;q=1", "5\t5"]:
    refused(G, f"value {value!r}", put(f"Content-Length: {value}\r\n"))
for first, second in [("5", "5"), ("5", "6"), ("6", "5"), ("5", ""), ("0", "5"), ("5", "0"), ("5", "05"), ("5", "+5")]:
    for name in ["Content-Length", "content-length", "CONTENT-LENGTH"]:
        refused(G, f"{first} and {second} as {name}", put(f"Content-Length: {first}\r\n{name}: {second}\r\n"))
for value in ["5", " 5", "5 ", "\t5\t", "05"]:
    forwarded(G, f"value {value!r}", put(f"Content-Length:{value}\r\n"), "hello")
for name in ["content-length", "CONTENT-LENGTH", "Content-length"]:
    forwarded(G, f"name {name}", put(f"{name}: 5\r\n"), "hello")

# RFC 9112 §6.1: chunked alone, last, once; any other coding is 501 or 400.
G = "transfer-encoding"
CHUNKS = "5\r\nhello\r\n0\r\n\r\n"
for value in ["", " ", "identity", "x", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked,", ",chunked", "chunked;q=1", "chunked; a=b", "xchunked",
              "chunkedx", "chunke", "\"chunked\"", "chunked identity", "chunked\x0b", "\x0bchunked", "chunked\x00", "chunk\ted", "identity, chunked",
              "deflate", "compress", "trailers", "chunked, identity", "chunked , ", "(chunked)", "chunked\\", "c hunked", "chunked=1", "cHuNkEd, x"]:
    refused(G, f"value {value!r}", put(f"Transfer-Encoding: {value}\r\n", CHUNKS), [400, 501])
for first, second in [("chunked", "chunked"), ("chunked", "identity"), ("identity", "chunked"), ("gzip", "chunked"), ("chunked", ""), ("x", "chunked")]:
    refused(G, f"{first} and {second}", put(f"Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n", CHUNKS), [400, 501])
for name in ["Transfer_Encoding ", "Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer-Encoding\x0b", "Transfer-\x00Encoding",
             "Transfer Encoding"]:
    refused(G, f"name {name!r}", put(f"{name}: chunked\r\nContent-Length: 5\r\n"))
for value in ["chunked", "CHUNKED", "Chunked", "chunked ", "\tchunked"]:
    forwarded(G, f"value {value!r}", put(f"Transfer-Encoding:{value}\r\n", CHUNKS), "hello")

# RFC 9112 §6.3 item 3: both is an attempt at smuggling.
G = "both framings"
for length_name in ["Content-Length", "content-length"]:
    for coding in ["chunked", "Chunked", "identity", "x", "gzip, chunked", ""]:
        for order in ["length first", "coding first"]:
            lines = [f"{length_name}: 5\r\n", f"Transfer-Encoding: {coding}\r\n"]
            if order == "coding first":
                lines.reverse()
            refused(G, f"{length_name}, {coding!r}, {order}", put("".join(lines), CHUNKS), [400, 501])
refused(G, "between other fields", put("X-A: 1\r\nContent-Length: 5\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n", CHUNKS))
# RFC 9112 §6.1: HTTP/1.0 knows no transfer coding.
for fields in ["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", "Transfer-Encoding: identity\r\n"]:
    refused(G, f"HTTP/1.0 {fields!r}", put(fields, CHUNKS, version="HTTP/1.0"), [400, 501])

# RFC 9112 §7.1
G = "chunks"
for size in ["", " 5", "5 ", "5\t", "\t5", "+5", "-5", "0x5", "5h", "g", "5,", "5 5", "5\x0b", "\x005", "5\x00", "5.", "0005g", "fffffffffffffffff", "10000000000000000", "-0", "5;a\x00b",
             "5;a\x01", "5;a\x7f", "5;\ra", "5\r;a", "5;a=\"\n\""]:
    refused(G, f"size {size!r}", put("Transfer-Encoding: chunked\r\n", f"{size}\r\nhello\r\n0\r\n\r\n"))
for name, body in [("bare LF behind the size", "5\nhello\r\n0\r\n\r\n"), ("bare CR behind the size", "5\rhello\r\n0\r\n\r\n"), ("bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
                   ("bare CR behind the data", "5\r\nhello\r0\r\n\r\n"), ("no end behind the data", "5\r\nhello0\r\n\r\n"), ("more data than said", "4\r\nhello\r\n0\r\n\r\n"),
                   ("less data than said", "6\r\nhello\r\n0\r\n\r\n"), ("bare LF behind the last", "5\r\nhello\r\n0\n\r\n"), ("bare LF at the end", "5\r\nhello\r\n0\r\n\n"),
                   ("bare CR at the end", "5\r\nhello\r\n0\r\n\rx"), ("blank behind the data", "5\r\nhello \r\n0\r\n\r\n"), ("a line before the first", "\r\n5\r\nhello\r\n0\r\n\r\n"),
                   ("a folded trailer", "5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n"), ("a trailer without colon", "5\r\nhello\r\n0\r\nX-A\r\n\r\n"),
                   ("a trailer with a blank before the colon", "5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n"), ("a trailer with bare LF", "5\r\nhello\r\n0\r\nX-A: 1\n\r\n"),
                   ("a trailer with NUL", "5\r\nhello\r\n0\r\nX-A: \x00\r\n\r\n"), ("a trailer without name", "5\r\nhello\r\n0\r\n: 1\r\n\r\n")]:
    refused(G, name, put("Transfer-Encoding: chunked\r\n", body))
for name, body in [("extension", "5;a=b\r\nhello\r\n0\r\n\r\n"), ("extension without value", "5;a\r\nhello\r\n0\r\n\r\n"), ("quoted extension", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"), ("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
                   ("zeroes before the size", "00005\r\nhello\r\n000\r\n\r\n"), ("capital size", "5\r\nhello\r\n0\r\n\r\n"), ("trailer", "5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"),
                   ("extension on the last", "5\r\nhello\r\n0;a=b\r\n\r\n")]:
    forwarded(G, name, put("Transfer-Encoding: chunked\r\n", body), "hello")

# RFC 9110 §5.1, RFC 9112 §5: a token, and the colon right behind it.
G = "field names"
for code in [*range(0x00, 0x21), 0x7f, 0x80, 0xff, *map(ord, "\"(),/;<=>?@[\\]{}")]:
    char = chr(code)
    if char in "\r\n":
        continue
    refused(G, f"X{shown(char)}Y", get(f"X{literal(char)}Y: 1\r\n"))
for name, fields in [("none", ": 1\r\n"), ("blank before the colon", "X-A : 1\r\n"), ("tab before the colon", "X-A\t: 1\r\n"), ("no colon", "X-A\r\n"), ("no colon, a value", "X-A 1\r\n"),
                     ("blank before the name", " X-A: 1\r\n"), ("tab before the name", "\tX-A: 1\r\n"), ("only a colon", ":\r\n"), ("only a blank", " \r\n")]:
    refused(G, name, get(fields))
for char in "!#$%&'*+-.^_`|~09azAZ":
    forwarded(G, f"X{char}Y", get(f"X{char}Y: 1\r\n"))

# RFC 9112 §5.2: folding.
G = "folding"
for name, fields in [("blank", "X-A: 1\r\n 2\r\n"), ("tab", "X-A: 1\r\n\t2\r\n"), ("first line", " X-A: 1\r\nX-B: 2\r\n"), ("empty continuation", "X-A: 1\r\n \r\n"), ("of a length", "Content-Length:\r\n 5\r\n"),
                     ("of a coding", "Transfer-Encoding:\r\n chunked\r\n"), ("of a host", "Host:\r\n a\r\n"), ("twice", "X-A: 1\r\n 2\r\n 3\r\n")]:
    refused(G, name, get(fields))

# RFC 9110 §5.5: no CR, LF, NUL, nor other controls.
G = "field values"
for code in [*range(0x00, 0x20), 0x7f]:
    char = chr(code)
    if char in "\t\n\r":
        continue
    refused(G, f"a{shown(char)}b", get(f"X-A: a{char}b\r\n"))
for name, value in [("bare CR", "a\rb"), ("bare LF", "a\nb"), ("CR at the end", "a\r"), ("two CRs", "a\r\r"), ("LF, a field", "a\nX-B: 1"), ("CR, a field", "a\rX-B: 1")]:
    refused(G, name, get(f"X-A: {value}\r\n"))
for name, value in [("empty", ""), ("blanks", "  "), ("tab inside", "a\tb"), ("obs-text", "a\xe9b"), ("quotes", "\"a\\\"b\""), ("colon", "a:b"), ("comma", ",,a,,")]:
    forwarded(G, name, get(f"X-A: {value}\r\n"))

# RFC 9112 §2.2: CRLF ends lines; a bare CR never, a bare LF is not taken here.
G = "line ends"
for name, message in [("LF everywhere", "GET @ HTTP/1.1\nHost: a\n\n"), ("LF behind the request line", "GET @ HTTP/1.1\nHost: a\r\n\r\n"), ("CR behind the request line", "GET @ HTTP/1.1\rHost: a\r\n\r\n"),
                      ("LF behind a field", "GET @ HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n"), ("CR behind a field", "GET @ HTTP/1.1\r\nHost: a\rX-A: 1\r\n\r\n"), ("LF for the empty line", "GET @ HTTP/1.1\r\nHost: a\r\n\n"),
                      ("CR CR LF", "GET @ HTTP/1.1\r\r\nHost: a\r\n\r\n"), ("LF CR", "GET @ HTTP/1.1\n\rHost: a\r\n\r\n"), ("LF before the line", "\nGET @ HTTP/1.1\r\nHost: a\r\n\r\n"),
                      ("CR before the line", "\rGET @ HTTP/1.1\r\nHost: a\r\n\r\n"), ("blank before the line", " GET @ HTTP/1.1\r\nHost: a\r\n\r\n"), ("NUL before the line", "\x00GET @ HTTP/1.1\r\nHost: a\r\n\r\n"),
                      ("a field before the line", "Host: a\r\nGET @ HTTP/1.1\r\n\r\n")]:
    refused(G, name, message)
forwarded(G, "one empty line before", "\r\nGET @ HTTP/1.1\r\nHost: a\r\n\r\n")

# RFC 9112 §3: method SP target SP version.
G = "request line"
for code in [*range(0x00, 0x20), 0x7f, 0x80, *map(ord, "\"(),/:;<=>?@[\\]{}")]:
    char = chr(code)
    if char in "\r\n":
        continue
    refused(G, f"method G{shown(char)}T", get(line=f"G{literal(char)}T @ HTTP/1.1"), [400, 501])
for name, line in [("nothing", ""), ("method alone", "GET"), ("no version", "GET @"), ("no target", "GET  HTTP/1.1"), ("two blanks before the target", "GET  @ HTTP/1.1"),
                   ("two blanks before the version", "GET @  HTTP/1.1"), ("tab before the target", "GET\t@ HTTP/1.1"), ("tab before the version", "GET @\tHTTP/1.1"), ("blank at the end", "GET @ HTTP/1.1 "),
                   ("tab at the end", "GET @ HTTP/1.1\t"), ("four words", "GET @ x HTTP/1.1"), ("vertical tab", "GET\x0b@ HTTP/1.1"), ("blank inside the version", "GET @ HTTP /1.1"),
                   ("form feed", "GET @\x0cHTTP/1.1")]:
    refused(G, name, get(line=line))
for version in ["HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/1.10", "HTTP/1.1.1", "http/1.1", "Http/1.1", "HTTPS/1.1", "HTTP/x.y", "HTTP/1.x", "HTTP-1.1", "HTTP/ 1.1", "HTTP/+1.1", "HTTP/1,1", "ICY/1.1", "HTTP/01.1", "HTTP/1.01", "HTTP/1.1\x00",
                "HTTP", "/1.1", "1.1"]:
    refused(G, f"version {version!r}", get(line=f"GET @ {version}"))
for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/9.9", "HTTP/1.2", "HTTP/1.9"]:
    refused(G, f"version {version}", get(line=f"GET @ {version}"), [400, 505])

# RFC 9112 §3.2, RFC 3986: no controls, no blanks, no fragment; a known form.
G = "target"
for code in [*range(0x00, 0x20), 0x7f]:
    char = chr(code)
    if char in "\r\n":
        continue
    refused(G, f"@{shown(char)}x", get(line=f"GET @{char}x HTTP/1.1"))
for name, target in [("relative", "x/y"), ("a fragment", "@#f"), ("empty fragment", "@#"), ("asterisk", "*"), ("authority", "a:80"), ("a host alone", "a"), ("no authority", "http:///x"), ("scheme alone", "http:"), ("another scheme", "ftp://a/x"),
                     ("backslash", "\\x"), ("query alone", "?a=b"), ("userinfo", f"http://u{AT}a/x"), ("userinfo and password", f"http://u:p{AT}a/x"), ("a port that is none", "http://a:b/x"),
                     ("blank in the authority", "http://a b/x"), ("javascript", "javascript:alert(1)"), ("dot", "."), ("semicolon", ";x")]:
    refused(G, name, get(line=f"GET {target} HTTP/1.1"))

# RFC 9112 §3.2.2: the target's authority counts, whatever Host says.
forwarded(G, "absolute", get(line="GET http://a@ HTTP/1.1"))
forwarded(G, "absolute, of another host than the field's", get(line="GET http://b@ HTTP/1.1"))

# RFC 9112 §3.2: Host once, valid.
G = "host"
for name, host in [("none", ""), ("twice the same", "Host: a\r\nHost: a\r\n"), ("twice, others", "Host: a\r\nHost: b\r\n"), ("twice, far apart", "Host: a\r\nX-A: 1\r\nhost: a\r\n"), ("list", "Host: a, b\r\n"), ("list without blank", "Host: a,b\r\n"),
                   ("userinfo", f"Host: u{AT}a\r\n"), ("path", "Host: a/x\r\n"), ("query", "Host: a?x\r\n"), ("fragment", "Host: a#x\r\n"), ("blank inside", "Host: a b\r\n"), ("tab inside", "Host: a\tb\r\n"), ("port that is none", "Host: a:b\r\n"),
                   ("two ports", "Host: a:1:2\r\n"), ("port with sign", "Host: a:+80\r\n"), ("port beyond", "Host: a:65536\r\n"), ("scheme", "Host: http://a\r\n"), ("backslash", "Host: a\\b\r\n"), ("NUL", "Host: a\x00\r\n"), ("open bracket", "Host: [::1\r\n"),
                   ("closed bracket", "Host: ::1]\r\n"), ("behind the bracket", "Host: [::1]x\r\n"), ("in brackets, none", "Host: []\r\n"), ("IPv6 without brackets", "Host: ::1\r\n"), ("quotes", "Host: \"a\"\r\n"), ("less than", "Host: a<b\r\n"), ("pipe", "Host: a|b\r\n"), ("caret", "Host: a^b\r\n"),
                   ("blank before the colon", "Host : a\r\n"), ("folded", "Host:\r\n a\r\n"), ("underline name", " Host: a\r\n"), ("semicolon list", "Host: a; b\r\n"), ("obs-text", "Host: a\xe9\r\n"), ("percent", "Host: a%zz\r\n")]:
    refused(G, name, get(host=host))
for name, host in [("name", "Host: a\r\n"), ("port", "Host: a:80\r\n"), ("IPv4", "Host: 127.0.0.1:8080\r\n"), ("IPv6", "Host: [::1]:80\r\n"), ("name in capitals", "HOST: a\r\n"), ("no blank", "Host:a\r\n"), ("blanks around", "Host:  a  \r\n"), ("behind other fields", "X-A: 1\r\nHost: a\r\n")]:
    forwarded(G, name, get(host=host))

# RFC 9110 §9.3: bodies where none has a meaning are read to their end, never left for the next request.
G = "bodies where none belongs"
for method in ["GET", "DELETE"]:
    add(G, f"{method} with a length", f"{method} @ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "consumed")
    add(G, f"{method} in chunks", f"{method} @ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}", "consumed")
    refused(G, f"{method} with both", f"{method} @ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}")
    refused(G, f"{method} with two lengths", f"{method} @ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello")

# RFC 9110 §7.6.1, §7.8: what is said of a connection stays on it, and nobody is upgraded.
G = "connection"
for name, fields in [("close", "Connection: close\r\n"), ("keep-alive", "Connection: keep-alive\r\n"), ("upgrade to websocket", "Connection: upgrade\r\nUpgrade: websocket\r\n"), ("upgrade to h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"),
                     ("nominated field", "Connection: x-nominated\r\nX-Nominated: 1\r\n"), ("nominated host", "Connection: host\r\n"), ("nominated authorization", "Connection: authorization\r\n"), ("nominated in a list", "Connection: close, X-Nominated\r\nX-Nominated: 1\r\n"),
                     ("empty", "Connection:\r\n"), ("commas", "Connection: ,,close,,\r\n"), ("Keep-Alive", "Keep-Alive: timeout=1000000\r\n"), ("Proxy-Connection", "Proxy-Connection: keep-alive\r\n"), ("TE", "TE: trailers, deflate\r\nConnection: TE\r\n"), ("Trailer", "Trailer: X-A\r\n"),
                     ("Via", "Via: 1.1 x\r\n"), ("Proxy-Authorization", "Proxy-Authorization: Basic eDp5\r\n")]:
    forwarded(G, name, get(fields))
refused(G, "nominated length with a body", put("Connection: content-length\r\nContent-Length: 5\r\nContent-Length: 5\r\n"))
refused(G, "CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", [400, 403, 405, 501])
refused(G, "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400, 505])

# 431; S3 says 400 in its own words.
G = "sizes"
refused(G, "too many fields", get("X-A: 1\r\n" * 129), [431, 400])
refused(G, "a field too long", get(f"X-A: {'a' * 20000}\r\n"), [431, 400])
refused(G, "a name too long", get(f"{'a' * 20000}: 1\r\n"), [431, 400])
refused(G, "fields too long together", get("".join(f"X-{n}: {'a' * 1000}\r\n" for n in range(100))), [431, 400])
refused(G, "a target too long", get(line=f"GET @?{'a' * 11000} HTTP/1.1"), 414)
refused(G, "a method without end", "A" * 20000, [400, 414, 431, 501])

pathlib.Path(__file__).with_suffix(".json").write_text(
    json.dumps({"source": "RFC 9110, RFC 9112; written by hostile-http1.py beside it. One character of a message is one byte (Latin-1), but for those above U+00FF, which are UTF-8; @ is the target of an object, U+E000 an at sign.", "cases": CASES}, indent=0, ensure_ascii=True) + "\n"
)
print(len(CASES), "cases")

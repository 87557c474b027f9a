"""Signatures of botocore, right and spoilt, against the gateway's verdict: what a correct verifier must say."""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import random
import tempfile
import unittest.mock
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

import callers

CASES = 600
ACCEPTED = "accepted"
MISMATCH = "InvalidSignatureException"
INVALID_TOKEN = "UnrecognizedClientException"
MISSING = "MissingAuthenticationTokenException"

# Every path, answered by the gateway itself with the caller whom it saw.
METHOD = {
    "parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}],
    "x-amazon-apigateway-auth": {"type": "AWS_IAM"},
    "responses": {"200": {"description": "ok"}},
    "x-amazon-apigateway-integration": {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "passthroughBehavior": "when_no_templates",
        "responses": {
            "default": {
                "statusCode": "200",
                "responseTemplates": {"application/json": "$context.identity.accessKey"},
            }
        },
    },
}
DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "signatures", "version": "1"},
    "paths": {"/{proxy+}": {"x-amazon-apigateway-any-method": METHOD}},
}

# As they stand in the request line, behind the stage.
PATHS = (
    "plain",
    "a%20b",
    "a%2Fb",
    "a%252Fb",
    "%E2%9C%93/%C3%A9",
    "a+b",
    "a%2Bb",
    "~tilde-dash_dot.x",
    "a//b",
    "/a",
    "a/./b",
    "a/../b",
    "a/b/",
    "a/b//",
    "colon:semi;at@eq=comma,",
    "quote'paren()!*$&",
    "%25",
    "..a/...",
)
# Encoded as SigV4 encodes, since botocore signs a query as it stands.
QUERIES = (
    "",
    "a=1",
    "a=",
    "b=2&a=1",
    "a=2&a=1&a=10",
    "a=%20&b=%2B&c=%2F",
    "A=1&a=1",
    "%C3%A9=%E2%9C%93",
    "x=~-_.",
    "x-y=1&x=2&x.z=3",
)
HEADERS = (
    (),
    (("X-Custom", "a"),),
    (("X-Custom", "  a   b  c "),),
    (("X-Custom", "b"), ("X-Custom", "a")),
    (("X-Custom", ""),),
    (("X-Amz-Meta-Note", "one, two"), ("X-B", "2"), ("X-A", "1")),
    (("X-Quoted", '"a   b"'),),
)
BODIES = (b"", b"{}", b"Hello, World!", bytes(range(256)) * 300)


class Request:
    """A signed request as it goes on the wire."""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, list(headers), body

    def verdict(self, api):
        """`accepted`, or the error type of the refusal."""
        host = urllib.parse.urlsplit(api.base).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.putrequest(self.method, self.target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return ACCEPTED
            callers.equal(answer.status, 403, f"{self}: {text}")
            return answer.headers["x-amzn-errortype"]
        finally:
            connection.close()

    def __str__(self):
        return f"{self.method} {self.target} {self.headers} {len(self.body)} bytes"

    def changed(self, name, change):
        """The same with one header's values changed."""
        headers = [(known, change(value) if known.lower() == name else value) for known, value in self.headers]
        return Request(self.method, self.target, headers, self.body)


def signed(api, method, path, query, headers=(), body=b"", keys=callers.CALLER, form="header", age=0, claims=False):
    """What botocore makes of a request; `form` is where the signature stands, `claims` names the body's hash."""
    base = urllib.parse.urlsplit(api.base)
    target = f"{base.path}/{path}" + (f"?{query}" if query else "")
    request = botocore.awsrequest.AWSRequest(method=method, url=f"http://{base.netloc}{target}", data=body)
    for name, value in headers:
        request.headers.add_header(name, value)
    if claims:
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    credentials = botocore.credentials.Credentials(*keys)
    signed_at = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=age)
    with unittest.mock.patch.object(botocore.auth, "get_current_datetime", lambda: signed_at):
        if form == "header":
            botocore.auth.SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
        else:
            botocore.auth.SigV4QueryAuth(credentials, "execute-api", "us-east-1", expires=60).add_auth(request)
    split = urllib.parse.urlsplit(request.url)
    target = request.url[len(f"http://{split.netloc}"):]
    sent = [("Host", base.netloc), *request.headers.items()]
    return Request(method, target, sent, body)


@contextlib.contextmanager
def gateway(world):
    with tempfile.TemporaryDirectory(prefix="conformance-signatures-") as folder:
        document = os.path.join(folder, "signatures.json")
        with open(document, "w", encoding="utf-8") as file:
            json.dump(DOCUMENT, file)
        with callers.guarded(world, document, "v1") as api:
            yield api


def expect(api, request, wanted, what):
    found = request.verdict(api)
    if found != wanted:
        raise AssertionError(f"{what}: {request}: found {found}, wanted {wanted}")


def good_signatures_of_odd_requests(world):
    with gateway(world) as api:
        for path in PATHS:
            for form in ("header", "query"):
                expect(api, signed(api, "GET", path, "", form=form), ACCEPTED, f"path in the {form} form")
        for query in QUERIES:
            for form in ("header", "query"):
                if form == "query" and query.count("a=") > 1:
                    continue  # botocore itself keeps one value of a repeated name when it presigns
                expect(api, signed(api, "GET", "x", query, form=form), ACCEPTED, f"query in the {form} form")
        for headers in HEADERS:
            expect(api, signed(api, "POST", "x", "", headers, b"{}"), ACCEPTED, "headers")
        for body in BODIES:
            for claims in (False, True):
                expect(api, signed(api, "PUT", "x", "", (), body, claims=claims), ACCEPTED, "body")
        for form in ("header", "query"):
            expect(api, signed(api, "GET", "x", "", keys=callers.SESSION_ANYWHERE, form=form), ACCEPTED, "session")


def spoilt_signatures(world):
    session = callers.SESSION_ANYWHERE
    with gateway(world) as api:
        def get(**how):
            return signed(api, "GET", "a%20b", "a=1&b=2", **how)

        expect(api, Request("GET", "/v1/x", [("Host", "h")], b""), MISSING, "nothing signed")
        expect(api, get(keys=(callers.CALLER[0], "another")), MISMATCH, "wrong secret")
        expect(api, get(keys=("AKIDOTHER", callers.CALLER[1])), INVALID_TOKEN, "unknown key")
        expect(api, get(keys=(*session[:2], "token")), INVALID_TOKEN, "wrong token")
        expect(api, get(keys=session[:2]), INVALID_TOKEN, "no token")
        expect(api, get(keys=(*callers.CALLER, "token")), INVALID_TOKEN, "a token of nobody")
        for age, wanted in ((290, ACCEPTED), (-290, ACCEPTED), (310, MISMATCH), (-310, MISMATCH)):
            expect(api, get(age=age), wanted, f"signed {age} s ago")
        for age, wanted in ((50, ACCEPTED), (65, MISMATCH), (3600, MISMATCH), (-310, MISMATCH)):
            expect(api, get(age=age, form="query"), wanted, f"presigned for 60 s, {age} s ago")
        replayed = get(age=65, form="query")
        longer = Request("GET", replayed.target.replace("Expires=60", "Expires=600"), replayed.headers, b"")
        expect(api, longer, MISMATCH, "an expiry moved on")
        flipped = get().changed("authorization", lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"))
        expect(api, flipped, MISMATCH, "a digit of the signature")
        unsigned = get().changed("authorization", lambda value: value.replace("SignedHeaders=host;", "SignedHeaders="))
        expect(api, unsigned, MISMATCH, "an unsigned host")
        other_host = get().changed("host", lambda value: "other.example")
        expect(api, other_host, MISMATCH, "another host")
        dated = get().changed("x-amz-date", lambda value: value[:-2] + ("1Z" if value[-2] != "1" else "2Z"))
        expect(api, dated, MISMATCH, "another second")
        again = get()
        again.headers.append(next(pair for pair in again.headers if pair[0] == "Authorization"))
        if again.verdict(api) == ACCEPTED:
            raise AssertionError("two Authorization fields were accepted")
        extra = get()
        extra.headers.append(("X-Unsigned", "a"))
        expect(api, extra, ACCEPTED, "an unsigned header more")
        for claims in (False, True):
            for size in (1, 300_000):
                put = signed(api, "PUT", "x", "", (), b"x" * size, claims=claims)
                for body in (b"x" * (size - 1) + b"y", b"x" * (size - 1), b"x" * (size + 1), b""):
                    spoilt = Request(put.method, put.target, put.headers, body)
                    expect(api, spoilt, MISMATCH, f"another body, {size} bytes, claims: {claims}")
        claim = signed(api, "PUT", "x", "", (), b"x", claims=True)
        lie = claim.changed("x-amz-content-sha256", lambda value: hashlib.sha256(b"y").hexdigest())
        expect(api, Request("PUT", lie.target, lie.headers, b"y"), MISMATCH, "another claim with its body")


def spoil(chance, request):
    """A change of something that was signed, and what it is; headers that were folded to the same stay the same."""
    path, _, query = request.target.partition("?")
    kind = chance.choice(("method", "path", "query", "header", "body", "drop"))
    custom = [index for index, (name, _) in enumerate(request.headers) if name.startswith("X-C")]
    if kind == "method":
        changed = {"GET": "DELETE", "DELETE": "GET", "PUT": "POST", "POST": "PUT"}[request.method]
        return Request(changed, request.target, request.headers, request.body), kind
    if kind == "path":
        return Request(request.method, path + "x" + ("?" + query if query else ""), request.headers, request.body), kind
    if kind == "body":
        return Request(request.method, request.target, request.headers, request.body + b"x"), kind
    if kind == "header" and custom:
        headers = list(request.headers)
        index = chance.choice(custom)
        headers[index] = (headers[index][0], headers[index][1] + "x")
        return Request(request.method, request.target, headers, request.body), kind
    if kind == "drop" and custom:
        headers = list(request.headers)
        del headers[chance.choice(custom)]
        return Request(request.method, request.target, headers, request.body), kind
    return Request(request.method, f"{path}?{query}{'&' if query else ''}z=1", request.headers, request.body), "query"


def random_request(chance, api):
    characters = "abcXYZ019-._~ %+/:@=,;!$&'()*\u00e9\u2713\"<>[]{}|^`\\#?"
    def text(longest):
        return "".join(chance.choice(characters) for _ in range(chance.randint(1, longest)))

    segments = [urllib.parse.quote(text(8), safe=chance.choice(("", "~", "-._~:@!$&'()*,;="))) for _ in range(chance.randint(1, 3))]
    pairs = {text(4): text(6) for _ in range(chance.randint(0, 4))}
    query = "&".join(
        f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}" for name, value in pairs.items()
    )
    blanks = lambda: " " * chance.randint(0, 3)
    headers = [
        ("X-C" + chance.choice("abc"), f"{blanks()}v{blanks()}{chance.randint(0, 99)}{blanks()}")
        for _ in range(chance.randint(0, 3))
    ]
    method = chance.choice(("GET", "PUT", "POST", "DELETE"))
    form = chance.choice(("header", "header", "query"))
    # Presigned by botocore: without a body, as it signs the empty one.
    body = b"" if form == "query" or method in ("GET", "DELETE") else chance.randbytes(chance.randint(0, 2000))
    keys = chance.choice((callers.CALLER, callers.SESSION_ANYWHERE))
    claims = form == "header" and chance.random() < 0.3
    return signed(api, method, "/".join(segments), query, headers, body, keys, form, claims=claims)


def random_signatures_and_one_change(world):
    """Half of the requests as they are, half with one change of what was signed; the seed is in the failure."""
    with gateway(world) as api:
        for number in range(CASES):
            chance = random.Random(number)
            request = random_request(chance, api)
            if number % 2 == 0:
                expect(api, request, ACCEPTED, f"seed {number}")
            else:
                request, kind = spoil(chance, request)
                expect(api, request, MISMATCH, f"seed {number}, another {kind}")


CHECKS = (good_signatures_of_odd_requests, spoilt_signatures, random_signatures_and_one_change)

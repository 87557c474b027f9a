"""Plays the cases and prints what came beside what was wanted."""

import collections
import traceback

import frame_cases
import http_cases
from frames import END_STREAM, DATA, END_HEADERS, Connection, frame, headers
from outcome import observed
from authority import NAME

OBJECT = bytes(number % 251 for number in range(1_000))


def fields(base, method, name, *more):
    return [(":method", method), (":scheme", "https"), (":authority", NAME), (":path", base + name), *more]


def get_of(base, name="conformance"):
    return fields(base, "GET", name, ("accept", "application/octet-stream"))


def put_of(base):
    def put(length, name="uploaded"):
        more = [("content-type", "application/octet-stream")] + ([("content-length", length)] if length is not None else [])
        return fields(base, "PUT", name, *more)

    return put


def put_object(server, authority, name, body):
    with Connection(server.port, authority) as connection:
        connection.send(headers(1, put_of(server.base)(str(len(body)), name), END_HEADERS))
        pieces = [body[at:at + 16_384] for at in range(0, len(body), 16_384)]
        last = len(pieces) - 1
        connection.upload(1, [frame(DATA, END_STREAM if at == last else 0, 1, piece) for at, piece in enumerate(pieces)])
        answer = connection.until(lambda event: event[0] == "answer" and event[2] != "100")
        assert answer and answer[2] == "200", connection.events


def status_of(server, authority, name):
    with Connection(server.port, authority) as connection:
        connection.send(headers(1, get_of(server.base, name)))
        return connection.until(lambda event: event[0] == "answer")[2]


def run(server, authority, only, report):
    put_object(server, authority, "conformance", OBJECT)
    get, put = get_of(server.base), put_of(server.base)
    counts = collections.Counter()
    for case in frame_cases.cases(get, put) + http_cases.cases(get, put):
        if only and only not in case.name:
            continue
        try:
            outcome = observed(case, server.port, authority, get)
            told, is_right = str(outcome), case.want.test(outcome)
        except Exception:  # a case that breaks off must not hide the others
            told, is_right = traceback.format_exc(), False
        verdict = "ok" if is_right else "FAILED"
        if not is_right and case.deviates and told.startswith(case.deviates[0]) and "not closed" not in told:
            verdict = "deviates"
        elif is_right and case.deviates:
            verdict, told = "FAILED", f"{told}: no deviation any more, strike it"
        counts[verdict] += 1
        print(f"{verdict:9} {case.section:6} {case.name}: {told}" + ("" if verdict == "ok" else f" (wanted: {case.want.text})"), flush=True)
        if verdict == "deviates":
            print(f"{'':17}{case.deviates[1]}")
    print(f"conformance: {counts['ok']} as RFC 9113 has it, {counts['deviates']} deviate as listed, {counts['FAILED']} failed")
    report("nothing that was refused became an object", lambda: absent(server, authority))
    return counts["FAILED"]


def absent(server, authority):
    status = status_of(server, authority, "absent")
    assert status in ("404", "400"), status
    assert status_of(server, authority, "uploaded") == "200"

"""What a peer made of some frames, and what it may make of them."""

import dataclasses
import time

from frames import WAIT_S, Connection, Ended, headers

# Its stream is above those of all cases.
PROBE = 2001
CLOSE_WAIT_S = 5


@dataclasses.dataclass
class Outcome:
    goaway: str | None = None
    closed: bool = False
    resets: dict = dataclasses.field(default_factory=dict)
    answers: dict = dataclasses.field(default_factory=dict)
    late: bool = False

    def __str__(self):
        told = [f"GOAWAY {self.goaway}"] if self.goaway else []
        told += [f"RST_STREAM {code}" for stream, code in sorted(self.resets.items())]
        told += [f"answer {status}" for stream, status in sorted(self.answers.items()) if stream != PROBE]
        if self.goaway and not self.closed:
            told.append("not closed")
        if self.closed and not self.goaway:
            told.append("closed")
        if self.late:
            told.append("silence")
        return ", ".join(told) or "ignored"

    def probe_is_served(self):
        return self.answers.get(PROBE) == "200"


@dataclasses.dataclass
class Case:
    """`play` is bytes to send, or what is done with the connection. `waits` is the stream whose answer ends the case beside the probe's.
    `deviates` is how the outcome begins that is known to be another, and why that is left so."""

    section: str
    name: str
    play: object
    want: object
    deviates: tuple | None = None
    waits: int | None = None
    greet: bool = True
    settings: tuple = ()
    has_probe: bool = True


def observed(case, port, authority, probe):
    """Plays a case on a connection of its own; a request that is right follows it as a probe."""
    with Connection(port, authority, case.greet, case.settings) as connection:
        if callable(case.play):
            case.play(connection)
        else:
            connection.send(case.play)
        if case.has_probe:
            connection.send(headers(PROBE, probe))
        # Without it the end of the connection is waited for.
        return watched(connection, {PROBE} | ({case.waits} if case.waits else set()))


def watched(connection, open_streams):
    outcome, seen, until = Outcome(), 0, time.monotonic() + WAIT_S
    while True:
        for event in connection.events[seen:]:
            if event[0] == "GOAWAY" and event[2] != "NO_ERROR":
                outcome.goaway = event[2]
                outcome.closed = connection.is_closed(CLOSE_WAIT_S)
                note(outcome, connection.events)
                return outcome
            if event[0] == "end" or (event[0] == "RST_STREAM" and event[2] != "NO_ERROR"):
                open_streams.discard(event[1])
        note(outcome, connection.events)
        seen = len(connection.events)
        if not open_streams:
            return outcome
        try:
            connection.next(max(0.001, until - time.monotonic()))
        except Ended:
            outcome.closed = True
            if len(connection.events) == seen:
                return outcome
        except TimeoutError:
            outcome.late = True
            return outcome


def note(outcome, events):
    for event in events:
        if event[0] == "RST_STREAM" and event[2] != "NO_ERROR":
            outcome.resets[event[1]] = event[2]
        if event[0] == "answer" and not event[2].startswith("1"):
            outcome.answers[event[1]] = event[2]


class Wanted:
    def __init__(self, text, test):
        self.text, self.test = text, test


def is_connection_error(outcome, codes):
    return outcome.closed and (outcome.goaway is None or outcome.goaway in codes)


def connection_error(*codes):
    """GOAWAY with one of the codes and the end; it may be left out (RFC 9113 §5.4.1)."""
    return Wanted(f"GOAWAY {' or '.join(codes)}, or closed", lambda outcome: is_connection_error(outcome, codes))


def stream_error(*codes, stream=1):
    """RST_STREAM with one of the codes, or the same for the connection (§5.4.2 leaves that open)."""
    def test(outcome):
        return outcome.resets.get(stream) in codes and outcome.probe_is_served() or is_connection_error(outcome, codes)

    return Wanted(f"RST_STREAM {' or '.join(codes)}", test)


def malformed(stream=1):
    """A stream error, or before it an answer that refuses (§8.1.1)."""
    def test(outcome):
        refused = outcome.answers.get(stream, "").startswith("4")
        is_reset = outcome.resets.get(stream) == "PROTOCOL_ERROR" and outcome.answers.get(stream) is None
        return (refused or is_reset) and outcome.probe_is_served() or is_connection_error(outcome, ["PROTOCOL_ERROR"])

    return Wanted("RST_STREAM PROTOCOL_ERROR, or 4xx", test)


def served(stream=1, status="200"):
    def test(outcome):
        return outcome.answers.get(stream) == status and outcome.probe_is_served() and not (outcome.resets or outcome.goaway or outcome.late)

    return Wanted(f"answer {status}", test)


def ignored():
    def test(outcome):
        return outcome.probe_is_served() and not (outcome.resets or outcome.goaway or outcome.late)

    return Wanted("ignored", test)


def answered_then_closed(stream=1):
    def test(outcome):
        return outcome.answers.get(stream) == "200" and outcome.closed and not (outcome.resets or outcome.goaway)

    return Wanted("answer 200, then closed", test)


def either(*wants):
    return Wanted("; or ".join(want.text for want in wants), lambda outcome: any(want.test(outcome) for want in wants))

"""The cells of loadtests/matrix, read from cells.toml: what is asked of whom, and what must come of it. An error names file, cell and key."""

import dataclasses
import tomllib

OURS = ("sidecar", "serve", "serve-wrapped")
PEERS = ("relay", "relay-splice", "haproxy", "nginx", "envoy", "envoy-hash", "envoy-lua", "pingora")
SUBJECTS = OURS + PEERS
# What a group's table shows of each of its cells.
SHOWN = ("cpu_us", "cpu_s_per_gb", "latency_us", "memory")
MIXES = ("get", "get-json", "put")
# Objectives that stand beside another subject of the cell in the same round, and those that stand alone.
RATIOS = {"cpu_x": "cpu_us", "p50_x": "p50_us", "p99_x": "p99_us"}
PLAIN = {"cpu_s_per_gb": "CPU-s/GB", "rss_mb": "MB", "kib_each": "KiB"}
OBJECT_BYTES_MAX = 100 * 1024 * 1024
CONNECTIONS_MAX = 20_000
RATE_MAX = 1_000_000


class CellError(Exception):
    """A cell that is not as it must be."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """At most `limit` of a metric; of its ratio to `beside` if that is given."""

    metric: str
    limit: float
    beside: str | None = None

    @property
    def key(self):
        return f"{self.metric}.{self.beside}" if self.beside else self.metric

    def __str__(self):
        names = {"cpu_x": "CPU", "p50_x": "p50", "p99_x": "p99", "rss_mb": "resident memory", "kib_each": "memory of a connection"}
        name = names.get(self.metric, "CPU")
        return f"{name} x {self.beside}" if self.beside else f"{name}, {PLAIN[self.metric]}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One measurement. `mix` is None where connections only rest."""

    name: str
    title: str
    ours: str
    mix: str | None
    bytes: int
    connections: int
    rate: int
    headers: tuple
    signs: bool
    peers: tuple
    objectives: tuple
    short: bool

    @property
    def subjects(self):
        return (self.ours, *self.peers)


@dataclasses.dataclass(frozen=True)
class Group:
    """Cells that share a table."""

    title: str
    shows: str
    beside: tuple
    cells: tuple


@dataclasses.dataclass(frozen=True)
class Matrix:
    """All of a file: its groups, and the scenarios of loadtests/run that must hold as well."""

    groups: tuple
    scenarios: tuple

    @property
    def cells(self):
        return [cell for group in self.groups for cell in group.cells]

    def chosen(self, names):
        """With only the cells and scenarios of these names, in the file's order."""
        known = [*(cell.name for cell in self.cells), *self.scenarios]
        for name in names:
            if name not in known:
                raise CellError(f"no cell '{name}'; there are {', '.join(known)}")
        kept = [dataclasses.replace(group, cells=tuple(cell for cell in group.cells if cell.name in names)) for group in self.groups]
        scenarios = tuple(name for name in self.scenarios if name in names)
        return Matrix(tuple(group for group in kept if group.cells), scenarios)


def read(path):
    """What a file says."""
    try:
        document = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise CellError(f"{path.name}: {fault}") from fault
    except OSError as fault:
        raise CellError(f"{path.name}: {fault.strerror}") from fault
    top = Table(document, path.name)
    scenarios = top.choices("scenarios", sorted(scenario.stem for scenario in (path.parent / "scenarios").glob("*.toml")))
    matrix = Matrix(tuple(group_of(table) for table in top.tables("group")), scenarios)
    top.done()
    seen = set(scenarios)
    for cell in matrix.cells:
        if cell.name in seen:
            raise CellError(f"{path.name}: cell {cell.name}: there are two of this name")
        seen.add(cell.name)
    return matrix


class Table:
    """A table of the file whose keys are taken one by one; what is left at the end is unknown."""

    def __init__(self, values, where):
        self.values, self.where = dict(values), where

    def fault(self, key, wanted):
        return CellError(f"{self.where}: {key}: {wanted}")

    def take(self, key, kind, default=None):
        value = self.values.pop(key, default)
        if value is None:
            raise self.fault(key, "is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fault(key, f"{value!r} is no {kind.__name__}")
        return value

    def text(self, key):
        value = self.take(key, str)
        if not value.strip() or "\n" in value or "|" in value:
            raise self.fault(key, "wanted one line of text without |")
        return value

    def choice(self, key, known, default=None):
        value = self.take(key, str, default)
        if value not in known:
            raise self.fault(key, f"'{value}' is none of {', '.join(known)}")
        return value

    def count(self, key, least, most, default=None):
        value = self.take(key, int, default)
        if not least <= value <= most:
            raise self.fault(key, f"{value} is not within {least} to {most}")
        return value

    def choices(self, key, known):
        values = self.take(key, list, [])
        for value in values:
            if value not in known:
                raise self.fault(key, f"{value!r} is none of {', '.join(known)}")
        if len(set(values)) < len(values):
            raise self.fault(key, "names something twice")
        return tuple(values)

    def tables(self, key):
        values = self.take(key, list)
        if not values or not all(isinstance(value, dict) for value in values):
            raise self.fault(key, f"wanted one [[{key}]] at least")
        return [Table(value, f"{self.where}: {key} {number}") for number, value in enumerate(values, 1)]

    def done(self):
        for key in self.values:
            raise self.fault(key, "unknown key")


def group_of(table):
    title = table.text("title")
    table.where = f"{table.where} '{title}'"
    shows = table.choice("shows", SHOWN)
    beside = table.choices("beside", SUBJECTS)
    cells = tuple(cell_of(cell, shows) for cell in table.tables("cell"))
    table.done()
    return Group(title, shows, beside, cells)


def cell_of(table, shows):
    name = table.text("name")
    table.where = f"{table.where.split(':')[0]}: cell {name}"
    ours = table.choice("ours", OURS)
    peers = table.choices("peers", SUBJECTS)
    if ours in peers:
        raise table.fault("peers", f"'{ours}' is what the cell measures")
    rests = shows == "memory"
    cell = Cell(
        name=name,
        title=table.text("title"),
        ours=ours,
        mix=None if rests else table.choice("mix", MIXES),
        bytes=table.count("bytes", 1, OBJECT_BYTES_MAX),
        connections=table.count("connections", 1, CONNECTIONS_MAX),
        rate=0 if rests else table.count("rate", 0, RATE_MAX),
        headers=headers_of(table),
        signs=table.take("signs", bool, False),
        peers=peers,
        objectives=objectives_of(table, peers),
        short=table.take("short", bool, False),
    )
    table.done()
    return cell


def headers_of(table):
    headers = table.take("headers", list, [])
    for header in headers:
        if not isinstance(header, str) or ":" not in header or "\n" in header:
            raise table.fault("headers", f"{header!r} is no 'Name: value'")
    return tuple(headers)


def objectives_of(table, peers):
    found = []
    for metric, value in table.take("at_most", dict, {}).items():
        key = f"at_most.{metric}"
        if metric in RATIOS:
            if not isinstance(value, dict) or not value:
                raise table.fault(key, f"wanted {metric}.PEER = RATIO")
            for peer, limit in value.items():
                if peer not in peers:
                    raise table.fault(f"{key}.{peer}", "is none of the cell's peers")
                found.append(Objective(metric, limit_of(table, f"{key}.{peer}", limit), peer))
        elif metric in PLAIN:
            found.append(Objective(metric, limit_of(table, key, value)))
        else:
            raise table.fault(key, f"unknown objective; there are {', '.join([*RATIOS, *PLAIN])}")
    return tuple(found)


def limit_of(table, key, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        raise table.fault(key, f"{value!r} is no number above 0")
    return float(value)

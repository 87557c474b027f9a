"""What loadtests/matrix makes of its rounds: medians, ratios within a round, tables, objectives, and the text of the docs."""

import json
import statistics

from cells import RATIOS
from measure import OTHERS_SHARE_MAX
from peers import DOES

BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"
# Of the files of `--json`; it grows when a key changes its meaning.
VERSION = 1
# A median above an objective is told as a miss where this share of the rounds is above it: below, another run could tell the opposite.
MISSED_SHARE_MIN = 0.75
# What a table's first header cell says of its numbers, after the ratios; memory has none.
UNITS = {
    "cpu_us": "µs of CPU a request",
    "cpu_s_per_gb": "CPU-s/GB, peak MB",
    "latency_us": "p50 / p99 in µs, µs of CPU a request",
    "memory": "MB at rest, KiB each",
}
FORMATS = {
    "cpu_us": "{cpu_us:.1f}",
    "cpu_s_per_gb": "{cpu_s_per_gb:.2f}, {rss_mb:.0f}",
    "latency_us": "{p50_us:.0f} / {p99_us:.0f}, {cpu_us:.0f}",
    "memory": "{rss_mb:.1f}, {kib_each:.2f}",
}
SPOILT = "*"
NOT_KEPT_UP = "†"
DIALS = "‡"
NOTES = {
    SPOILT: "in every round something else used a CPU",
    NOT_KEPT_UP: "less than the rate was done",
    DIALS: "it opened connections to the store again and again",
}


class Rounds:
    """The figures of all rounds. Those in which something else used a CPU count only where there are no others."""

    def __init__(self, rows):
        self.rows = [row for row in rows if not row.get("failed")]
        self.failed = [row for row in rows if row.get("failed") or row.get("errors")]

    def of(self, cell, subject):
        rows = [row for row in self.rows if row["cell"] == cell.name and row["subject"] == subject]
        return [row for row in rows if not is_spoilt(row)] or rows

    def values(self, cell, subject, metric):
        return [row[metric] for row in self.of(cell, subject)]

    def ratios(self, cell, subject, beside, metric):
        """Within each round that both have, so that a slow minute of the machine touches both sides."""
        theirs = {row["round"]: row[metric] for row in self.of(cell, beside)}
        return [row[metric] / theirs[row["round"]] for row in self.of(cell, subject) if theirs.get(row["round"])]

    def median(self, cell, subject, metric):
        return middle(self.values(cell, subject, metric))

    def ratio(self, cell, subject, beside, metric):
        return middle(self.ratios(cell, subject, beside, metric))

    def marks(self, cell, subject):
        rows = self.of(cell, subject)
        spoilt = SPOILT if rows and all(map(is_spoilt, rows)) else ""
        not_kept_up = NOT_KEPT_UP if not all(row.get("kept_up", True) for row in rows) else ""
        return spoilt + not_kept_up + (DIALS if not all(row.get("keeps_upstream", True) for row in rows) else "")


def middle(values):
    return statistics.median(values) if values else None


def is_spoilt(row):
    return row.get("others", 0) > OTHERS_SHARE_MAX


def table(group, rounds):
    """A Markdown table: a row for each subject, a column for each cell."""
    ratios = " (".join(f"x {name}" for name in group.beside) + ")" * (len(group.beside) - 1)
    compared = "p99 " if group.shows == "latency_us" else ""
    corner = f"{compared}{ratios}; {UNITS[group.shows]}" if group.beside else UNITS[group.shows]
    lines = ["| " + " | ".join([corner, *(cell.title for cell in group.cells)]) + " |", "|---" * (len(group.cells) + 1) + "|"]
    marks = set()
    for label, of_cell in subjects_of(group, rounds):
        texts = []
        for cell in group.cells:
            subject = of_cell.get(cell.name)
            texts.append(figure(group, cell, subject, rounds) if subject else "")
            marks |= set(rounds.marks(cell, subject)) if subject else set()
        lines.append("| " + " | ".join([label, *texts]) + " |")
    lines += ["", "; ".join(f"`{mark}` {NOTES[mark]}" for mark in sorted(marks)) + "."] if marks else []
    return "\n".join(lines)


def subjects_of(group, rounds):
    """Labels of rows and, for each cell, the subject whose figures stand in it; ours first, under one label."""
    found = {"**sluicegate**": {cell.name: cell.ours for cell in group.cells}}
    for cell in group.cells:
        for peer in cell.peers:
            if rounds.of(cell, peer):
                found.setdefault(f"{peer} ({DOES[peer]})", {})[cell.name] = peer
    return found.items()


def figure(group, cell, subject, rounds):
    metric = {"latency_us": "p99_us"}.get(group.shows, group.shows)
    rows = rounds.of(cell, subject)
    if not rows:
        return "–"
    values = {key: rounds.median(cell, subject, key) for key, value in rows[0].items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    text = FORMATS[group.shows].format(**values)
    ratios = [rounds.ratio(cell, subject, beside, metric) for beside in group.beside]
    told = ["–" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
    if any(ratio is not None for ratio in ratios):
        text = " (".join(told) + ")" * (len(told) - 1) + f"; {text}"
    return text + rounds.marks(cell, subject)


def measured(cell, rounds, objective):
    """What each round says of an objective; nothing where a side is missing."""
    if objective.beside:
        return rounds.ratios(cell, cell.ours, objective.beside, RATIOS[objective.metric])
    return rounds.values(cell, cell.ours, objective.metric)


def verdict_of(values, limit):
    """By the median. One above the limit is called a miss if most rounds are above it as well; reached it is in neither case."""
    if not values:
        return "not measured"
    above = sum(value > limit for value in values)
    if middle(values) <= limit:
        return "reached"
    return "**missed**" if above >= MISSED_SHARE_MIN * len(values) else f"not told apart: above in {above} of {len(values)} rounds"


def objectives_table(matrix, rounds, wanted):
    """The table of all objectives that `wanted` picks and of all scenarios, and whether none of those that were measured was not reached."""
    lines, all_reached = ["| cell | objective | at most | measured (lowest to highest round) | |", "|---|---|---|---|---|"], True
    for cell in matrix.cells:
        for objective in filter(wanted, cell.objectives):
            values = measured(cell, rounds, objective)
            verdict = verdict_of(values, objective.limit)
            told = f"{middle(values):.2f}" + doubt(cell, rounds, objective) if values else ""
            told += f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
            lines.append(f"| {cell.name} | {objective} | {objective.limit:g} | {told} | {verdict} |")
            all_reached &= verdict in ("reached", "not measured")
    for name in matrix.scenarios:
        rows = [row for row in rounds.rows if row["cell"] == name]
        verdict = "not run" if not rows else "**missed**" if any(row["errors"] for row in rows) else "reached"
        lines.append(f"| {name} | `loadtests/run {name}` | | | {verdict} |")
    return "\n".join(lines), all_reached


def doubt(cell, rounds, objective):
    """The mark of a figure of which one side was disturbed in every round; memory is what it is on a busy machine too."""
    sides = [cell.ours, objective.beside] if objective.beside else [cell.ours]
    disturbed = any(SPOILT in rounds.marks(cell, side) for side in sides)
    return SPOILT if disturbed and objective.metric not in ("rss_mb", "kib_each") else ""


def faults(failed):
    """One line for each row of a subject that failed requests, or did not run."""
    return [
        f"{row['cell']}, {row['subject']}, round {row['round']}: "
        + (row.get("failed") or f"{row['errors']} of {row['requests']} failed: {'; '.join(row['faults'])}")
        for row in failed
    ]


def whole(matrix, rounds, wanted):
    """All tables, and whether every objective that was measured was reached and no request failed."""
    objectives, all_reached = objectives_table(matrix, rounds, wanted)
    parts = [f"**{group.title}**\n\n{table(group, rounds)}" for group in matrix.groups]
    names = {*(cell.name for cell in matrix.cells), *matrix.scenarios}
    failed = [row for row in rounds.failed if row["cell"] in names]
    parts += [f"**Objectives**\n\n{objectives}", *faults(failed)]
    return "\n\n".join(parts), all_reached and not failed


class NoRuns(Exception):
    """A file that no run of this version has written."""


def runs_of(path):
    """The runs that a `--json` has written."""
    try:
        written = json.loads(path.read_text())
        if written["version"] == VERSION:
            return written["runs"]
    except OSError as fault:
        raise NoRuns(f"{path.name}: {fault.strerror}") from fault
    except (ValueError, KeyError, TypeError):
        pass
    raise NoRuns(f"{path.name}: no rounds of version {VERSION}")


def rounds_of(runs):
    """All rounds. Those of different runs keep apart, as ratios are of one run."""
    return Rounds([row | {"round": f"{number}.{row['round']}"} for number, run in enumerate(runs, 1) for row in run["rows"]])


def heading(runs):
    """By which commands the figures were made, when and on what; each fact once."""
    once = lambda key: ", ".join(dict.fromkeys(run[key] for run in runs))
    brought = ", ".join(dict.fromkeys(peer for run in runs for peer in run["peers"]))
    commands = "\n".join(dict.fromkeys(run["command"] for run in runs))
    facts = f"{once('date')}; {once('program')}; {once('cpu')}, Linux {once('kernel')}; {brought or 'no peers'}"
    return f"```\n{commands}\n```\n\n{facts}. Medians of the rounds."


class MarkersMissing(Exception):
    """A page without the two markers, each once and in order."""


def with_tables(page, text):
    """The page with the text between its two markers in place of what was there."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise MarkersMissing(f"wanted {BEGIN} and, below it, {END}, each once")
    return page[: page.index(BEGIN) + len(BEGIN)] + f"\n{text.strip()}\n" + page[page.index(END) :]

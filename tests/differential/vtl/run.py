#!/usr/bin/env python3
"""Renders the vectors and generated templates with our engine and with a reference; tells what differs. See README.md."""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import templates

ROOT = pathlib.Path(__file__).resolve().parents[3]
VECTORS = [ROOT / "tests/vectors" / name for name in ("vtl.json", "vtl-differential.json")]
# the reference's own JSON reader takes more objects than some 400 for an attack
BATCH_ROWS = 20
SECONDS_MAX = 600


def reference(oracle, rows):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(rows, file)
        file.flush()
        run = subprocess.run([oracle / "run.sh", file.name], stdout=subprocess.PIPE, text=True, timeout=SECONDS_MAX, check=True)
    return json.loads(run.stdout)


def ours(rows):
    command = ["cargo", "run", "--quiet", "--locked", "--example", "vtl-render"]
    run = subprocess.run(command, cwd=ROOT, input=json.dumps(rows), stdout=subprocess.PIPE, text=True, timeout=SECONDS_MAX, check=True)
    return json.loads(run.stdout)


def same(row, theirs, mine):
    if "error" in theirs or "error" in mine:
        return ("error" in theirs) == ("error" in mine)
    if any(theirs[name] != mine[name] for name in ("requestOverride", "responseOverride")):
        return False
    if theirs["output"] == mine["output"]:
        return True
    if row.get("compare") != "json":
        return False
    return json.loads(theirs["output"]) == json.loads(mine["output"])


# Why a result may differ: what the template or its result holds. README.md has the reasons.
JSON_TOO_OLD = "JSONPath: [-1], length()"
NUMBER_AS_JSON = "$input.json of a number or a boolean"
BODY_IS_NO_JSON = "a body that is no JSON"
PARSE_JSON = "$util.parseJson of what is no JSON"
CLASS = ".class"
CLASS_CAST = "compareTo of numbers of other classes"
REFUSED = "refused by the reference's lexer or grammar alone"


def cause(row, theirs, mine):
    """The known cause of a difference, or None."""
    refusal = theirs.get("error", "")
    if refusal.startswith("ParseErrorException"):
        return REFUSED if "error" not in mine else None
    if "can not be converted to JSON" in refusal:
        return NUMBER_AS_JSON
    if "cannot be cast to" in refusal and "compareTo" in refusal:
        return CLASS_CAST
    if mine.get("error") == "BadJson":
        return PARSE_JSON
    if not is_json(row.get("body") or "{}") and ("$input.path(" in row["template"] or "$input.json(" in row["template"]):
        return BODY_IS_NO_JSON
    if "[-1]" in row["template"] or "$.l.length()" in row["template"]:
        return JSON_TOO_OLD
    if ".class" in row["template"]:
        return CLASS
    return None


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def vector_rows():
    rows = []
    for path in VECTORS:
        # those that AWS or a decision sets apart from the reference are checked by `cargo test` alone
        vectors = json.loads(path.read_text("utf-8"))["vectors"]
        rows += [vector for vector in vectors if vector.get("source") == "engine"]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle", type=pathlib.Path, required=True, help="folder with the reference's run.sh")
    parser.add_argument("--count", type=int, default=2000, help="generated templates")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="show those of a known cause as well")
    parser.add_argument("--keep", type=pathlib.Path, help="write what differs, with the reference's result, as vectors")
    arguments = parser.parse_args()
    rows = vector_rows() + templates.rows(arguments.seed, arguments.count)
    differing, refused = [], 0
    batches = [rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS)]
    referenced = [theirs for batch in batches for theirs in reference(arguments.oracle, batch)]
    for row, theirs, mine in zip(rows, referenced, ours(rows), strict=True):
        refused += "error" in theirs
        if not same(row, theirs, mine):
            differing.append((row, theirs, mine))
    causes, unexplained = collections.Counter(), 0
    for row, theirs, mine in differing:
        known = cause(row, theirs, mine)
        causes[known] += known is not None
        unexplained += known is None
        if known is None or arguments.all:
            print(f"--- {row['name']}: {row['template']!r} on {row.get('body')!r}\n reference: {theirs}\n ours:      {mine}")
    for known, count in causes.most_common():
        if count:
            print(f"{count:4} {known}")
    if arguments.keep:
        kept = [{**row, "source": "engine", "compare": "exact", "expect": theirs} for row, theirs, _ in differing]
        arguments.keep.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    print(f"{len(rows)} templates, {refused} of them refused by the reference, {len(differing)} differ, {unexplained} for no known cause")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

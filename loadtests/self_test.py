#!/usr/bin/env python3
"""What loadtests/matrix makes of its file of cells and of its figures, without a server. CI runs it."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import cells
import measure
import peers
import report

HERE = pathlib.Path(__file__).resolve().parent
GOOD = """
[[group]]
title = "G"
shows = "cpu_us"
beside = ["relay"]
[[group.cell]]
name = "a"
title = "A"
ours = "sidecar"
mix = "get"
bytes = 1024
connections = 64
rate = 0
peers = ["relay", "haproxy"]
at_most = { cpu_x.relay = 1.5, rss_mb = 24 }
"""


def read(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "cells.toml")
        path.write_text(text)
        return cells.read(path)


def row(subject, number, cpu, **more):
    figures = {"cell": "a", "subject": subject, "round": number, "errors": 0, "faults": [], "requests": 10, "cpu_us": cpu, "rss_mb": 20.0}
    return figures | {"others": 0.0, "kept_up": True} | more


class CellsAreRead(unittest.TestCase):
    def test_the_file_of_this_repository(self):
        matrix = cells.read(HERE / "cells.toml")
        self.assertIn("get-1k", [cell.name for cell in matrix.cells])
        self.assertTrue(any(cell.short for cell in matrix.cells))
        self.assertIn("ladder", matrix.scenarios)
        # What a table shows beside its figures, some cell must measure.
        for group in matrix.groups:
            for name in group.beside:
                self.assertTrue(any(name in cell.subjects for cell in group.cells), f"{group.title}: {name}")

    def test_a_good_one(self):
        (cell,) = read(GOOD).cells
        self.assertEqual(cell.subjects, ("sidecar", "relay", "haproxy"))
        self.assertEqual([objective.key for objective in cell.objectives], ["cpu_x.relay", "rss_mb"])

    def test_malformed_ones_are_refused_by_file_and_key(self):
        cases = [
            ("rate = 0", "rat = 0", "cells.toml: cell a: rate: is missing"),
            ("rate = 0", "rate = 0\ncolour = 1", "cells.toml: cell a: colour: unknown key"),
            ("rate = 0", "rate = -1", "cells.toml: cell a: rate: -1 is not within 0 to 1000000"),
            ("rate = 0", "rate = true", "cells.toml: cell a: rate: True is no int"),
            ("bytes = 1024", "bytes = 104857601", "cell a: bytes: 104857601 is not within"),
            ("connections = 64", "connections = 0", "cell a: connections: 0 is not within"),
            ('mix = "get"', 'mix = "gte"', "cell a: mix: 'gte' is none of get, get-json, put"),
            ('ours = "sidecar"', 'ours = "haproxy"', "cell a: ours: 'haproxy' is none of"),
            ('"haproxy"]', '"haproxyd"]', "cell a: peers: 'haproxyd' is none of"),
            ('"haproxy"]', '"relay"]', "cell a: peers: names something twice"),
            ('"haproxy"]', '"sidecar"]', "cell a: peers: 'sidecar' is what the cell measures"),
            ("cpu_x.relay", "cpu_x.nginx", "cell a: at_most.cpu_x.nginx: is none of the cell's peers"),
            ("cpu_x.relay = 1.5", "cpu_x = 1.5", "cell a: at_most.cpu_x: wanted cpu_x.PEER = RATIO"),
            ("rss_mb = 24", "rss = 24", "cell a: at_most.rss: unknown objective"),
            ("rss_mb = 24", "rss_mb = 0", "cell a: at_most.rss_mb: 0 is no number above 0"),
            ("rss_mb = 24", "rss_mb = nan", "cell a: at_most.rss_mb: nan is no number above 0"),
            ('title = "G"', 'title = "a|b"', "cells.toml: group 1: title: wanted one line"),
            ('title = "G"', 'title = "G"\nx = 1', "cells.toml: group 1 'G': x: unknown key"),
            ('shows = "cpu_us"', 'shows = "cpu"', "shows: 'cpu' is none of"),
            ("[[group]]", 'scenarios = ["x"]\n[[group]]', "cells.toml: scenarios: 'x' is none of"),
            ("[[group]]", "top = 1\n[[group]]", "cells.toml: top: unknown key"),
            ("[[group]]", "[[group]", "cells.toml: "),
        ]
        for found, put, told in cases:
            self.assertIn(found, GOOD)
            with self.subTest(put), self.assertRaises(cells.CellError) as refused:
                read(GOOD.replace(found, put))
            self.assertIn(told, str(refused.exception))

    def test_a_name_stands_once(self):
        with self.assertRaisesRegex(cells.CellError, "cell a: there are two of this name"):
            read(GOOD + GOOD)

    def test_some_are_chosen_in_the_order_of_the_file(self):
        matrix = read(GOOD + GOOD.replace('"a"', '"b"') + GOOD.replace('"a"', '"c"'))
        self.assertEqual([cell.name for cell in matrix.chosen(["c", "a"]).cells], ["a", "c"])
        with self.assertRaisesRegex(cells.CellError, "no cell 'd'; there are a, b, c"):
            matrix.chosen(["d"])


class AnswersHaveTheirLength(unittest.TestCase):
    def subject(self, name, mix, size):
        subject = object.__new__(peers.Subject)
        text = GOOD.replace('mix = "get"', f'mix = "{mix}"').replace("bytes = 1024", f"bytes = {size}")
        subject.name, (subject.cell,) = name, read(text).cells
        return subject

    def test_who_wraps_answers_with_base64(self):
        for name, mix, size, asked, answered in (
            ("sidecar", "get", 4, "get", 4),
            ("serve-wrapped", "get-json", 4, "get-json", len('{\n "image": "AAECAw=="\n}')),
            ("envoy-lua", "get-json", 3, "get", len('{\n "image": "AAEC"\n}')),
            ("sidecar", "get-json", 3, "get", 3),
            ("sidecar", "put", 4, "put", 0),
        ):
            with self.subTest(name):
                subject = self.subject(name, mix, size)
                self.assertEqual((subject.mix, subject.answer_bytes), (asked, answered))

    def test_another_length_is_a_failure(self):
        run = {"seconds": [{"requests": 2, "errors": 0, "bytes": 2048}, {"requests": 1, "errors": 0, "bytes": 1024}]}
        self.assertEqual(measure.wrong_lengths(self.subject("sidecar", "get", 1024), run), {})
        self.assertEqual(measure.wrong_lengths(self.subject("sidecar", "put", 1024), run), {})
        wrong = measure.wrong_lengths(self.subject("sidecar", "get", 1025), run)
        self.assertEqual(wrong, {"errors": 3, "faults": ["1024 bytes moved a request, not 1025"]})
        # Nothing answered is no success either.
        self.assertEqual(measure.wrong_lengths(self.subject("sidecar", "get", 1024), {"seconds": []})["errors"], 1)


class PeersAreThere(unittest.TestCase):
    def test_a_script_without_its_interpreter_is_not(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "peer")
            self.assertFalse(peers.runs(program))
            for text, wanted in (("#!/no/such/interpreter\n", False), ("#!/bin/sh\nexit 1\n", False), ("#!/bin/sh\n", True)):
                program.write_text(text)
                program.chmod(0o755)
                self.assertEqual(peers.runs(program), wanted, text)


class FiguresAreJudged(unittest.TestCase):
    def setUp(self):
        self.matrix = read(GOOD)
        (self.cell,) = self.matrix.cells

    def whole(self, rows, wanted=lambda objective: True):
        return report.whole(self.matrix, report.Rounds(rows), wanted)

    def test_a_ratio_is_of_one_round_and_the_middle_of_all(self):
        pairs = [(10, 10), (40, 20), (15, 10)]
        rows = [row(name, at, cpu) for at, pair in enumerate(pairs) for name, cpu in zip(("sidecar", "relay"), pair)]
        rounds = report.Rounds(rows)
        self.assertEqual(rounds.ratio(self.cell, "sidecar", "relay", "cpu_us"), 1.5)
        self.assertEqual(rounds.median(self.cell, "sidecar", "cpu_us"), 15)
        self.assertIsNone(rounds.ratio(self.cell, "sidecar", "haproxy", "cpu_us"))
        # A round that only one side has gives no ratio.
        self.assertEqual(report.Rounds([*rows, row("sidecar", 9, 900)]).ratio(self.cell, "sidecar", "relay", "cpu_us"), 1.5)

    def test_a_spoilt_round_counts_only_where_there_is_no_other(self):
        spoilt = row("sidecar", 1, 100, others=report.OTHERS_SHARE_MAX + 0.01)
        self.assertEqual(report.Rounds([spoilt, row("sidecar", 2, 10)]).median(self.cell, "sidecar", "cpu_us"), 10)
        self.assertEqual(report.Rounds([spoilt]).median(self.cell, "sidecar", "cpu_us"), 100)
        self.assertEqual(report.Rounds([spoilt]).marks(self.cell, "sidecar"), report.SPOILT)
        at_the_limit = row("sidecar", 1, 100, others=report.OTHERS_SHARE_MAX)
        self.assertEqual(report.Rounds([at_the_limit]).marks(self.cell, "sidecar"), "")

    def test_an_objective_is_reached_at_its_limit_and_missed_above(self):
        text, sound = self.whole([row("sidecar", 1, 15), row("relay", 1, 10)])
        self.assertTrue(sound, text)
        self.assertIn("| a | CPU x relay | 1.5 | 1.50 | reached |", text)
        text, sound = self.whole([row("sidecar", 1, 15.1), row("relay", 1, 10)])
        self.assertFalse(sound)
        self.assertIn("**missed**", text)
        busy = row("relay", 1, 10, others=1.0)
        self.assertIn("| a | CPU x relay | 1.5 | 1.50* | reached |", self.whole([row("sidecar", 1, 15), busy])[0])
        # The short form judges memory alone.
        _, sound = self.whole([row("sidecar", 1, 15.1), row("relay", 1, 10)], lambda objective: objective.metric == "rss_mb")
        self.assertTrue(sound)

    def test_rounds_that_disagree_are_told_as_such(self):
        for ratios, verdict, wanted in (
            ([1.4, 1.6, 1.6], "1.60 (1.40 to 1.60) | not told apart: above in 2 of 3 rounds |", False),
            ([1.4, 1.6, 1.6, 1.6], "1.60 (1.40 to 1.60) | **missed** |", False),
            ([1.6, 1.6, 1.6], "1.60 (1.60 to 1.60) | **missed** |", False),
            ([1.4, 1.5, 1.6], "1.50 (1.40 to 1.60) | reached |", True),
        ):
            rows = [row(name, at, cpu) for at, ratio in enumerate(ratios) for name, cpu in (("sidecar", ratio * 10), ("relay", 10))]
            text, sound = self.whole(rows)
            self.assertIn(f"| a | CPU x relay | 1.5 | {verdict}", text)
            self.assertEqual(sound, wanted)

    def test_a_peer_that_is_not_there_is_no_failure_and_no_success(self):
        text, sound = self.whole([row("sidecar", 1, 15)])
        self.assertTrue(sound)
        self.assertIn("| a | CPU x relay | 1.5 |  | not measured |", text)

    def test_failed_requests_fail_the_run(self):
        failures = {"errors": 2, "faults": ["2 x status 502"]}
        for rows in ([row("sidecar", 1, 10, **failures), row("relay", 1, 10)], [row("sidecar", 1, 10), row("relay", 1, 10, **failures)]):
            text, sound = self.whole(rows)
            self.assertFalse(sound)
            self.assertIn("round 1: 2 of 10 failed: 2 x status 502", text)
        text, sound = self.whole([{"cell": "a", "subject": "sidecar", "round": 1, "failed": "did not start"}])
        self.assertFalse(sound)
        self.assertIn("a, sidecar, round 1: did not start", text)

    def test_a_scenario_is_judged_as_it_ended(self):
        matrix = cells.Matrix((), ("ladder",))
        scenario = {"cell": "ladder", "subject": "demo", "round": 1, "requests": 6}
        for rows, verdict, wanted in (
            ([], "not run", True),
            ([scenario | {"errors": 0, "faults": []}], "reached", True),
            ([scenario | {"errors": 1, "faults": ["10,485,761 bytes stored"]}], "**missed**", False),
        ):
            text, sound = report.whole(matrix, report.Rounds(rows), lambda objective: True)
            self.assertIn(f"| ladder | `loadtests/run ladder` | | | {verdict} |", text)
            self.assertEqual(sound, wanted)

    def test_a_table_has_a_row_for_each_subject(self):
        rows = [row("sidecar", 1, 12), row("relay", 1, 10, kept_up=False, keeps_upstream=False)]
        text = report.table(self.matrix.groups[0], report.Rounds(rows))
        expected = [
            "| x relay; µs of CPU a request | A |",
            "|---|---|",
            "| **sluicegate** | 1.20; 12.0 |",
            "| relay (copies, reads nothing) | 1.00; 10.0†‡ |",
            "",
            "`†` less than the rate was done; `‡` it opened connections to the store again and again.",
        ]
        self.assertEqual(text.split("\n"), expected)


class RunsAreAdded(unittest.TestCase):
    def test_ratios_stay_within_a_run(self):
        runs = [{"rows": [row("sidecar", 1, 30), row("relay", 1, 20)]}, {"rows": [row("sidecar", 1, 50), row("relay", 1, 20)]}]
        (cell,) = read(GOOD).cells
        self.assertEqual(report.rounds_of(runs).ratio(cell, "sidecar", "relay", "cpu_us"), 2.0)

    def test_each_fact_is_told_once(self):
        run = {"command": "loadtests/matrix --rounds 3", "date": "2026-01-01", "program": "sluicegate 1", "cpu": "C", "kernel": "6", "peers": ["nginx 1"]}
        told = report.heading([run, run | {"command": "loadtests/matrix --cells a", "peers": ["nginx 1", "Envoy 2"]}])
        self.assertIn("```\nloadtests/matrix --rounds 3\nloadtests/matrix --cells a\n```", told)
        self.assertIn("2026-01-01; sluicegate 1; C, Linux 6; nginx 1, Envoy 2.", told)

    def test_another_file_is_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.json")
            for text in ("", "[]", "{}", '{"version": 0, "runs": []}', '{"version": 1}'):
                path.write_text(text)
                with self.subTest(text), self.assertRaisesRegex(report.NoRuns, "a.json: no rounds of version 1"):
                    report.runs_of(path)
            path.write_text('{"version": 1, "runs": [{"rows": []}]}')
            self.assertEqual(report.runs_of(path), [{"rows": []}])
            with self.assertRaisesRegex(report.NoRuns, "b.json: No such file"):
                report.runs_of(path.with_name("b.json"))


class TheDocsAreWritten(unittest.TestCase):
    def test_what_stands_between_the_markers_is_replaced(self):
        page = f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n"
        written = report.with_tables(page, "\nnew\n\n")
        self.assertEqual(written, f"before\n\n{report.BEGIN}\nnew\n{report.END}\n\nafter\n")
        self.assertEqual(report.with_tables(written, "new"), written)

    def test_a_page_without_its_markers_is_left_alone(self):
        begin, end = report.BEGIN, report.END
        for page in ("", begin, end, f"{end}{begin}", f"{begin}{begin}{end}", f"{begin}{end}{end}"):
            with self.subTest(page), self.assertRaises(report.MarkersMissing):
                report.with_tables(page, "new")

    def test_the_page_has_them(self):
        page = (HERE.parent / "docs/performance.md").read_text()
        self.assertIn("new", report.with_tables(page, "new"))


if __name__ == "__main__":
    unittest.main()

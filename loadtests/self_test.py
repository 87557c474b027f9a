#!/usr/bin/env python3
"""What loadtests/matrix makes of its file of cells and of its figures, without a server. CI runs it."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import cells
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
        groups = cells.read(HERE / "cells.toml")
        found = [cell for group in groups for cell in group.cells]
        self.assertIn("get-1k", [cell.name for cell in found])
        self.assertTrue(any(cell.short for cell in found))
        # What a table shows beside its figures, some cell must measure.
        for group in groups:
            for name in group.beside:
                self.assertTrue(any(name in cell.subjects for cell in group.cells), f"{group.title}: {name}")

    def test_a_good_one(self):
        ((group,),) = [read(GOOD)]
        (cell,) = group.cells
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
        groups = read(GOOD + GOOD.replace('"a"', '"b"') + GOOD.replace('"a"', '"c"'))
        names = [cell.name for group in cells.chosen(groups, ["c", "a"]) for cell in group.cells]
        self.assertEqual(names, ["a", "c"])
        with self.assertRaisesRegex(cells.CellError, "no cell 'd'; there are a, b, c"):
            cells.chosen(groups, ["d"])


class FiguresAreJudged(unittest.TestCase):
    def setUp(self):
        self.groups = read(GOOD)
        self.cell = self.groups[0].cells[0]

    def whole(self, rows, wanted=lambda objective: True):
        return report.whole(self.groups, report.Rounds(rows), wanted)

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
        # The short form judges memory alone.
        _, sound = self.whole([row("sidecar", 1, 15.1), row("relay", 1, 10)], lambda objective: objective.metric == "rss_mb")
        self.assertTrue(sound)

    def test_a_peer_that_is_not_there_is_no_failure_and_no_success(self):
        text, sound = self.whole([row("sidecar", 1, 15)])
        self.assertTrue(sound)
        self.assertIn("| a | CPU x relay | 1.5 |  | not measured |", text)

    def test_failed_requests_fail_the_run(self):
        failures = {"errors": 2, "faults": ["2 x status 502"]}
        for rows in ([row("sidecar", 1, 10, **failures), row("relay", 1, 10)], [row("sidecar", 1, 10), row("relay", 1, 10, **failures)]):
            text, sound = self.whole(rows)
            self.assertFalse(sound)
            self.assertIn("round 1: 2 of 10 requests failed: 2 x status 502", text)
        text, sound = self.whole([{"cell": "a", "subject": "sidecar", "round": 1, "failed": "did not start"}])
        self.assertFalse(sound)
        self.assertIn("a, sidecar, round 1: did not start", text)

    def test_a_table_has_a_row_for_each_subject(self):
        text = report.table(self.groups[0], report.Rounds([row("sidecar", 1, 12), row("relay", 1, 10, kept_up=False)]))
        expected = [
            "| x relay; µs of CPU a request | A |",
            "|---|---|",
            "| **sluicegate** | 1.20; 12.0 |",
            "| relay (copies, reads nothing) | 1.00; 10.0† |",
            "",
            "† less than the rate was done",
        ]
        self.assertEqual(text.split("\n"), expected)


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

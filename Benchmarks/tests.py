#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmarks' own judgement: python3 Benchmarks/tests.py"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True

from bench import alone, churn, cli, connect, containers, contexts, create, executions, interpreters, plot, report, soak, storm, unread  # noqa: E402, F401: they register their steps
from bench.steps import STEPS, Results  # noqa: E402

MIB = 1 << 20


class Tests(unittest.TestCase):
    def test_growth_is_told_and_noise_is_not(self):
        for name, first, last, grows in [
                ("rss", 40 * MIB, 47 * MIB, False), ("rss", 40 * MIB, 49 * MIB, True),
                ("private", 100 * MIB, 109 * MIB, False), ("private", 100 * MIB, 111 * MIB, True),
                ("descriptors", 80, 86, False), ("descriptors", 80, 87, True), ("descriptors", 80, 20, False),
                ("mounts", 30, 35, True), ("members", 8, 11, True),
                ("container processes", 17, 28, False), ("container processes", 9, 22, True)]:
            self.assertEqual(soak.growth(name, first, last) is not None, grows, (name, first, last))

    def test_every_resource_of_a_server_has_its_limit(self):
        sampled = {"descriptors", "threads", "members", "mounts", "state files", "container processes"}
        self.assertEqual(set(soak.ALLOWED), sampled)

    def test_a_window_is_the_median_of_what_is_in_it(self):
        samples = [(second, {"rss": 1000 if second == 70 else 10}) for second in range(0, 180, 5)]
        self.assertEqual(soak.window(samples, 60, 120), {"rss": 10})
        with self.assertRaises(soak.Failure):
            soak.window(samples, 500, 560)

    def test_plots_are_well_formed_whatever_is_in_them(self):
        for picture in [
                plot.columns("a < b & \"c\"", ["1", "2"], {"x": [0, 1e9], "y & z": [None, 0.001]}),
                plot.columns("nothing", ["1"], {"x": [None]}),
                plot.bars("far apart", [("a", 0.5), ("b", 60_000)]), plot.bars("one", [("a", 1000)]),
                plot.lines("line", "x", {"a": [(0, 0), (1800, 44.7)], "b": [(0, 3), (1800, 4)]})]:
            root = xml.etree.ElementTree.fromstring(picture)
            self.assertTrue(root.tag.endswith("svg"))
            self.assertNotIn("nan", picture)
            self.assertIn("prefers-color-scheme: dark", picture)

    def test_figures_are_written_to_three_digits(self):
        for value, text in [(0, "0"), (7, "7"), (0.123, "0.12"), (12.34, "12.3"), (999.96, "1.00 k"), (1234567, "1.23 M")]:
            self.assertEqual(plot.number(value), text)
        self.assertEqual([plot.sized(12), plot.sized(2.5e9)], ["12 B", "2.50 GB"])
        self.assertEqual([plot.microseconds(98.7), plot.microseconds(1234), plot.microseconds(2e6)],
                         ["98.7 µs", "1.23 ms", "2 s"])

    def test_what_is_recorded_is_read_again_and_only_replaced_by_its_own_step(self):
        first, second = Results("codec", {"cpu": "x"}), Results("unary", {"cpu": "x"})
        first.figure("decode | encode", "1", "", "≥ 2", False)
        first.plots["codec"] = plot.bars("one", [("a", 1000)])
        second.failure, second.stolen = "the Go server is missing", 12.5
        with tempfile.TemporaryDirectory() as name:
            report.RECORDED = pathlib.Path(name) / "benchmarks"
            report.DOCUMENT = pathlib.Path(name) / "benchmarks.md"
            report.DOCUMENT.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
            report.record([first])
            report.record([second])
            text = report.DOCUMENT.read_text(encoding="utf-8")
            self.assertTrue((report.RECORDED / "codec.svg").exists())
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        self.assertIn("| decode \\| encode | 1 |  | ≥ 2: **no** |", text)
        self.assertIn("**This step failed:** the Go server is missing", text)
        self.assertIn("Meanwhile the host gave 12.5 % of the CPU time to others.", text)
        self.assertIn("](benchmarks/codec.svg)", text)
        self.assertNotIn("old", text)

    def test_how_a_server_ended_in_the_storm_is_told_with_its_memory(self):
        class Limit:
            peak, kills = 512 * MIB, 1

        class Server:
            class process:
                returncode = -9

        told = storm.how_it_ended(Server, Limit, [(2, 100 * MIB), (4, 300 * MIB)], 5.2)
        self.assertIn("ended after 5 s (killed by the kernel for memory", told)
        self.assertIn("512 MiB at most, resident 100 MiB at first, 200 on average, 300 at most", told)
        Limit.kills, Limit.peak = 0, None
        self.assertIn("(exit status -9; its memory was not known", storm.how_it_ended(Server, Limit, [], 5.2))

    def test_what_members_leave_is_told_and_what_the_kernel_keeps_for_itself_is_not(self):
        before = churn.Machine()
        after = churn.Machine()
        after.cgroups, after.namespaces, after.memory = before.cgroups + 5, before.namespaces + 5, before.memory + 64 * MIB
        self.assertEqual(after.more_than(before), [])
        after.cgroups, after.namespaces, after.memory = before.cgroups + 6, before.namespaces + 9, before.memory + 65 * MIB
        self.assertEqual(after.more_than(before), ["6 more cgroups", "9 more namespaces", "68,157,440 more memory"])

    def test_a_process_and_a_file_of_a_server_that_has_ended_are_found(self):
        left = churn.Churn([], 1, 0)
        try:
            self.assertEqual(left._left(), [])
            (left.server.folder / left.server.instance / "members" / "one").mkdir(parents=True)
            process = subprocess.Popen(["sh", "-c", f"read line # {left.server.instance}"], stdin=subprocess.PIPE)
            try:
                found = left._left()
            finally:
                process.communicate()
            self.assertEqual([entry.split()[0] for entry in found], ["process", "file"])
        finally:
            shutil.rmtree(left.server.folder)

    def test_every_step_is_in_the_documentation(self):
        text = (pathlib.Path(__file__).parent.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
        for name in STEPS:
            self.assertIn(f"| `{name}` |", text)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""Every promise of the README that no other test holds: its names are there, and what it says of them is so."""

import ast
import re
import tempfile
import typing
import unittest
from pathlib import Path
from typing import Any, List, Set

import berth
import berth.aio
from berth import _requests
from berth.v1 import pool_pb2

from .double import Asked, Double

PACKAGE = Path(__file__).resolve().parents[1]
README = (PACKAGE / "README.md").read_text()


def names(text: str) -> Set[str]:
    """What stands in backquotes and begins like a name of Python's."""
    return {match.group(1) for match in re.finditer(r"`([a-z_]\w*)[^`]*`", text)}


class ReadmeTests(unittest.TestCase):
    def serve(self, handlers: Any = None) -> Double:
        double = Double(handlers)
        self.addCleanup(double.close)
        return double

    def connect(self, double: Double, **options: Any) -> berth.Client:
        client = berth.Client(double.address, **options)
        self.addCleanup(client.close)
        return client

    def test_every_name_of_the_api_is_there_in_both_clients(self) -> None:
        for name in ("Client", "Lease", "Context", "Execution"):
            table = re.search(rf"\| `{name}.*?` \| \|\n\|---\|---\|\n(.*?)\n\n", README, re.S)
            assert table is not None, name
            rows = [row.split(" | ")[0] for row in table.group(1).splitlines()]
            wanted = names(" ".join(rows)) - {"for", "event", "with", "text", "value", "displays", "failure", "end"}
            self.assertGreater(len(wanted), 5, rows)
            for module in (berth, berth.aio):
                there = set(dir(getattr(module, name))) | {"token", "member", "ttl", "warm", "id", "language", "version"}
                self.assertEqual(wanted - there, set(), f"{module.__name__}.{name} has none of these")
        for name in re.findall(r"`(\w+Error)`", README):
            self.assertTrue(hasattr(berth, name) or name == "TypeError", name)
        for name in re.findall(r"`(?:berth\.Reason\.)?([A-Z][A-Z_]+[A-Z])`", README):
            self.assertTrue(hasattr(berth.Reason, name) or name.startswith("BERTH_"), name)

    def test_the_options_are_those_that_it_lists(self) -> None:
        section = README[README.index("`run` and `execute` take") : README.index("says what each means")]
        listed = names(section) - {"run", "execute", "berth"}
        options = set(typing.get_type_hints(_requests.Options)) | {"argv"}
        self.assertEqual(listed, options)

    def test_the_language_and_the_dependencies_are_what_it_says(self) -> None:
        for path in (PACKAGE / "src").rglob("*.py"):
            ast.parse(path.read_text(), str(path), feature_version=(3, 9))
        project = (PACKAGE / "pyproject.toml").read_text()
        self.assertIn('requires-python = ">=3.9"', project)
        self.assertIn('dependencies = ["protobuf>=4.21"]', project)

    def test_run_collects_at_most_16_mib_when_it_is_not_told(self) -> None:
        asked: List[pool_pb2.ExecuteRequest] = []

        def execute(request: Asked) -> None:
            asked.append(pool_pb2.ExecuteRequest.FromString(request.payload))
            request.started()
            request.exited()

        client = self.connect(self.serve({"Execute": execute}))
        client.run(["x"])
        client.run(["x"], max_output=7)
        client.execute(["x"]).wait()
        self.assertEqual([request.max_output_bytes for request in asked], [16 << 20, 7, 0])

    def test_nothing_is_run_twice_by_itself(self) -> None:
        ran: List[Asked] = []

        def execute(request: Asked) -> None:
            ran.append(request)
            request.peer.kill()

        client = self.connect(self.serve({"Execute": execute}))
        with self.assertRaises(berth.UnavailableError):
            client.run(["x"])
        client.hello()
        self.assertEqual(len(ran), 1)

    def test_however_a_program_ends_is_no_error_until_check_makes_one(self) -> None:
        def execute(request: Asked) -> None:
            request.started()
            request.exited(3)

        client = self.connect(self.serve({"Execute": execute}))
        result = client.run(["false"])
        with self.assertRaises(berth.ExecutionFailed) as caught:
            result.check()
        self.assertIs(caught.exception.result, result)

    def test_the_end_of_a_with_closes_the_client(self) -> None:
        with berth.Client(self.serve().address) as client:
            client.hello()
        with self.assertRaises(RuntimeError):
            client.hello()

    def test_the_server_is_where_berth_server_says(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Double(path=folder + "/s") as double:
            import os

            before = os.environ.get("BERTH_SERVER")
            os.environ["BERTH_SERVER"] = double.address
            try:
                with berth.Client() as client:
                    self.assertEqual(client.hello().version, "double/1")
            finally:
                if before is None:
                    del os.environ["BERTH_SERVER"]
                else:
                    os.environ["BERTH_SERVER"] = before


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What users copy, against the server at BERTH_SERVER."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        assert "BERTH_SERVER" in os.environ, "these tests want a server: run them with clients/conformance/with-server"

    def output(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", *command], capture_output=True, text=True, timeout=60, cwd=PACKAGE
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_the_examples_of_the_readme_print_what_it_says(self) -> None:
        blocks = re.findall(r"```(python|text)\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
        self.assertEqual([kind for kind, _ in blocks], ["python", "text", "python", "text"])
        for (_, example), (_, expected) in zip(blocks[::2], blocks[1::2]):
            self.assertEqual(self.output("-c", example), expected)

    def test_samples(self) -> None:
        self.assertEqual(self.output("samples/stream_a_snippet.py"), "0\n1\n2\nexited with 0\n")
        self.assertEqual(
            self.output("samples/interactive_session.py"),
            "6 * 7 = 42\n2 ** 64 = 18446744073709551616\n'berth'.upper() = BERTH\nexited with 0\n",
        )
        self.assertEqual(
            self.output("samples/ten_at_once.py"), "".join(f"{number} squared is {number * number}\n" for number in range(10))
        )

    def test_the_benchmark_runs(self) -> None:
        self.assertRegex(self.output("bench.py", "20"), r"^run true: n 20  p50 \d+ us  p99 \d+ us\n$")


if __name__ == "__main__":
    unittest.main()

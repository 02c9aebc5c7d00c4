#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README promises: its code is compiled and does what it says, its names are there, and a user of the product
sees no more than is meant. Needs what `make build` built, and a server at BERTH_SERVER."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import List

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
BUILT = ROOT / ".build/debug"
README = (HERE / "README.md").read_text()


def blocks(language: str) -> List[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


def without_spaces(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def output(program: str) -> str:
    return subprocess.run(
        [BUILT / f"swift-{program}"], stdout=subprocess.PIPE, check=True, text=True, timeout=60
    ).stdout


def typecheck(code: str) -> "subprocess.CompletedProcess[str]":
    """As a user's module: outside of the package."""
    maps = [*BUILT.glob("*.build/module.modulemap")]
    maps += [*(ROOT / "Sources").glob("C*/include/module.modulemap"), *(ROOT / "Sources").glob("C*/module.modulemap")]
    maps += (ROOT / ".build/checkouts").glob("*/Sources/*/include/module.modulemap")
    known = [option for path in maps for option in ("-Xcc", f"-fmodule-map-file={path}")]
    known += [option for path in maps for option in ("-Xcc", f"-I{path.parent}")]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "user.swift"
        file.write_text(code)
        return subprocess.run(
            ["swiftc", "-swift-version", "6", "-enable-upcoming-feature", "MemberImportVisibility", "-parse-as-library",
             "-typecheck", "-module-name", "User", "-I", str(BUILT / "Modules"), *known, str(file)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )


class ReadmeTests(unittest.TestCase):
    maxDiff = None

    def test_its_code_is_part_of_what_is_compiled(self) -> None:
        sources = [without_spaces(path.read_text()) for path in (HERE / "readme").glob("*.swift")]
        found = [block for block in blocks("swift") if ".package(" not in block]
        self.assertGreater(len(found), 2)
        for block in found:
            self.assertTrue(any(without_spaces(block) in source for source in sources), block)

    def test_its_example_prints_what_it_says(self) -> None:
        printed = output("readme").splitlines()
        wanted = blocks("text")[0].splitlines()
        # The two streams of one program come in any order.
        self.assertEqual(sorted(printed), sorted(wanted))

    def test_the_samples_do_what_they_say(self) -> None:
        self.assertEqual(output("session"), "6 * 7 = 42\n2 ** 64 = 18446744073709551616\n'berth'.upper() = BERTH\nexited\n")
        self.assertEqual(output("ten"), "".join(f"{number} squared is {number * number}\n" for number in range(10)))
        self.assertEqual(output("stream").splitlines()[-1], "exited 0")

    def test_a_user_of_the_product_needs_one_import_and_sees_no_codec_and_no_agent(self) -> None:
        body = """
            func use(_ client: BerthClient, _ lease: Lease) async throws {
                let execution = client.execute(Command(shell: "true"), in: lease)
                for try await event in execution { if case .ended(let ended) = event { print(ended.usage.wallMicroseconds) } }
                print(try await client.stat("/tmp", in: lease).name.bytes, try await client.stats().pools.count)
            }
            """
        seen = typecheck("import Berth\n" + textwrap.dedent(body))
        self.assertEqual(seen.returncode, 0, seen.stdout)
        for name in ("Arena", "Agent", "ExecuteRequest", "RPCError", "RPCServer", "FileOperation", "WholeCharacters"):
            seen = typecheck(f"import Berth\nfunc use() {{ _ = {name}.self }}\n")
            self.assertIn(f"cannot find '{name}' in scope", seen.stdout, name)

    def test_every_name_of_its_tables_is_there(self) -> None:
        sources = "".join(path.read_text() for path in (ROOT / "Sources/Berth").glob("*.swift"))
        sources += "".join(path.read_text() for path in (ROOT / "Sources/BerthSchema").rglob("*.swift"))
        declared = set(re.findall(r"\b(?:func|var|let|case|struct|enum|class|init)\s+(\w+)", sources))
        declared |= set(re.findall(r"\b(\w+): ", sources))
        tables = "\n".join(line for line in README.splitlines() if line.startswith("|"))
        names = {name for quoted in re.findall(r"`([^`]+)`", tables) for name in re.findall(r"\b([A-Za-z]\w+)", quoted)}
        names -= {"for", "try", "await", "in", "event", "AsyncSequence", "init", "INT"}
        self.assertGreater(len(names), 40)
        self.assertEqual(names - declared, set())


if __name__ == "__main__":
    os.chdir(ROOT)
    unittest.main()

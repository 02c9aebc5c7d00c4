#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a fresh Debian: installed, used, upgraded from itself, removed and purged.

    BERTH=…/berth packaging/tests/package.py

It is made from the programs beside BERTH. Needs root, and Debian's packages from the mirrors that this machine has.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from root import Root, Terminal, build_deb, field
from servers import PATIENCE

PAGES = ["berth", "berth-serve", "berth-run", "berth-admin", "berth-context", "berth-config"]

#: A server as the package has set it up, a program, and an orderly end.
USE = r"""
set -eu
berth serve --config /etc/berth/berth.yaml >/tmp/out 2>/tmp/log &
server=$!
trap 'kill $server 2>/dev/null || true; cat /tmp/log >&2' EXIT
for _ in $(seq 600); do if grep -q listening /tmp/out; then break; fi; sleep 0.1; done
[ "$(berth run --wait 1m -- python3 -c 'print(6 * 7)')" = 42 ]
berth stats | grep -q default
kill -TERM $server
wait $server
trap - EXIT
[ -z "$(ls -A /run/berth | grep -v '^[.]')" ]
"""


class Life(unittest.TestCase):
    """In the order of their numbers: each goes on where the one before has ended."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.package = build_deb(cls.folder, "--fast")
        depends = re.findall(r"(?:^|, )([a-z0-9.+-]+)", field(cls.package, "Depends"))
        cls.root = Root(cls.folder / "root", depends + [
            "runc", "python3-minimal", "man-db", "bash-completion", "zsh", "fish"])
        cls.before = cls.root.files()

    def test_1_lintian_finds_neither_errors_nor_warnings(self):
        done = subprocess.run(["lintian", "--fail-on", "error,warning", self.package], capture_output=True, text=True,
                              timeout=4 * PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stdout + done.stderr)

    def test_1_the_same_programs_give_the_same_package(self):
        other = self.folder / "again"
        other.mkdir()
        self.assertEqual(build_deb(other, "--fast").read_bytes(), self.package.read_bytes())

    def test_2_it_is_installed_as_it_was_packed(self):
        self.root.run("dpkg", "--install", self.root.copy(self.package))
        self.assertEqual(self.root.run("dpkg", "--verify", "berth").stdout, "")
        version = self.root.run("berth", "--version").stdout.strip()
        self.assertEqual(version, field(self.package, "Version"))
        # Enabled, though nothing has started it here.
        link = self.root.folder / "etc/systemd/system/multi-user.target.wants/berth.service"
        self.assertTrue(link.is_symlink())
        self.root.run("berth", "config", "--config", "/etc/berth/berth.yaml")

    def test_3_a_server_runs_a_program_and_leaves_nothing(self):
        self.root.run("bash", "-c", USE)

    def test_3_every_manual_page_is_whole_and_known_by_its_name(self):
        pages = [path for path in self.root.files() - self.before if re.match(r"/usr/share/man/.*\.gz$", path)]
        self.assertGreater(len(pages), 15)
        for page in pages:
            done = self.root.run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
            self.assertEqual(done.stderr, "", page)
        self.root.run("mandb", "--quiet", "--create")
        for name in PAGES:
            self.assertIn(name, self.root.run("whatis", name).stdout)
        self.assertIn("max_executions", self.root.run("man", "5", "berth-config").stdout)
        self.assertIn("--memory-budget", self.root.run("man", "berth-serve").stdout)

    def complete(self, terminal, line, expected):
        """Types the line and a tab."""
        terminal.type(line + "\t")
        terminal.read_until(expected)
        # Ctrl-U, and a prompt of its own after an empty line.
        terminal.type("\x15\r")
        terminal.read_until("ready> ")

    def test_4_bash_completes_commands_flags_values_and_files(self):
        terminal = Terminal(self.root, "bash", "--norc", "--noprofile", "-i")
        self.addCleanup(terminal.end)
        terminal.read_until("ready> ")
        terminal.type("source /usr/share/bash-completion/bash_completion && echo loa''ded\r")
        terminal.read_until("loaded")
        terminal.read_until("ready> ")
        self.complete(terminal, "berth adm", "in ")
        self.complete(terminal, "berth admin reset", "-backoff ")
        self.complete(terminal, "berth serve --memory-b", "udget ")
        self.complete(terminal, "berth serve --runtime doc", "ker ")
        self.complete(terminal, "berth serve --config /etc/berth/b", "erth.yaml ")
        self.complete(terminal, "berth cp /etc/berth/b", "erth.yaml ")

    def test_4_zsh_completes_commands_flags_values_and_files(self):
        terminal = Terminal(self.root, "zsh", "-f", "-i")
        self.addCleanup(terminal.end)
        terminal.read_until("ready> ")
        # Without the marks that zsh puts around what is pasted, and with one prompt for each line.
        terminal.type("unset zle_bracketed_paste; unsetopt PROMPT_SP; autoload -U compinit && compinit -u && echo loa''ded\r")
        terminal.read_until("loaded")
        terminal.read_until("ready> ")
        self.complete(terminal, "berth adm", "in")
        self.complete(terminal, "berth admin reset", "backoff")
        self.complete(terminal, "berth serve --memory-b", "udget")
        self.complete(terminal, "berth serve --runtime doc", "ker")
        self.complete(terminal, "berth serve --config /etc/berth/b", "erth.yaml")

    def test_4_fish_completes_commands_flags_values_and_files(self):
        for line, expected in [
                ("berth adm", "admin"), ("berth admin reset", "reset-backoff"), ("berth serve --memory-b", "--memory-budget"),
                ("berth serve --runtime doc", "docker"), ("berth serve --config /etc/berth/b", "/etc/berth/berth.yaml")]:
            out = self.root.run("fish", "--no-config", "-c",
                                "set -p fish_complete_path /usr/share/fish/vendor_completions.d; complete -C $argv[1]", line).stdout
            self.assertIn(expected, [found.split("\t")[0] for found in out.splitlines()], line)

    def test_5_an_upgrade_keeps_the_configuration_and_serves(self):
        configuration = self.root.folder / "etc/berth/berth.yaml"
        configuration.write_text(configuration.read_text().replace("size: 2", "size: 1"))
        version = field(self.package, "Version")
        later = build_deb(self.folder, "--fast", "--version", f"{version}+later")
        self.root.run("dpkg", "--install", self.root.copy(later))
        self.assertIn("size: 1", configuration.read_text())
        self.assertEqual(self.root.run("dpkg-query", "-W", "-f", "${Version}", "berth").stdout, f"{version}+later")
        self.root.run("bash", "-c", USE)

    def test_6_a_removal_leaves_the_configuration_and_a_purge_leaves_nothing(self):
        self.root.run("dpkg", "--remove", "berth")
        left = self.root.files() - self.before
        self.assertIn("/etc/berth/berth.yaml", left)
        self.assertNotIn("/usr/bin/berth", left)
        self.root.run("dpkg", "--purge", "berth")
        self.assertEqual(self.root.files() - self.before, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: Apache-2.0
"""What is installed: wheels in an empty environment, the command, the kernels it lists; and the README's table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import List

from berth_jupyter.reasons import period
from berth_jupyter.settings import Settings

from .support import HERE, ROOT, World

PROJECT = HERE.parent


class SettingsTests(unittest.TestCase):
    def test_a_kernelspec_holds_what_differs_from_the_defaults_and_gives_it_back(self) -> None:
        settings = Settings.of({"server": "unix:/run/berth.sock", "env": {"B": "2", "A": "1"}, "spares": 2, "tls": True})
        self.assertEqual(Settings.of(json.loads(json.dumps(settings.changed()))), settings)

    def test_flags_say_the_same(self) -> None:
        parser = argparse.ArgumentParser()
        Settings.add_flags(parser)
        for values in ({}, {"env": {"A": "1=2"}, "tls": True, "lifetime": 90.5, "pool": "big", "spares": 3, "cwd": "/tmp"}):
            settings = Settings.of(values)
            self.assertEqual(Settings.from_flags(parser.parse_args(settings.flags())), settings)

    def test_what_can_not_be_is_refused(self) -> None:
        for values in ({"spares": -1}, {"lifetime": 0}, {"acquire_timeout": -1}):
            with self.assertRaises(ValueError):
                Settings.of(values)

    def test_the_readme_lists_every_setting_and_its_default(self) -> None:
        text = (PROJECT / "README.md").read_text(encoding="utf-8")
        rows: List[str] = []
        for each in dataclasses.fields(Settings):
            default = {"env": "", "tls": "no"}.get(each.name, each.default)
            shown = f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default != "" else ""
            rows.append(f"| `{each.name}` | {shown} | {each.metadata['help']} |")
        for row in rows:
            self.assertIn(row.replace("|  |", "| |"), text)
        self.assertEqual(period(Settings.lifetime), "24 h")


class WheelTests(unittest.TestCase):
    def test_the_wheels_install_into_an_empty_environment_and_work_there(self) -> None:
        world = World()
        self.addCleanup(world.close)
        with tempfile.TemporaryDirectory() as folder:
            wheels, home = f"{folder}/wheels", f"{folder}/venv"
            build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels]
            subprocess.run([*build, str(ROOT / "clients/python"), str(PROJECT)], check=True)
            names = sorted(path.name for path in Path(wheels).iterdir())
            self.assertEqual([name.partition("-")[0] for name in names], ["berth", "berth_jupyter"])
            subprocess.run(["/usr/bin/python3", "-m", "venv", home], check=True)
            pip = [f"{home}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            # Theirs come from the index, ours from the wheels alone.
            subprocess.run([*pip, "jupyter-client==8.10.0", "protobuf==7.36.2"], check=True)
            subprocess.run([*pip, "--no-index", "--find-links", wheels, "berth-jupyter"], check=True)

            def command(*words: str) -> str:
                done = subprocess.run([f"{home}/bin/berth-jupyter", *words], capture_output=True, text=True)
                return done.stdout + done.stderr

            self.assertIn("installed 'Python 3 (Berth)' as berth", command("install"))
            self.assertIn("as berth-default", command("install", "--pool", "default", "--env", "A=1"))
            listed = command("list")
            self.assertIn("Python 3 (Berth: default)  --pool default --env A=1", listed)
            self.assertTrue(Path(f"{home}/share/jupyter/kernels/berth/logo-svg.svg").exists())
            self.assertTrue(Path(f"{home}/etc/jupyter/jupyter_server_config.d/berth_jupyter.json").exists())
            self.assertIn("all is well", command("check", "--name", "berth-default"))
            self.assertIn('there is no pool "nope"', command("check", "--pool", "nope"))
            self.assertIn("no kernel 'python3' of Berth", command("uninstall", "python3"))
            self.assertIn("removed", command("uninstall", "berth-default"))
            self.assertNotIn("berth-default", command("list"))
            run = (
                "from jupyter_client.manager import start_new_kernel\n"
                "m, c = start_new_kernel(kernel_name='berth')\n"
                "c.execute_interactive('print(6 * 7)'); m.shutdown_kernel()"
            )
            done = subprocess.run([f"{home}/bin/python", "-c", run], capture_output=True, text=True)
            self.assertEqual(done.stdout, "42\n", done.stderr)

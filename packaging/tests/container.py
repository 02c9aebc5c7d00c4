#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container image of packaging/container, built and used.

    BERTH=…/berth dev/with-docker packaging/tests/container.py

The Debian that it is made from is made here, since there is no registry to ask.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from root import Root, build_deb, field
from servers import PATIENCE, ROOT, eventually


def docker(*words, check=True, **options):
    done = subprocess.run(["docker", "--host", os.environ["BERTH_TEST_DOCKER"], *words], stdin=options.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=5 * PATIENCE, **options)
    assert not check or done.returncode == 0, f"docker {' '.join(map(str, words))}:\n{done.stdout}"
    return done.stdout.strip()


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-container-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        package = build_deb(cls.folder, "--fast")
        depends = re.findall(r"(?:^|, )([a-z0-9.+-]+)", field(package, "Depends"))
        root = Root(cls.folder / "root", depends + ["runc"])
        with subprocess.Popen(["tar", "-C", root.folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            docker("import", "-", "debian:bookworm-slim", stdin=tar.stdout)
        context = cls.folder / "context"
        context.mkdir()
        shutil.copy(ROOT / "packaging/container/Dockerfile", context)
        shutil.copy(package, context / "berth.deb")
        docker("build", "--network", "host", "--tag", "berth-image", str(context))

    def test_a_server_in_the_image_runs_a_program_and_ends_in_order(self):
        name = "berth-image-test"
        # The rights that the Dockerfile names, and no network but its own loopback.
        text = (ROOT / "packaging/container/Dockerfile").read_text()
        rights = re.search(r"docker run (--cap-add.*?)-p", text, re.S)[1].replace("\\\n#", "").split()
        docker("run", "--detach", "--name", name, *rights, "--network", "none", "berth-image", "--size", "1")
        self.addCleanup(docker, "rm", "--force", name, check=False)
        eventually(lambda: "listening on" in docker("logs", name), lambda: docker("logs", name))
        self.assertEqual(docker("exec", name, "berth", "run", "--wait", "1m", "--", "echo", "hello"), "hello")
        docker("stop", "-t", "30", name)
        self.assertEqual(docker("inspect", "--format", "{{.State.ExitCode}}", name), "0", docker("logs", name))


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chromium looks at web servers in a container, through `berth forward`: make test BERTH=…/berth"""
import html
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BERTH = os.environ["BERTH"]
LIMIT = 120


def berth(*words, **options):
    return subprocess.run([BERTH, *words], check=True, timeout=LIMIT, text=True, stdout=subprocess.PIPE, **options).stdout


class BrowserTests(unittest.TestCase):
    def setUp(self):
        # A lease of its own for each: what was started ends with it.
        os.environ["BERTH_LEASE"] = berth("acquire").strip()
        self.addCleanup(berth, "release")
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="berth-browser-")))

    def forward(self):
        """To port 8000 there. Returns the address here."""
        process = subprocess.Popen([BERTH, "forward", "0:8000", "--wait", "30s"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)

        def end():
            process.send_signal(signal.SIGINT)
            _, words = process.communicate(timeout=LIMIT)
            self.assertEqual((process.returncode, words), (0, ""))

        self.addCleanup(end)
        return "http://" + process.stdout.readline().split()[0]

    def dump(self, address):
        """The page as it is once it has loaded."""
        result = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
             f"--user-data-dir={self.folder / 'profile'}", "--timeout=100000", "--dump-dom", address],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        self.assertEqual(result.returncode, 0, result.stderr[-2000:])
        return result.stdout

    def test_a_plain_http_server_shows_its_folder_in_a_browser(self):
        berth("run", "--", "sh", "-c", "mkdir /tmp/site && cd /tmp/site && touch apples pears")
        berth("run", "--detach", "--timeout", "10m", "--", "python3", "-m", "http.server", "--directory", "/tmp/site", "8000")
        page = self.dump(self.forward())
        self.assertIn("Directory listing for /", page)
        self.assertEqual(re.findall(r'href="(\w+)"', page), ["apples", "pears"])

    def test_parallel_resources_streams_events_sockets_and_uploads_arrive_whole(self):
        berth("cp", str(HERE / "site.py"), os.environ["BERTH_LEASE"] + ":/tmp/site.py")
        berth("run", "--detach", "--timeout", "10m", "--", "python3", "/tmp/site.py")
        address = self.forward()
        page = self.dump(address)
        self.assertEqual(html.unescape(re.search(r"<title>(.*?)</title>", page).group(1)), "berth")
        shown = {name: html.unescape(text) for name, text in re.findall(r'<p id="(\w+)">(.*?)</p>', page)}
        self.assertEqual(shown, {
            "images": ",".join(str(2 * (number + 1)) for number in range(24)),
            "stream": "|".join(f"piece {number}" for number in range(4)),
            "events": ",".join(f"event {number}" for number in range(3)),
            "socket": "you said hello", "upload": "true", "colour": "rgb(1, 2, 3)"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        counts = json.load(opener.open(address + "/counts", timeout=LIMIT))
        # Several at a time, and none for one request alone.
        self.assertGreater(counts["connections"], 3)
        self.assertLess(counts["connections"], counts["requests"] / 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a person sees on the dashboard of a real server, in Debian's Chromium: make test BERTH=…/berth"""
import http.server
import pathlib
import re
import shlex
import signal
import threading
import unittest

from playwright.sync_api import expect
from world import NO_SPACE, PATIENCE, Browser, World, card, live

HERE = pathlib.Path(__file__).resolve().parent
WARM = "All pools are warm"
CONTRAST = (HERE / "contrast.js").read_text()


class DashboardTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)

    def setUp(self):
        self.browser = Browser(self.world.http)
        self.addCleanup(self.browser.close)
        self.addCleanup(self.no_complaints)
        self.allowed = None

    def no_complaints(self):
        """Nothing that the policy forbade, no error of the script, and nothing asked of another host."""
        kept = [words for words in self.browser.complaints if not (self.allowed and re.search(self.allowed, words))]
        self.assertEqual(kept, [])
        self.assertTrue(self.browser.requests)
        for address in self.browser.requests:
            if not address.startswith("data:"):
                self.assertTrue(address.startswith(self.browser.address), address)

    def verdict(self, page):
        return page.locator("#verdict-text")

    def tile(self, page, column):
        return page.locator(f'[data-tile="{column}"] .number')

    def test_a_warm_server_says_so_and_a_running_program_appears_and_leaves(self):
        page = self.browser.open()
        expect(self.verdict(page)).to_have_text(WARM)
        expect(page).to_have_title(f"{WARM} – Berth")
        expect(page.locator("#tiles > div")).to_have_count(5)
        expect(card(page, "python").locator(".members i.idle")).to_have_count(3)
        expect(card(page, "shell").locator(".members i.idle")).to_have_count(2)
        # As many squares as there may be members.
        expect(card(page, "python").locator(".members i")).to_have_count(8)
        expect(self.tile(page, "executions")).to_have_text("0")
        program = self.world.begin("run", "--", "sleep", "600")
        expect(self.tile(page, "executions")).to_have_text("1")
        expect(card(page, "python").locator(".members i.leased")).to_have_count(1)
        expect(card(page, "python").locator(".members i.leased")).to_have_attribute("title", re.compile("leased, .* old, leased once"))
        expect(card(page, "python").locator(".area-leased")).to_have_count(1)
        self.world.end(program)
        expect(self.tile(page, "executions")).to_have_text("0")
        expect(card(page, "python").locator(".members i.leased")).to_have_count(0)
        expect(self.verdict(page)).to_have_text(WARM)

    def test_two_loads_move_the_figures_of_their_pools_and_the_last_times_stay_with_as_of(self):
        page = self.browser.open()
        loads = [self.world.begin("load", "--duration", "15s", "--concurrency", "2", "--pool", pool, "--scenario", "acquire")
                 for pool in ("python", "shell")]
        expect(self.tile(page, "lease_rate")).not_to_have_text("0.0")
        for pool in ("python", "shell"):
            expect(card(page, pool).locator(".time.acquire").first).to_be_attached()
            expect(card(page, pool).locator("figcaption", has_text="acquire p50 / p99")).to_have_text(
                re.compile(r"acquire p50 / p99≤? ?[\d.]+ m?s / ≤? ?[\d.]+ m?s"))
        expect(card(page, "python").locator(".time.create").first).to_be_attached()
        first = int(page.locator("html").get_attribute("data-samples"))
        for load in loads:
            load.wait(PATIENCE)
        # Another look begins with what was before it.
        page.reload()
        live(page)
        self.assertGreater(int(page.locator("html").get_attribute("data-samples")), first)
        expect(card(page, "python").locator(".time.acquire").first).to_be_attached()
        expect(card(page, "python").locator("figcaption", has_text="acquire p50 / p99")).to_have_text(
            re.compile(r"as of \d\d:\d\d:\d\d"))
        expect(self.tile(page, "lease_rate")).to_have_text("0.0")

    def test_a_pool_whose_creates_fail_is_red_says_why_when_next_and_what_mends_it_and_is_well_again_after_that(self):
        page = self.browser.open()
        python = card(page, "python")
        expect(python).to_have_attribute("data-breaker", "closed")
        self.world.break_creates()
        self.addCleanup(self.world.mend_creates)
        self.world.berth("run", "--", "true")
        expect(python).to_have_attribute("data-breaker", "open")
        expect(self.verdict(page)).to_have_text("python can't create containers")
        expect(page.locator("#why")).to_contain_text(NO_SPACE)
        expect(page.locator("#why")).to_have_text(re.compile(r"Next try in 3 min \d+ s\."))
        expect(python.locator(".state")).to_have_text("creates fail")
        expect(python.locator(".trouble")).to_contain_text(NO_SPACE)
        expect(python.locator(".broken").first).to_be_attached()
        expect(card(page, "shell")).to_have_attribute("data-level", "ok")
        command = page.locator("#command").inner_text()
        self.assertEqual(command, "berth admin reset-backoff python")
        self.look(page)
        self.world.mend_creates()
        self.world.berth(*shlex.split(command)[1:])
        expect(python).to_have_attribute("data-breaker", "closed")
        expect(self.verdict(page)).to_have_text(WARM)
        expect(python.locator(".trouble")).to_be_hidden()
        expect(page.locator("#command")).to_be_hidden()
        # What was stays in the picture.
        expect(python.locator(".broken")).to_have_count(1)

    def look(self, page):
        """All of it can be read in both colours and on a narrow page; the pictures are kept."""
        (HERE / "build").mkdir(exist_ok=True)
        for name, width, scheme in [("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 420, "light"),
                                    ("narrow-dark", 420, "dark")]:
            page.set_viewport_size({"width": width, "height": 940})
            page.emulate_media(color_scheme=scheme)
            number = int(page.locator("html").get_attribute("data-n"))
            page.locator(f'html:not([data-n="{number}"])').wait_for(state="attached")
            self.assertEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, name)
            self.assertEqual(page.evaluate(CONTRAST), [], name)
            page.screenshot(path=HERE / f"build/{name}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 940})
        page.emulate_media(color_scheme="light")

    def test_a_page_whose_server_is_gone_says_so_and_goes_on_by_itself_with_the_next_one(self):
        # Of the connection that is refused meanwhile.
        self.allowed = "Failed to load resource: net::ERR_"
        page = self.browser.open()
        expect(page.locator("#live")).to_have_text("live")
        self.world.server.end(signal.SIGKILL)
        expect(page.locator("#live")).to_contain_text("connection lost")
        expect(page.locator("html")).to_have_attribute("data-live", "no")
        self.world.server.start()
        expect(page.locator("#live")).to_have_text("live")
        expect(self.verdict(page)).to_have_text(WARM)
        # The samples are the new server's.
        expect(page.locator("html")).to_have_attribute("data-samples", re.compile(r"^\d\d?$"))
        expect(page.locator("#server")).to_have_text(re.compile(r"on runc, up \d+ s"))

    def test_the_page_can_reach_no_other_host_and_runs_no_script_that_is_not_its_own(self):
        asked = []

        class Other(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

        other = http.server.HTTPServer(("127.0.0.1", 0), Other)
        threading.Thread(target=other.serve_forever, daemon=True).start()
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        self.allowed = "Content Security Policy|TrustedScript|Refused to|violates"
        page = self.browser.open()
        address = f"http://127.0.0.1:{other.server_port}/"
        self.assertTrue(page.evaluate("address => fetch(address).then(() => false, () => true)", address))
        self.assertTrue(page.evaluate(
            "address => new Promise(done => { const image = new Image(); image.onerror = () => done(true);"
            " image.onload = () => done(false); image.src = address; })", address))
        page.evaluate("""() => {
            const script = document.createElement('script');
            try { script.textContent = 'document.documentElement.dataset.foreign = 1'; } catch { return; }
            document.body.append(script);
        }""")
        self.assertIsNone(page.locator("html").get_attribute("data-foreign"))
        self.assertEqual(asked, [])
        self.assertTrue(self.browser.complaints)
        self.browser.requests = [each for each in self.browser.requests if each != address]

    def test_a_page_that_nobody_sees_ends_its_connection(self):
        page = self.browser.open()
        number = page.locator("html").get_attribute("data-n")
        page.evaluate("""() => {
            Object.defineProperty(document, 'hidden', { value: true, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""")
        seen = page.locator("html").get_attribute("data-n")
        other = self.browser.open()
        for _ in range(3):
            now = other.locator("html").get_attribute("data-n")
            other.locator(f'html:not([data-n="{now}"])').wait_for(state="attached")
        self.assertLessEqual(int(page.locator("html").get_attribute("data-n")), int(seen) + 1)
        page.evaluate("""() => {
            delete document.hidden;
            document.dispatchEvent(new Event('visibilitychange'));
        }""")
        page.locator(f'html:not([data-n="{seen}"]):not([data-n="{number}"])').wait_for(state="attached")
        expect(page.locator("#live")).to_have_text("live")

    def test_the_pointer_shows_the_figures_of_its_time(self):
        page = self.browser.open()
        box = card(page, "python").locator("figure svg").first.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
        expect(card(page, "shell").locator("figcaption").first).to_have_text(re.compile(r"^at \d\d:\d\d:\d\d"))
        expect(page.locator(".cursor")).to_have_count(4)
        page.mouse.move(2, 2)
        expect(page.locator(".cursor")).to_have_count(0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

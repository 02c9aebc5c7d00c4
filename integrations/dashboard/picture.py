#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a server under load whose creates fail for a while: picture.py FOLDER"""
import pathlib
import sys
import time

from playwright.sync_api import expect
from world import Browser, World, card


def main(folder):
    world = World()
    try:
        browser = Browser(world.http)
        try:
            page = browser.open(1180, 900)
            expect(page.locator("#verdict-text")).to_have_text("All pools are warm")
            for pool, rate in [("python", "1.5"), ("shell", "4")]:
                world.begin("load", "--duration", "5m", "--rate", rate, "--pool", pool, "--", "sleep", "0.7")
            # It takes its time: there is to be something to see.
            time.sleep(75)
            world.break_creates()
            expect(card(page, "python")).to_have_attribute("data-breaker", "open")
            time.sleep(20)
            for name, width, scheme in [("light", 1180, "light"), ("dark", 1180, "dark"), ("narrow", 420, "light")]:
                page.set_viewport_size({"width": width, "height": 760})
                page.emulate_media(color_scheme=scheme)
                number = page.locator("html").get_attribute("data-n")
                page.locator(f'html:not([data-n="{number}"])').wait_for(state="attached")
                page.screenshot(path=folder / f"{name}.png", full_page=width == 420)
        finally:
            browser.close()
    finally:
        world.close()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

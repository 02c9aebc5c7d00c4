# SPDX-License-Identifier: Apache-2.0
"""Makes the README's picture: python -m tests.picture FILE.png"""

from __future__ import annotations

import sys

from playwright.sync_api import expect

from .lab import Lab, Notebook
from .support import World

HELLO = "import platform, time\nfor step in range(3):\n    print('step', step, 'on', platform.node(), flush=True)\n    time.sleep(0.3)"
PLOT = (
    "import numpy as np\nimport matplotlib.pyplot as plt\nx = np.linspace(0, 12, 300)\n"
    "plt.figure(figsize=(7, 2))\nplt.plot(x, np.sin(x) * np.exp(-x / 6))\nplt.savefig('wave.png')\nplt.show()"
)
MEMORY = "data = bytearray(800_000_000)"
AGAIN = "import os; os.listdir('/workspace')"


def main(path: str) -> None:
    world = World()
    try:
        world.install("berth")
        spec = world.folder / "data/kernels/berth/kernel.json"
        spec.write_text(spec.read_text().replace('"display_name": "berth"', '"display_name": "Python 3 (Berth)"'))
        server = Lab(world)
        try:
            lab = Notebook(server, [HELLO, PLOT, MEMORY, AGAIN], width=900, height=830)
            page = lab.page
            page.locator(".jp-SideBar .lm-TabBar-tab[title^='File Browser']").first.click()
            lab.run(0)
            expect(lab.output(0)).to_contain_text("step 2")
            lab.run(1)
            lab.output(1).locator("img").wait_for()
            lab.run(2)
            expect(lab.output(2)).to_contain_text("out of memory")
            lab.accept("Kernel Restarting")
            lab.run(3)
            expect(lab.output(3)).to_contain_text("wave.png")
            lab.screenshot(path)
        finally:
            server.close()
    finally:
        world.close()


if __name__ == "__main__":
    main(sys.argv[1])

# SPDX-License-Identifier: Apache-2.0
"""Run it with the button: its output comes line by line, and it asks for a name."""

import platform
import time

name = input("\033[36mWhat is your name?\033[0m ")
for step in range(1, 4):
    print(f"step {step} of 3 …")
    time.sleep(0.3)
print(f"\033[32mHello {name}\033[0m from {platform.system()} in a container")

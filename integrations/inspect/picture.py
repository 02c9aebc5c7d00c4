# SPDX-License-Identifier: Apache-2.0
"""Makes docs/sample.png: the README's product.py in Inspect's viewer, with commands that ran in a container. As root, in build/venv:

    BERTH=…/berth ../../clients/conformance/with-server build/venv/bin/python picture.py

It needs chromium and python3-pil (dev/integrations/jupyter.packages), and playwright in the virtual environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from inspect_ai import eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
USAGE = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)


def call(tool: str, **arguments: Any) -> ModelOutput:
    return ModelOutput.for_tool_call("mockllm/model", tool, arguments).model_copy(update={"usage": USAGE})


def evaluate(folder: str) -> str:
    """Returns the log's name."""
    os.chdir(folder)
    Path("product.py").write_text((HERE / "README.md").read_text().split("`product.py`:\n\n```python\n")[1].split("```")[0])
    answer = ModelOutput.from_content("mockllm/model", "The product is 42.").model_copy(update={"usage": USAGE})
    outputs = [
        call("bash", command="id; df -h /workspace; cat numbers.txt"),
        call("python", code="a, b = open('numbers.txt').read().split()\nprint(int(a) * int(b))"),
        answer,
    ]
    (log,) = eval("product.py", model=get_model("mockllm/model", custom_outputs=outputs), log_dir=folder, display="none")
    assert log.status == "success", log.error
    return Path(log.location).name


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        name = evaluate(folder)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        inspect = str(Path(sys.executable).parent / "inspect")
        viewer = subprocess.Popen([inspect, "view", "start", "--log-dir", folder, "--port", str(port)])
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.2)
            url = f"http://127.0.0.1:{port}/#/logs/{quote(name)}/samples/sample/1/1/messages"
            picture = Path(folder) / "picture.png"
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 900, "height": 820})
                page.goto(url)
                page.get_by_text("uid=").first.wait_for(timeout=120_000)
                page.get_by_text("tmpfs").first.wait_for(timeout=120_000)
                page.screenshot(path=picture)
                browser.close()
            (HERE / "docs").mkdir(exist_ok=True)
            shrink = "import sys; from PIL import Image; Image.open(sys.argv[1]).quantize(64).save(sys.argv[2], optimize=True)"
            subprocess.run(["/usr/bin/python3", "-c", shrink, str(picture), str(HERE / "docs/sample.png")], check=True)
        finally:
            viewer.terminate()
            viewer.wait()


if __name__ == "__main__":
    main()

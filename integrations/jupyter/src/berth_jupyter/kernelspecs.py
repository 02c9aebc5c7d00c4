# SPDX-License-Identifier: Apache-2.0
"""Kernels as frontends list them: a directory with a kernel.json each."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, NamedTuple, Optional

from jupyter_client.kernelspec import KernelSpecManager

from .settings import Settings

PROVISIONER = "berth-provisioner"
_RESOURCES = Path(__file__).parent / "resources"


class Installed(NamedTuple):
    name: str
    display_name: str
    folder: str
    settings: Settings


def default_name(settings: Settings) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", f"berth-{settings.pool}".lower()).strip("-")


def default_display_name(settings: Settings) -> str:
    return f"Python 3 (Berth: {settings.pool})" if settings.pool else "Python 3 (Berth)"


def content(settings: Settings, display_name: str) -> Dict[str, Any]:
    """For both kinds of frontends: those that know provisioners, and those that run ``argv``."""
    return {
        "argv": [sys.executable, "-m", "berth_jupyter", *settings.flags(), "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {
            "debugger": True,
            "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": settings.changed()},
        },
    }


def install(settings: Settings, name: str, display_name: str, prefix: Optional[str], user: bool) -> str:
    """Its directory."""
    with tempfile.TemporaryDirectory() as folder:
        for resource in _RESOURCES.iterdir():
            shutil.copy(resource, folder)
        text = json.dumps(content(settings, display_name), indent=1)
        (Path(folder) / "kernel.json").write_text(text + "\n", encoding="utf-8")
        return str(KernelSpecManager().install_kernel_spec(folder, name, user=user, prefix=prefix))


def installed() -> Iterator[Installed]:
    """Those of Berth."""
    for name, found in sorted(KernelSpecManager().get_all_specs().items()):
        provisioner = found["spec"].get("metadata", {}).get("kernel_provisioner", {})
        if provisioner.get("provisioner_name") == PROVISIONER:
            settings = Settings.of(provisioner.get("config", {}))
            yield Installed(name, found["spec"]["display_name"], found["resource_dir"], settings)


def uninstall(name: str) -> str:
    """Raises ``ValueError`` for one that is not Berth's."""
    if name not in {each.name for each in installed()}:
        raise ValueError(f"there is no kernel {name!r} of Berth; `berth-jupyter list` lists them")
    return str(KernelSpecManager().remove_kernel_spec(name))

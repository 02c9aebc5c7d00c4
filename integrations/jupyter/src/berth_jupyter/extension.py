# SPDX-License-Identifier: Apache-2.0
"""For Jupyter's server: spare kernels are started with it, and not only after the first that somebody asks for."""

from __future__ import annotations

from typing import Any

from . import spares, thread
from .provisioner import BerthProvisioner


def _load_jupyter_server_extension(app: Any) -> None:
    for name, found in app.kernel_spec_manager.get_all_specs().items():
        metadata = found["spec"].get("metadata", {}).get("kernel_provisioner", {})
        if metadata.get("provisioner_name") != "berth-provisioner":
            continue
        try:
            spec = app.kernel_spec_manager.get_kernel_spec(name)
            settings = BerthProvisioner(parent=app, kernel_spec=spec, **metadata.get("config", {})).settings()
        except Exception as error:
            app.log.warning("the kernel %s of Berth has settings that are none: %s", name, error)
            continue
        if settings.spares > 0:
            app.log.info("Berth keeps %d spare kernels of %s", settings.spares, name)
            thread.submit(_begin(settings))


async def _begin(settings: Any) -> None:
    spares.of(settings)

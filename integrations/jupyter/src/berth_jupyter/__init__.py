# SPDX-License-Identifier: Apache-2.0
"""Jupyter kernels in Berth's warm containers.

The parts, from outside in: ``provisioner`` (for Jupyter's kernel managers) and ``argv`` (for frontends that start a program)
hold a ``session``; that has a ``container``, in which a ``kernel`` runs, and a ``carriage`` of its sockets.
"""

from ._version import VERSION as __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> "list[dict[str, str]]":
    return [{"module": "berth_jupyter.extension"}]

# SPDX-License-Identifier: Apache-2.0
"""Where a server is."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

DEFAULT = "127.0.0.1:7411"
USE = "use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket"


class Address(NamedTuple):
    """``host`` and ``port``, or, when ``path`` is set, a unix socket."""

    host: str
    port: int
    path: Optional[str]

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: Optional[str]) -> Address:
    """``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:PATH``; None is ``BERTH_SERVER``, else the default."""
    if text is not None and not isinstance(text, str):
        raise TypeError(f"address must be a str, not {type(text).__name__}: {USE}")
    if text is None:
        text = os.environ.get("BERTH_SERVER") or DEFAULT
    if text.startswith("unix:"):
        if len(text) == len("unix:"):
            raise ValueError(f'"{text}" is not an address: {USE}')
        return Address("", 0, text[len("unix:") :])
    if "://" in text:
        raise ValueError(f'"{text}" is a URL, not an address: {USE}')
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed:
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'"{text}" is not an address: {USE}')
    return Address(host, int(port), None)

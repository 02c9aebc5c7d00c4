# SPDX-License-Identifier: Apache-2.0
"""Where a server is."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

DEFAULT = "127.0.0.1:7411"
USE = "use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket"
USE_TLS = "use tls://HOST:PORT, such as tls://berth.example:7411 or tls://[::1]:7411"
TLS = "tls://"


class Address(NamedTuple):
    """``host`` and ``port``, or, when ``path`` is set, a unix socket."""

    host: str
    port: int
    path: Optional[str]
    is_tls: bool = False

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        digits = self.host.replace(".", "")
        is_loopback = self.host.startswith("127.") and digits.isascii() and digits.isdigit()
        return self.path is not None or is_loopback or self.host in ("localhost", "::1")

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{TLS if self.is_tls else ''}{host}:{self.port}"


def parse(text: Optional[str]) -> Address:
    """``HOST:PORT``, ``[IPV6]:PORT``, ``tls://`` and one of these, or ``unix:PATH``; None is ``BERTH_SERVER``, else the default."""
    if text is not None and not isinstance(text, str):
        raise TypeError(f"address must be a str, not {type(text).__name__}: {USE}")
    if text is None:
        text = os.environ.get("BERTH_SERVER") or DEFAULT
    if text.startswith("unix:"):
        if len(text) == len("unix:"):
            raise ValueError(f'"{text}" is not an address: {USE}')
        return Address("", 0, text[len("unix:") :])
    is_tls = text.startswith(TLS)
    rest = text[len(TLS) :] if is_tls else text
    use = USE_TLS if text.startswith("tls:") else USE
    if "://" in rest:
        raise ValueError(f'"{text}" is a URL, not an address: {use}')
    host, colon, port = rest.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed:
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'"{text}" is not an address: {use}')
    return Address(host, int(port), None, is_tls)

# SPDX-License-Identifier: Apache-2.0
"""Jupyter's messages (https://jupyter-client.readthedocs.io/en/stable/messaging.html), seen as they pass, and made."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import uuid
from typing import Any, Dict, List, NamedTuple, Optional

from .zmtp import Message, encoded

_DELIMITER = b"<IDS|MSG>"
Header = Dict[str, Any]


class Seen(NamedTuple):
    header: Header
    parent: Header
    content: bytes


def seen(frames: Message) -> Optional[Seen]:
    """A message of Jupyter's; None: it is none, or one that is too large to be looked at."""
    try:
        place = frames.index(_DELIMITER)
        header, parent = json.loads(frames[place + 2]), json.loads(frames[place + 3])
    except (ValueError, IndexError):
        return None
    content = frames[place + 5] if len(frames) > place + 5 else b""
    return Seen(header, parent, content) if isinstance(header, dict) and isinstance(parent, dict) else None


class Writer:
    """Makes messages in a kernel's name."""

    def __init__(self, key: bytes, scheme: str) -> None:
        self._key = key
        self._hash = scheme.partition("-")[2] or "sha256"
        self._session = uuid.uuid4().hex

    def message(self, kind: str, content: Dict[str, Any], parent: Header, topic: Optional[bytes] = None) -> bytes:
        header = {
            "msg_id": uuid.uuid4().hex,
            "username": "berth",
            "session": self._session,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "msg_type": kind,
            "version": "5.3",
        }
        parts = [json.dumps(part).encode() for part in (header, parent, {}, content)]
        frames: List[bytes] = [] if topic is None else [topic]
        return encoded([*frames, _DELIMITER, self._signature(parts), *parts])

    def _signature(self, parts: List[bytes]) -> bytes:
        if not self._key:
            return b""
        return hmac.new(self._key, b"".join(parts), getattr(hashlib, self._hash)).hexdigest().encode()

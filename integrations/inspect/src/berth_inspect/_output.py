# SPDX-License-Identifier: Apache-2.0
"""What is kept of a program's output."""

from __future__ import annotations

from collections import deque


class Tail:
    """The last bytes of a stream: at most ``limit``, however much there is. What came before is discarded, as Inspect's own
    sandboxes do."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_cut = False

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        while self._size - len(self._pieces[0]) >= self._limit:
            self._size -= len(self._pieces.popleft())
            self._is_cut = True

    def text(self) -> str:
        """As UTF-8; what is none becomes U+FFFD. A character whose beginning was discarded is discarded whole."""
        data = b"".join(self._pieces)
        if len(data) > self._limit:
            data, self._is_cut = data[-self._limit :], True
        if self._is_cut:
            start = 0
            while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
                start += 1
            data = data[start:]
        return data.decode("utf-8", "replace")

# SPDX-License-Identifier: Apache-2.0
"""The cells that a kernel owes an answer, and what they are told when it has died."""

from __future__ import annotations

import json
from typing import Container, Dict, List, Optional

from .messages import Header, Seen, Writer
from .reasons import Reason

#: More that wait, of a frontend that floods a kernel, are not told.
_MOST = 1000


class Pending:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._cells: Dict[str, Header] = {}
        #: The number of the cell that began last, and its id.
        self._count, self._last = 0, ""
        #: Somebody has asked the kernel to end: that is no death.
        self.is_to_end = False
        #: And to be started again afterwards.
        self.is_to_restart = False

    def asked(self, message: Optional[Seen]) -> Optional[str]:
        """Something goes to the kernel; the id of a cell."""
        if message is None:
            return None
        kind = message.header.get("msg_type")
        if kind == "shutdown_request":
            self.is_to_end = True
            self.is_to_restart = b'"restart": true' in message.content or b'"restart":true' in message.content
        if kind != "execute_request" or len(self._cells) >= _MOST:
            return None
        id = str(message.header.get("msg_id"))
        self._cells[id] = message.header
        return id

    def answered(self, message: Optional[Seen]) -> Optional[str]:
        """An answer has come; the id of the cell."""
        if message is None or message.header.get("msg_type") != "execute_reply":
            return None
        id = str(message.parent.get("msg_id"))
        self._cells.pop(id, None)
        return id

    def began(self, message: Optional[Seen]) -> None:
        """A cell's number is told when it begins."""
        try:
            if message is not None:
                self._count, self._last = int(json.loads(message.content)["execution_count"]), str(message.parent["msg_id"])
        except (ValueError, KeyError, TypeError):
            pass

    def rests(self, message: Optional[Seen]) -> None:
        """A cell is done, whether or not who has asked is still there to be answered."""
        if message is not None and b'"idle"' in message.content:
            self._cells.pop(str(message.parent.get("msg_id")), None)

    def told(self, reason: Reason) -> List[bytes]:
        """For those who see what all cells show: that the first has failed, and that nothing runs any more."""
        told: List[bytes] = []
        for index, cell in enumerate(self._cells.values()):
            if index == 0:
                told.append(self._writer.message("error", _error(reason), cell, b"kernel.berth.error"))
            told.append(self._writer.message("status", {"execution_state": "idle"}, cell, b"kernel.berth.status"))
        return told

    def replies(self, reason: Reason, asked: Container[str]) -> List[bytes]:
        """For who has asked: the first cell has failed, and those behind it were not begun."""
        replies: List[bytes] = []
        for index, (id, cell) in enumerate(self._cells.items()):
            if id in asked:
                content: Dict[str, object] = {"status": "aborted"}
                if index == 0:
                    # A kernel may die before it has told that a cell began.
                    count = self._count + (id != self._last)
                    content = {**_error(reason), "status": "error", "execution_count": count}
                replies.append(self._writer.message("execute_reply", content, cell))
        return replies


def _error(reason: Reason) -> Dict[str, object]:
    red, plain = "\x1b[0;31m", "\x1b[0m"
    traceback = [f"{red}The kernel died:{plain} {reason.words}", *reason.advice.split("\n")]
    return {"ename": "KernelDied", "evalue": reason.words, "traceback": traceback}

# SPDX-License-Identifier: Apache-2.0
"""When to try to connect again."""

from __future__ import annotations

import random
import time
from typing import Optional

from ._address import Address
from ._errors import BerthError, Code
from ._security import Security, distrust


class Attempts:
    """One try after another, until a time is up."""

    FIRST, LONGEST = 0.05, 1.0

    def __init__(self, address: Address, security: Security, limit: float, deadline: Optional[float]) -> None:
        """``limit`` in seconds, from now; ``deadline`` on the monotonic clock."""
        self._address = address
        self._security = security
        end = time.monotonic() + limit
        self._end = end if deadline is None else min(end, deadline)
        self._pause = self.FIRST

    @property
    def remaining(self) -> float:
        """For the next try; never 0, which would mean without waiting."""
        return max(0.001, self._end - time.monotonic())

    def failed(self, error: BaseException) -> float:
        """How long to sleep before the next try. Raises ``UnavailableError`` when there is to be none."""
        pause = self._pause * random.uniform(0.5, 1)
        self._pause = min(self._pause * 2, self.LONGEST)
        # A certificate does not get better by being looked at again.
        wrong = distrust(error, self._security)
        if wrong is not None:
            raise BerthError.of(Code.UNAVAILABLE, f"no TLS with the server at {self._address}: {wrong}") from error
        if pause >= self._end - time.monotonic():
            raise BerthError.of(
                Code.UNAVAILABLE,
                f"no Berth server at {self._address}: {str(error) or type(error).__name__}; "
                'start one with "berth serve", or name another with BERTH_SERVER',
            ) from error
        return pause

# SPDX-License-Identifier: Apache-2.0
"""Keeps a lease while its agent thinks."""

from __future__ import annotations

import logging
import threading
import time

import berth

logger = logging.getLogger(__name__)


class Keeper:
    """Renews a lease from a thread of its own, until nothing has used it for ``keep`` seconds, or ``stop``."""

    def __init__(self, lease: berth.Lease, keep: float) -> None:
        self._lease = lease
        self._keep = keep
        self._used = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="berth-keeper", daemon=True)
        self._thread.start()

    def used(self) -> None:
        self._used = time.monotonic()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(max(0.1, self._lease.ttl / 3)):
            if time.monotonic() - self._used > self._keep:
                return
            try:
                self._lease.renew()
            except berth.NotFoundError:
                return  # It has ended. The next call says so.
            except berth.BerthError as error:
                logger.info("a lease could not be renewed: %s", error)
            except RuntimeError:
                return  # The client was closed.

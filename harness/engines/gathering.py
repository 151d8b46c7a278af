"""Requests come one by one; who starts a batch that nobody can join later waits for the rest of it."""

from __future__ import annotations

import queue
import time
from typing import Any

_LOOK_S = 0.001
_QUIET_S = 0.005


def until_quiet(inbox: queue.SimpleQueue[Any], enough: int) -> None:
    """Return when the inbox holds `enough`, or when for 5 ms nothing more has come."""
    seen, since = inbox.qsize(), time.monotonic()
    while seen < enough and time.monotonic() - since < _QUIET_S:
        time.sleep(_LOOK_S)
        if inbox.qsize() != seen:
            seen, since = inbox.qsize(), time.monotonic()

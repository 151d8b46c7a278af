"""What went over the wire to a server, counted as it went."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Accounting:
    """Sums up to one moment.

    `requests` were asked for, `failures` of them ended in an error (cancelled ones did not). Every try counts
    in `by_status`, once, when it is over: under its HTTP status, or as `not reached`, `time-out`,
    `broken answer`, `cancelled`. Tokens are what the server said; `usage_unknown` counts the tries whose
    answer began and never told its tokens. Bytes are those of bodies, headers left out.
    """

    requests: int = 0
    retries: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    usage_unknown: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)

    @property
    def tries(self) -> int:
        """The tries that are over."""
        return sum(self.by_status.values())


@dataclass(slots=True)
class Ledger:
    """Where the counts are kept; safe between threads."""

    _counts: Counter[str] = field(default_factory=Counter)
    _by_status: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        """Raise fields of `Accounting` by so much."""
        with self._lock:
            self._counts.update(counts)

    def started(self) -> int:
        """A request was asked for; its number, from 1."""
        with self._lock:
            self._counts["requests"] += 1
            return self._counts["requests"]

    def tried(self, outcome: str, sent: int) -> None:
        """One try is over."""
        with self._lock:
            self._by_status[outcome] += 1
            self._counts["bytes_sent"] += sent

    def snapshot(self) -> Accounting:
        """The sums now."""
        with self._lock:
            return Accounting(**self._counts, by_status=dict(self._by_status))

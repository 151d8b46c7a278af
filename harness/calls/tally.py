"""Exact accounting of a run's calls: what was asked, what it took, where answers came from, what it cost.

A model counts its own calls. Where its engine counts at the transport (the endpoint does), those counts are
kept beside them: retries are known there only, and both must agree.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from harness.calls.answer import Answer, Role
from harness.calls.price import FREE, Price
from harness.engines.accounting import Accounting
from harness.engines.protocol import Engine


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums of one role, or of all.

    `calls` were handed to the engine, and end as `answered`, `failures`, `timeouts` or `cancelled`; their
    tokens are those of the answers. `cache_hits` and `journal_hits` asked nobody. What `journal_hits` had
    been paid for by an earlier process stands under `earlier_`. `cut` answers met their limit and were asked
    for again with a larger one, `filled` ones filled the context. `retries` are the transport's. `lost_`
    tokens are paid for and in no answer. `busy_s` is the time with at least one call open.
    """

    calls: int = 0
    answered: int = 0
    failures: int = 0
    timeouts: int = 0
    cancelled: int = 0
    retries: int = 0
    cache_hits: int = 0
    journal_hits: int = 0
    cut: int = 0
    filled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    lost_prompt_tokens: int = 0
    lost_completion_tokens: int = 0
    earlier_calls: int = 0
    earlier_prompt_tokens: int = 0
    earlier_completion_tokens: int = 0
    earlier_cached_tokens: int = 0
    busy_s: float = 0.0
    usd: float = 0.0
    earlier_usd: float = 0.0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in _FIELDS})


_FIELDS = fields(Counts)


@dataclass(slots=True)
class Account:
    """The counts of one model; safe between threads."""

    role: Role
    price: Price
    clock: Callable[[], float]
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: int = 0
    _since: float = 0.0
    _busy_s: float = 0.0

    def add(self, **counts: int) -> None:
        """Raise fields of `Counts` by so much."""
        with self._lock:
            self._counts.update(counts)

    def opened(self) -> None:
        """A call is open."""
        with self._lock:
            self._counts["calls"] += 1
            if not self._open:
                self._since = self.clock()
            self._open += 1

    def closed(self) -> None:
        """A call is over."""
        with self._lock:
            self._open -= 1
            if not self._open:
                self._busy_s += self.clock() - self._since

    def answered(self, answer: Answer) -> None:
        """The engine answered."""
        self.add(
            answered=1,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            cached_tokens=answer.cached_tokens,
        )

    def found(self, answer: Answer) -> None:
        """An earlier process of this run had the answer: `answer` with the source it had then."""
        self.add(journal_hits=1)
        if answer.source == "engine":
            self.add(
                earlier_calls=1,
                earlier_prompt_tokens=answer.prompt_tokens,
                earlier_completion_tokens=answer.completion_tokens,
                earlier_cached_tokens=answer.cached_tokens,
            )

    def counts(self) -> Counts:
        """The sums now, with their cost."""
        with self._lock:
            sums = Counts(**self._counts, busy_s=self._busy_s)
        now = self.price.of_tokens(sums.prompt_tokens, sums.completion_tokens, sums.cached_tokens)
        earlier = self.price.of_tokens(
            sums.earlier_prompt_tokens, sums.earlier_completion_tokens, sums.earlier_cached_tokens
        )
        return sums.plus(Counts(usd=now + self.price.of_time(sums.busy_s), earlier_usd=earlier))


@dataclass(slots=True)
class _Wire:
    """The transport of one engine, and the models that use it."""

    name: str
    accounting: Callable[[], Accounting]
    before: Accounting
    accounts: list[Account] = field(default_factory=list)

    @property
    def roles(self) -> list[Role]:
        return sorted({account.role for account in self.accounts})

    def since(self, name: str) -> int:
        """By how much a count has grown since the first model began to use it."""
        return int(getattr(self.accounting(), name)) - int(getattr(self.before, name))

    def answered(self, name: str) -> int:
        """The same count by the models."""
        return sum(int(getattr(account.counts(), name)) for account in self.accounts)

    def extra(self) -> Counts:
        """What only the transport knows."""
        prompt, completion = (
            self.since(name) - self.answered(name) for name in ("prompt_tokens", "completion_tokens")
        )
        price = self.accounts[0].price
        return Counts(
            retries=self.since("retries"),
            lost_prompt_tokens=prompt,
            lost_completion_tokens=completion,
            usd=price.of_tokens(prompt, completion),
        )


@dataclass(slots=True)
class Tally:
    """The accounts of a run's models. `clock` gives seconds."""

    clock: Callable[[], float] = time.monotonic
    _accounts: list[Account] = field(default_factory=list)
    _wires: dict[int, _Wire] = field(default_factory=dict)

    def account(self, role: Role, engine: Engine, price: Price = FREE) -> Account:
        """A new account for a model that asks `engine`."""
        account = Account(role, price, self.clock)
        self._accounts.append(account)
        accounting: Callable[[], Accounting] | None = getattr(engine, "accounting", None)
        if accounting is not None:
            wire = self._wires.setdefault(id(engine), _Wire(engine.name, accounting, accounting()))
            wire.accounts.append(account)
        return account

    def counts(self, role: Role) -> Counts:
        """Sums of one role. What only a transport knows is missing where two roles share it; see `total`."""
        own = [account.counts() for account in self._accounts if account.role == role]
        extra = [wire.extra() for wire in self._wires.values() if wire.roles == [role]]
        return _sum([*own, *extra])

    def total(self) -> Counts:
        """Sums of all roles."""
        return _sum(
            [
                *(account.counts() for account in self._accounts),
                *(wire.extra() for wire in self._wires.values()),
            ]
        )

    def disagreements(self) -> list[str]:
        """Where models and transports count differently; empty when all agree. Ask when no call is open."""
        found = []
        for wire in self._wires.values():
            failed, told = wire.answered("failures"), wire.since("failures")
            if failed != told:
                found.append(f"{wire.name}: {failed} failed calls, {told} at the transport")
            if wire.answered("calls") > wire.since("requests"):
                found.append(f"{wire.name}: more calls than requests at the transport")
            extra = wire.extra()
            if extra.lost_prompt_tokens < 0 or extra.lost_completion_tokens < 0:
                found.append(f"{wire.name}: answers have more tokens than the transport saw")
        return found

    def document(self) -> dict[str, Any]:
        """Everything as JSON: by role, in total, and what went over each wire."""
        roles = sorted({account.role for account in self._accounts})
        return {
            "roles": {role: asdict(self.counts(role)) for role in roles},
            "total": asdict(self.total()),
            "transports": [_wire_document(wire) for wire in self._wires.values()],
        }


def _wire_document(wire: _Wire) -> dict[str, Any]:
    names = [each.name for each in fields(Accounting) if each.name != "by_status"]
    now, before = wire.accounting().by_status, wire.before.by_status
    by_status = {status: count - before.get(status, 0) for status, count in sorted(now.items())}
    return {
        "engine": wire.name,
        "roles": wire.roles,
        **{name: wire.since(name) for name in names},
        "by_status": {status: count for status, count in by_status.items() if count},
    }


def _sum(counts: list[Counts]) -> Counts:
    whole = Counts()
    for each in counts:
        whole = whole.plus(each)
    return whole

"""Continuous batching as plain code: which request sits in which sequence, and which tokens run next.

Knows no model: `Compute` runs tokens and keeps their keys and values, a job's `choose` picks from logits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.engines.protocol import FinishReason
from harness.engines.text_stream import TextStream

Logits = NDArray[np.float32]

# (busy sequences, free sequences) -> how many requests may join now
Admission = Callable[[int, int], int]

# A shorter prefix saves next to nothing, for which no cached sequence should be pushed out.
_MIN_SHARED_TOKENS = 16


def continuous(busy: int, free: int) -> int:
    """Whoever waits joins as soon as a sequence is free."""
    return free


def static(busy: int, free: int) -> int:
    """A batch joins when the one before it has ended altogether."""
    return 0 if busy else free


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens to run on one sequence from a position on; `wants_logits` of the last one."""

    sequence: int
    position: int
    tokens: Sequence[int]
    wants_logits: bool


class Compute(Protocol):
    """What runs tokens and holds their keys and values, per sequence."""

    def decode(self, runs: Sequence[Run]) -> Logits:
        """Run them in one batch; logits [runs that want them, vocabulary], valid until the next call."""
        ...

    def forget(self, sequence: int, position: int) -> bool:
        """Drop what the sequence holds from there on; False when only all of it can be dropped."""
        ...

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Let the target, which is empty, hold the source's first tokens too."""
        ...


@dataclass(eq=False, slots=True)
class Job:
    """One request on the worker's side.

    `choose` picks a token from logits [vocabulary] and remembers it, None where no token may follow; without
    it the best one is taken. Tokens of `ends` end the completion and are not part of it.
    """

    number: int
    prompt: list[int]
    max_tokens: int
    text: TextStream
    choose: Callable[[Logits], int | None] | None = None
    ends: frozenset[int] = frozenset()
    cached_tokens: int = 0
    made: int = 0


@dataclass(slots=True)
class News:
    """What one step has to tell, each entry beginning with the job's number.

    `pieces`: text, and the token it came with or None. `ends`: reason, cached tokens. `failures`: why.
    """

    pieces: list[tuple[int, str, int | None]] = field(default_factory=list)
    ends: list[tuple[int, FinishReason, int]] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pieces or self.ends or self.failures)


@dataclass(eq=False, slots=True)
class Slot:
    """One sequence: its job, its tokens, and how many of them are computed, so held in the context.

    With `leader` it waits for the first `shared` tokens that the leader computes for `leading`.
    """

    sequence: int
    job: Job | None = None
    tokens: list[int] = field(default_factory=list)
    computed: int = 0
    joined: int = 0
    leader: Slot | None = None
    leading: Job | None = None
    shared: int = 0

    @property
    def missing(self) -> int:
        """Tokens that must still run before the next one can be chosen."""
        return len(self.tokens) - self.computed


class Scheduler:
    """Shares `parallel` sequences among jobs, `batch_tokens` tokens a step.

    A step runs one token of every sequence that is generating and fills up with prompts, oldest first. With
    `prefix_cache` a job starts from the longest prefix that any sequence holds, or is about to hold.
    """

    def __init__(
        self,
        compute: Compute,
        piece: Callable[[int], bytes],
        *,
        parallel: int,
        batch_tokens: int,
        prefix_cache: bool = True,
        admission: Admission = continuous,
    ) -> None:
        self._compute = compute
        self._piece = piece
        self._batch_tokens = batch_tokens
        self._prefix_cache = prefix_cache
        self._admission = admission
        self._slots = [Slot(sequence) for sequence in range(parallel)]
        self._waiting: deque[Job] = deque()
        self._joined = 0

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._waiting and all(slot.job is None for slot in self._slots)

    def add(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append(job)

    def stop(self, number: int, reason: FinishReason, news: News) -> None:
        """End a job early, queued or running; one that has ended already is left alone."""
        for job in self._waiting:
            if job.number == number:
                self._waiting.remove(job)
                news.ends.append((number, reason, 0))
                return
        for slot in self._slots:
            if slot.job is not None and slot.job.number == number:
                self._end(slot, slot.job, reason, news)

    def borrow(self) -> int | None:
        """A sequence without a job, emptied, for work outside the schedule before the next step."""
        self._follow()
        slot = min(self._free(), key=lambda slot: slot.joined, default=None)
        if slot is None:
            return None
        self._keep(slot, 0)
        return slot.sequence

    def step(self, news: News, *, joining: bool = True) -> None:
        """One batch: let jobs join, run tokens, choose the next ones."""
        self._follow()
        if joining:
            self._admit()
            self._follow()
        planned = self._plan()
        if not planned:
            return
        runs = [
            Run(
                slot.sequence,
                slot.computed,
                slot.tokens[slot.computed : slot.computed + n],
                n == slot.missing,
            )
            for slot, n in planned
        ]
        logits = self._compute.decode(runs)
        for slot, n in planned:
            slot.computed += n
        self._choose([slot for slot, _ in planned if not slot.missing], logits, news)

    def _free(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.job is None]

    # who joins, and where

    def _admit(self) -> None:
        free = self._free()
        joining = self._admission(len(self._slots) - len(free), len(free))
        for _ in range(min(joining, len(self._waiting))):
            self._seat(self._waiting.popleft())

    def _seat(self, job: Job) -> None:
        free = self._free()
        slot = min(free, key=lambda slot: slot.joined)
        kept, leader = 0, None
        if self._prefix_cache:
            # The last token of a prompt always runs: its logits choose the first one of the completion.
            wanted = job.prompt[:-1]
            shared = {slot.sequence: _common(slot.tokens, wanted) for slot in self._slots}
            source = max(self._slots, key=lambda slot: (shared[slot.sequence], slot.job is None))
            if shared[source.sequence] >= _MIN_SHARED_TOKENS:
                if source.job is None:
                    slot, kept = source, shared[source.sequence]
                else:
                    leader = source
        self._keep(slot, kept)
        self._joined += 1
        slot.joined, slot.job, slot.tokens = self._joined, job, list(job.prompt)
        job.cached_tokens = slot.computed
        if leader is not None:
            slot.leader, slot.leading, slot.shared = leader, leader.job, shared[leader.sequence]

    def _keep(self, slot: Slot, tokens: int) -> None:
        tokens = min(tokens, slot.computed)
        if slot.computed > tokens and not self._compute.forget(slot.sequence, tokens):
            self._compute.forget(slot.sequence, 0)
            tokens = 0
        slot.computed = tokens
        slot.tokens = slot.tokens[:tokens]

    def _follow(self) -> None:
        """Give each sequence that waits for another's prefix its copy as soon as that is computed."""
        for slot in self._slots:
            leader = slot.leader
            if leader is None or (leader.computed < slot.shared and leader.job is slot.leading):
                continue
            shared = min(slot.shared, leader.computed)
            if shared:
                self._compute.copy(leader.sequence, slot.sequence, shared)
            slot.computed = shared
            slot.leader = slot.leading = None
            if slot.job is not None:
                slot.job.cached_tokens = shared

    # what runs

    def _plan(self) -> list[tuple[Slot, int]]:
        """(sequence, tokens to run): those that generate first, then prompts in the order they joined."""
        ready = [slot for slot in self._slots if slot.job is not None and slot.leader is None]
        ready.sort(key=lambda slot: (slot.job is not None and not slot.job.made, slot.joined))
        planned, left = [], self._batch_tokens
        for slot in ready:
            n = min(slot.missing, left)
            if n:
                planned.append((slot, n))
                left -= n
        return planned

    # what comes out

    def _choose(self, slots: list[Slot], logits: Logits, news: News) -> None:
        if not slots:
            return
        best = logits.argmax(axis=1)
        # argmax stops at the first NaN it meets.
        broken = np.isnan(logits[np.arange(len(slots)), best])
        for row, slot in enumerate(slots):
            job = slot.job
            assert job is not None
            if broken[row]:
                self._fail(slot, job, "the model's logits are not numbers", news)
                continue
            token = int(best[row]) if job.choose is None else job.choose(logits[row])
            if token is None:
                self._fail(slot, job, "no token of this model's vocabulary fits the grammar here", news)
            else:
                self._take(slot, job, token, news)

    def _take(self, slot: Slot, job: Job, token: int, news: News) -> None:
        if token in job.ends:
            self._end(slot, job, "stop", news)
            return
        slot.tokens.append(token)
        job.made += 1
        news.pieces.append((job.number, job.text.add(self._piece(token)), token))
        if job.text.stopped:
            self._end(slot, job, "stop", news)
        elif job.made >= job.max_tokens:
            self._end(slot, job, "length", news)

    def _end(self, slot: Slot, job: Job, reason: FinishReason, news: News) -> None:
        rest = job.text.end()
        if rest:
            news.pieces.append((job.number, rest, None))
        news.ends.append((job.number, reason, job.cached_tokens))
        self._release(slot)

    def _fail(self, slot: Slot, job: Job, why: str, news: News) -> None:
        news.failures.append((job.number, why))
        self._release(slot)

    def _release(self, slot: Slot) -> None:
        # What is computed stays for the next job; the last chosen token is not.
        slot.tokens = slot.tokens[: slot.computed]
        slot.job = slot.leader = slot.leading = None


def _common(a: list[int], b: list[int]) -> int:
    """Length of the common prefix, by halving: comparing slices is far quicker than a loop over tokens."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low

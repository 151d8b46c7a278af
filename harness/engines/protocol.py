"""The one protocol of everything that turns prompts into tokens. Imports nothing of ours.

An engine does one thing: it takes requests (`submit`) and hands each one's tokens to its ticket as they come.
How requests share the hardware (one by one, in static batches, continuously) is the engine's business.
`generate`, `stream` and their async forms below are written once, on top of `submit`.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled", "timeout"]
Capability = Literal[
    "logits", "hidden_states", "attention_rows", "schema", "grammar", "prefix_cache", "parallel"
]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy; `top_k` 0 and `top_p` 1 leave all tokens in.

    `schema` is a JSON schema, `grammar` a GBNF grammar that the completion must fit (at most one of them).
    `ignore_eos` goes on to `max_tokens` whatever the model says: for benchmarks that need equal work.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    grammar: str = ""
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt: a chat, which the engine renders with the model's template, plain text, or token ids."""

    prompt: tuple[Message, ...] | str | tuple[int, ...]
    sampling: Sampling = Sampling()
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from `submit`: until the first token, and until the end."""

    time_to_first_token_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one request. `cached_tokens` of the prompt were not computed again."""

    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    completion_tokens: int
    finish_reason: FinishReason
    timings: Timings
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What one step added: text (may be empty while a character is incomplete) and its token ids."""

    text: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Forward:
    """One teacher-forced pass over `tokens` tokens; only what was asked for is set (numpy, float32).

    `logits` [tokens, vocabulary]: row i predicts token i + 1. `hidden_states` [layers + 1, tokens, hidden].
    `attention_rows` [layers, heads, rows, tokens] of the rows asked for.
    """

    tokens: int
    logits: Any = None
    hidden_states: Any = None
    attention_rows: Any = None


class EngineFailure(Exception):  # noqa: N818 (a failure of the machine, as opposed to a mistake)
    """The engine could not do its work: it died, did not answer, ran out of memory. Never a wrong answer.

    `retryable` says whether the same request may succeed when asked again.
    """

    def __init__(self, what: str, *, retryable: bool = False) -> None:
        self.retryable = retryable
        super().__init__(what)


class Engine(Protocol):
    """What every engine offers. One that lacks a capability says why in `lacks` and refuses to use it."""

    @property
    def name(self) -> str:
        """Engine, its batching and its version, as reports print it."""
        ...

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """The capabilities this engine has not, each with the reason."""
        ...

    @property
    def context_tokens(self) -> int:
        """The most tokens that a prompt and its completion may have together."""
        ...

    def submit(self, request: Request) -> Ticket:
        """Take a request in; raises HarnessError for one that can never be served (too long, lacking)."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of the text, special tokens recognised, nothing added."""
        ...

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """One pass over given tokens, nothing generated; `rows` are the positions of `attention_rows`."""
        ...

    def close(self) -> None:
        """Free what the engine holds; open tickets fail. May be called twice."""
        ...


@dataclass(slots=True)
class Ticket:
    """One request on its way: the engine's side puts pieces and ends it, the caller's side reads or cancels.

    Safe between threads. `deadline` is on `time.monotonic`, None without a time-out.
    """

    request: Request
    submitted: float = field(default_factory=time.monotonic)
    deadline: float | None = None
    _events: queue.SimpleQueue[Piece | Completion | BaseException] = field(default_factory=queue.SimpleQueue)
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _first: float | None = None
    _end: Completion | BaseException | None = None

    def __post_init__(self) -> None:
        if self.deadline is None and self.request.timeout_s is not None:
            self.deadline = self.submitted + self.request.timeout_s

    # the engine's side

    @property
    def stop_reason(self) -> Literal["cancelled", "timeout"] | None:
        """Why the engine should stop working on it now, or None."""
        if self._cancelled.is_set():
            return "cancelled"
        return "timeout" if self.deadline is not None and time.monotonic() >= self.deadline else None

    def put(self, piece: Piece) -> None:
        """Hand on what one step made."""
        if self._first is None:
            self._first = time.monotonic()
        self._events.put(piece)

    def timings(self) -> Timings:
        """The timings if it ended now; without a token the first one counts as now."""
        now = time.monotonic()
        return Timings((self._first or now) - self.submitted, now - self.submitted)

    def finish(self, completion: Completion) -> None:
        """End it well."""
        self._events.put(completion)

    def fail(self, error: BaseException) -> None:
        """End it with an error, which `result` and `pieces` raise."""
        self._events.put(error)

    # the caller's side

    def cancel(self) -> None:
        """Ask the engine to stop; it then ends with finish_reason "cancelled"."""
        self._cancelled.set()

    def pieces(self) -> Iterator[Piece]:
        """The pieces as they come, up to the end; `result` then has the completion at once."""
        while self._end is None:
            event = self._events.get()
            if isinstance(event, Piece):
                yield event
            else:
                self._end = event
        if isinstance(self._end, BaseException):
            raise self._end

    def result(self) -> Completion:
        """Wait for the end; raises what the engine failed with."""
        for _ in self.pieces():
            pass
        assert isinstance(self._end, Completion)
        return self._end


def generate(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """All completions, in the order of the requests.

    Submits everything before waiting, so the engine may batch. When one request fails the others are
    cancelled and the failure is raised.
    """
    tickets: list[Ticket] = []
    try:
        tickets.extend(engine.submit(request) for request in requests)
        return [ticket.result() for ticket in tickets]
    except BaseException:
        for ticket in tickets:
            ticket.cancel()
        raise


def stream(engine: Engine, request: Request) -> Iterator[Piece]:
    """The pieces of one completion; leaving the loop early cancels it."""
    ticket = engine.submit(request)
    try:
        yield from ticket.pieces()
    finally:
        ticket.cancel()


async def agenerate(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """`generate` for async callers; cancelling the task cancels the requests."""
    tickets: list[Ticket] = []
    try:
        tickets.extend(engine.submit(request) for request in requests)
        return [await asyncio.to_thread(ticket.result) for ticket in tickets]
    finally:
        for ticket in tickets:
            ticket.cancel()


async def astream(engine: Engine, request: Request) -> AsyncIterator[Piece]:
    """`stream` for async callers."""
    ticket = engine.submit(request)
    pieces = ticket.pieces()
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        ticket.cancel()

"""A scripted engine: answers by a function, takes its time, fails on schedule, counts what was asked."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.engines.protocol import (
    Capability,
    Completion,
    EngineFailure,
    FinishReason,
    Forward,
    Message,
    Piece,
    Request,
    Ticket,
)
from harness.errors import HarnessError

AnswerTo = Callable[[tuple[Message, ...]], str]

_NO_TENSORS = "a scripted model computes no tensors"
_LACKS: Mapping[Capability, str] = {
    "logits": _NO_TENSORS,
    "hidden_states": _NO_TENSORS,
    "attention_rows": _NO_TENSORS,
    "grammar": "a scripted model answers as it is written",
    "prefix_cache": "a scripted model has nothing to keep",
}
_NAP_S = 0.05  # the longest that a cancelled request goes on


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a scripted engine serves.

    Each call takes `latency_s` from when one of the `slots` takes it. Calls are numbered from 0 in the order
    they were submitted: those in `fails` raise EngineFailure, which a retry may mend where `retryable`; those
    in `cut` ramble on from half their answer until their limit cuts them. A `range` says "from here on".
    """

    latency_s: float = 0.0
    slots: int = 64
    fails: Container[int] = ()
    retryable: bool = False
    cut: Container[int] = ()
    context_tokens: int = 16384


IDEAL = Conditions()


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls submitted, calls that failed or were cut, and the most that were open at once."""

    calls: int
    failed: int
    cut: int
    peak_open: int


class ScriptedEngine:
    """An `Engine` whose answer is a function of the messages alone, a token being a word.

    Safe between threads.
    """

    def __init__(self, answer: AnswerTo, name: str, conditions: Conditions = IDEAL) -> None:
        self._answer = answer
        self._name = name
        self._conditions = conditions
        self._pool = ThreadPoolExecutor(conditions.slots, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._tickets: dict[int, Ticket] = {}
        self._calls = self._failed = self._cut = self._peak = 0
        self._closed = False

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """Everything but answers in parallel and in a schema, which scripted answers fit by themselves."""
        return _LACKS

    @property
    def context_tokens(self) -> int:
        """Words that a prompt and its answer may have together."""
        return self._conditions.context_tokens

    @property
    def counts(self) -> Counts:
        """What has been asked so far."""
        with self._lock:
            return Counts(self._calls, self._failed, self._cut, self._peak)

    def submit(self, request: Request) -> Ticket:
        """Raises HarnessError for token ids, a grammar, and a prompt that leaves no room for an answer."""
        messages = _messages(request)
        room = self._conditions.context_tokens - _words(messages)
        if room < 1:
            raise HarnessError(
                f"a prompt of {_words(messages):,} tokens",
                where=self._name,
                allowed=f"fewer than the context of {self._conditions.context_tokens:,}",
            )
        if request.sampling.grammar:
            raise HarnessError("a grammar", where=self._name, allowed=_LACKS["grammar"])
        ticket = Ticket(request)
        with self._lock:
            if self._closed:
                raise EngineFailure(f"{self._name} is closed")
            number, self._calls = self._calls, self._calls + 1
            self._tickets[number] = ticket
            self._peak = max(self._peak, len(self._tickets))
            self._pool.submit(self._serve, number, ticket, messages, room)
        return ticket

    def tokenize(self, text: str) -> list[int]:
        """One id for each word, the same for the same word."""
        return [zlib.crc32(word.encode()) for word in text.split()]

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Always refused."""
        raise HarnessError(_NO_TENSORS, where=self._name)

    def close(self) -> None:
        """Open tickets fail."""
        with self._lock:
            self._closed = True
            tickets = list(self._tickets.values())
            self._tickets.clear()
        for ticket in tickets:
            ticket.fail(EngineFailure(f"{self._name} was closed"))
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self, number: int, ticket: Ticket, messages: tuple[Message, ...], room: int) -> None:
        """Answer one request; whatever goes wrong ends its ticket."""
        try:
            stopped = _sleep(ticket, self._conditions.latency_s)
            if number in self._conditions.fails:
                raise EngineFailure(
                    f"scripted failure of call {number}", retryable=self._conditions.retryable
                )
            end = self._completion(number, ticket, messages, room, stopped)
        except BaseException as error:
            with self._lock:
                self._failed += 1
                self._tickets.pop(number, None)
            ticket.fail(error)
            return
        # no longer open before its client can know: the client's next request is not counted on top
        with self._lock:
            self._cut += end.finish_reason == "length"
            self._tickets.pop(number, None)
        ticket.put(Piece(end.text, end.token_ids))
        ticket.finish(end)

    def _completion(
        self,
        number: int,
        ticket: Ticket,
        messages: tuple[Message, ...],
        room: int,
        stopped: FinishReason | None,
    ) -> Completion:
        text = "" if stopped else self._answer(messages)
        reason: FinishReason = stopped or "stop"
        most = min(ticket.request.sampling.max_tokens, room)
        if number in self._conditions.cut:
            text = text[: len(text) // 2] + " and" * (most + 1)
        if len(text.split()) > most:
            text, reason = " ".join(text.split()[:most]), "length"
        ids = tuple(self.tokenize(text))
        return Completion(text, ids, _words(messages), len(ids), reason, ticket.timings())


def _messages(request: Request) -> tuple[Message, ...]:
    prompt = request.prompt
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    messages = tuple(each for each in prompt if isinstance(each, Message))
    if len(messages) != len(prompt):
        raise HarnessError("token ids", allowed="messages or text: a scripted model reads words")
    return messages


def _words(messages: tuple[Message, ...]) -> int:
    return sum(len(message.content.split()) for message in messages)


def _sleep(ticket: Ticket, seconds: float) -> FinishReason | None:
    """Sleep so long, less when the ticket is to stop: then why."""
    end = time.monotonic() + seconds
    while not (stopped := ticket.stop_reason) and (left := end - time.monotonic()) > 0.0:
        time.sleep(min(left, _NAP_S))
    return stopped

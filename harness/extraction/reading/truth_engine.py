"""An engine that knows the truth: the reader that isolates what retrieval, caps and formats cost.

It answers a request by what its ask shows, which it is told before the request is sent (`expect`), in the
words of the format that the request is in; so prompts, limits, parsing and grounding are those of any model.
"""

from __future__ import annotations

import hashlib
import threading
import time
import zlib
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.engines.protocol import (
    Capability,
    Completion,
    EngineFailure,
    FinishReason,
    Forward,
    Piece,
    Request,
    Ticket,
)
from harness.errors import HarnessError
from harness.extraction.asks import Ask
from harness.extraction.reading.formats.format import Format
from harness.extraction.reading.knowing import said
from harness.extraction.reading.noise import Noise
from harness.extraction.reading.prefixes import FourCharacters, prompt_text
from harness.extraction.truth import Truth

_CHARACTERS = 4
_TOKENS = FourCharacters()
_NO_TENSORS = "a reader that knows the truth computes no tensors"
_LACKS: Mapping[Capability, str] = {
    "logits": _NO_TENSORS,
    "hidden_states": _NO_TENSORS,
    "attention_rows": _NO_TENSORS,
    "grammar": "it answers in its format anyway",
    "prefix_cache": "it has nothing to keep",
}
_NAP_S = 0.05


@dataclass(frozen=True, slots=True)
class Conditions:
    """How it serves.

    Each call takes `latency_s`, `slots` at a time. Calls are numbered from 0 as they are submitted: those in
    `fails` raise EngineFailure, which a retry may mend where `retryable`; those in `garbled` answer what is
    no JSON; those in `endless` repeat their answer without an end until their limit cuts them. A `range` says
    "from here on".
    """

    latency_s: float = 0.0
    slots: int = 16
    fails: Container[int] = ()
    retryable: bool = False
    garbled: Container[int] = ()
    endless: Container[int] = ()
    context_tokens: int = 1 << 20


IDEAL = Conditions()


class TruthEngine:
    """Answers asks about the companies of `truths`; a token is four characters. Perfect without `noise`.

    Safe between threads.
    """

    def __init__(
        self,
        truths: Sequence[Truth],
        format: Format,  # noqa: A002
        noise: Noise | None = None,
        conditions: Conditions = IDEAL,
    ) -> None:
        self._truths = {truth.company.digest: truth for truth in truths}
        self._format = format
        self._noise = noise
        self._conditions = conditions
        self._expected: dict[bytes, Ask] = {}
        self._lock = threading.Lock()
        self._calls = 0
        self._open: dict[int, Ticket] = {}
        self._closed = False
        self._pool = None
        if conditions.latency_s > 0:
            self._pool = ThreadPoolExecutor(conditions.slots, thread_name_prefix="truth")

    @property
    def name(self) -> str:
        """Perfect or noisy."""
        return "truth, perfect" if self._noise is None else f"truth, noisy (seed {self._noise.seed})"

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """Everything but answers in parallel and by schema."""
        return _LACKS

    @property
    def context_tokens(self) -> int:
        """Room for a prompt and its answer."""
        return self._conditions.context_tokens

    @property
    def calls(self) -> int:
        """How many requests were submitted."""
        with self._lock:
            return self._calls

    def expect(self, request: Request, ask: Ask) -> None:
        """This request will be about this part of an ask. Raises HarnessError for a company it does not
        know."""
        if ask.company.digest not in self._truths:
            raise HarnessError(
                "no truth is known of this company",
                where=ask.company.name,
                next_step="give the truth that belongs to exactly these documents, or another reader",
            )
        with self._lock:
            self._expected[_digest(request)] = ask

    def submit(self, request: Request) -> Ticket:
        """Raises HarnessError for a request that it was not told of, and for one that is too long."""
        digest = _digest(request)
        prompt_tokens = self._prompt_tokens(request)
        room = self.context_tokens - prompt_tokens
        if room < 1:
            raise HarnessError(
                f"a prompt of {prompt_tokens:,} tokens",
                where=self.name,
                allowed=f"fewer than the context of {self.context_tokens:,}",
            )
        with self._lock:
            if self._closed:
                raise EngineFailure(f"{self.name} is closed")
            if digest not in self._expected:
                raise HarnessError("this request was not announced by `expect`", where=self.name)
            ask = self._expected[digest]
            number, self._calls = self._calls, self._calls + 1
            ticket = Ticket(request)
            self._open[number] = ticket
            if self._pool is not None:
                self._pool.submit(self._serve, number, ticket, ask, digest, room)
        if self._pool is None:
            self._serve(number, ticket, ask, digest, room)
        return ticket

    def tokenize(self, text: str) -> list[int]:
        """One id for four characters."""
        pieces = (text[at : at + _CHARACTERS] for at in range(0, len(text), _CHARACTERS))
        return [zlib.crc32(piece.encode("utf-8", "surrogatepass")) for piece in pieces]

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Always refused."""
        raise HarnessError(_NO_TENSORS, where=self.name)

    def close(self) -> None:
        """Open tickets fail."""
        with self._lock:
            self._closed = True
            tickets = list(self._open.values())
            self._open.clear()
        for ticket in tickets:
            ticket.fail(EngineFailure(f"{self.name} was closed"))
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _prompt_tokens(self, request: Request) -> int:
        return _TOKENS.count(prompt_text(request))

    def _serve(self, number: int, ticket: Ticket, ask: Ask, digest: bytes, room: int) -> None:
        """Answer one request; whatever goes wrong ends its ticket."""
        try:
            stopped = _sleep(ticket, self._conditions.latency_s)
            if number in self._conditions.fails:
                raise EngineFailure(f"planned failure of call {number}", retryable=self._conditions.retryable)
            end = self._completion(number, ticket, ask, digest, room, stopped)
        except BaseException as error:
            with self._lock:
                self._open.pop(number, None)
            ticket.fail(error)
            return
        with self._lock:
            self._open.pop(number, None)
        ticket.put(Piece(end.text))
        ticket.finish(end)

    def _completion(
        self,
        number: int,
        ticket: Ticket,
        ask: Ask,
        digest: bytes,
        room: int,
        stopped: FinishReason | None,
    ) -> Completion:
        text = "" if stopped else self._text(number, ask, digest)
        reason: FinishReason = stopped or "stop"
        limit = _CHARACTERS * min(ticket.request.sampling.max_tokens, room)
        if number in self._conditions.endless and not stopped:
            text = (text[:-1] + text) * (limit // max(1, len(text)) + 1)
        if len(text) > limit:
            text, reason = text[:limit], "length"
        prompt_tokens = self._prompt_tokens(ticket.request)
        return Completion(text, (), prompt_tokens, _TOKENS.count(text), reason, ticket.timings())

    def _text(self, number: int, ask: Ask, digest: bytes) -> str:
        if number in self._conditions.garbled:
            return "I have read the documents and could not decide. {"
        one = said(self._truths[ask.company.digest], ask, self._noise, digest.hex())
        return self._format.answer(ask, one.found, (), one.elsewhere, one.facilities)


def _digest(request: Request) -> bytes:
    """Of the prompt alone: how long the answer may be does not change what is seen."""
    return hashlib.sha256(prompt_text(request).encode("utf-8", "surrogatepass")).digest()


def _sleep(ticket: Ticket, seconds: float) -> FinishReason | None:
    """Sleep so long, less when the ticket is to stop: then why."""
    end = time.monotonic() + seconds
    while not (stopped := ticket.stop_reason) and (left := end - time.monotonic()) > 0.0:
        time.sleep(min(left, _NAP_S))
    return stopped

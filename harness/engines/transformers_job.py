"""One request on the worker's side: which token comes next, and the text that its tokens make."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.engines.protocol import Completion, EngineFailure, FinishReason, Piece, Sampling, Ticket
from harness.engines.text_stream import TextStream

_INCOMPLETE = "\ufffd"
_MOST_HELD = 16


class Decoder(Protocol):
    """The part of a tokenizer that makes text of tokens."""

    def decode(self, ids: list[int], skip_special_tokens: bool = ...) -> str: ...


class Tally(Protocol):
    """What counts requests that have ended."""

    def count(self, prompt: int, cached: int, completion: int) -> None: ...


class Detokenizer:
    """Text of tokens as they come, special tokens left out; an incomplete character waits for its rest.

    Decodes a few tokens of context too, since some tokenizers write a token differently at the beginning.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._context: list[int] = []
        self._held: list[int] = []
        self._shown = ""

    def add(self, token: int) -> str:
        """What the token adds, "" while a character is incomplete."""
        self._held.append(token)
        text = self._decoder.decode(self._context + self._held, skip_special_tokens=True)
        # A character has at most four bytes: longer waits are for bytes that never become one.
        if text.endswith(_INCOMPLETE) and len(self._held) < _MOST_HELD:
            return ""
        return self._release(text)

    def end(self) -> str:
        """What was still held back; half a character becomes U+FFFD."""
        if not self._held:
            return ""
        return self._release(self._decoder.decode(self._context + self._held, skip_special_tokens=True))

    def _release(self, text: str) -> str:
        new = text[len(self._shown) :]
        self._context, self._held = self._held, []
        self._shown = self._decoder.decode(self._context, skip_special_tokens=True)
        return new


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits or runs. `ends` are the tokens that end it, `limit` is the most it may make."""

    ticket: Ticket
    prompt: tuple[int, ...]
    limit: int
    ends: frozenset[int]
    detokenizer: Detokenizer
    tally: Tally
    text: TextStream = field(init=False)
    random: np.random.Generator = field(init=False)
    made: list[int] = field(default_factory=list)
    cached_tokens: int = 0
    is_over: bool = False
    _parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = TextStream(self.sampling.stop)
        self.random = np.random.default_rng(self.sampling.seed)

    @property
    def sampling(self) -> Sampling:
        return self.ticket.request.sampling

    @property
    def is_greedy(self) -> bool:
        return self.sampling.temperature <= 0

    @property
    def last(self) -> int:
        """The token that runs next in decoding."""
        return self.made[-1]

    def take(self, token: int) -> None:
        """Count the next token in, hand on its text, and end where it ends. The ending token is left out."""
        if token in self.ends:
            self.finish("stop")
            return
        self.made.append(token)
        shown = self._show(self.detokenizer.add(token))
        self.ticket.put(Piece(shown, (token,)))
        if self.text.stopped:
            self.finish("stop")
        elif len(self.made) >= self.limit:
            self.finish("length")

    def finish(self, reason: FinishReason) -> None:
        """End the ticket with what there is."""
        rest = "" if self.text.stopped else self._show(self.detokenizer.end())
        if not self.text.stopped:
            held = self.text.end()
            self._parts.append(held)
            rest += held
        if rest:
            self.ticket.put(Piece(rest))
        self.is_over = True
        self.tally.count(len(self.prompt), self.cached_tokens, len(self.made))
        self.ticket.finish(
            Completion(
                text="".join(self._parts),
                token_ids=tuple(self.made),
                prompt_tokens=len(self.prompt),
                completion_tokens=len(self.made),
                finish_reason=reason,
                timings=self.ticket.timings(),
                cached_tokens=self.cached_tokens,
            )
        )

    def fail(self, error: BaseException) -> None:
        """End the ticket with an error."""
        self.is_over = True
        self.ticket.fail(error)

    def _show(self, text: str) -> str:
        shown = self.text.add(text.encode())
        self._parts.append(shown)
        return shown


def give_tokens(jobs: Iterable[Job], logits: Any) -> None:
    """One token for each job from its row of logits [jobs, vocabulary]: a torch tensor on any device.

    A row with a number that is none fails its job with EngineFailure.
    """
    highest, best = logits.max(dim=-1)  # a NaN anywhere in a row is its highest
    for row, (job, top, token) in enumerate(zip(jobs, highest.tolist(), best.tolist(), strict=True)):
        if job.is_over:
            continue
        if math.isnan(top):
            job.fail(EngineFailure("the model's logits are not numbers"))
        elif job.is_greedy:
            job.take(token)
        else:
            job.take(choose(logits[row].float().cpu().numpy(), job.sampling, job.random))


def choose(logits: NDArray[np.float32], sampling: Sampling, random: np.random.Generator) -> int:
    """A token drawn after temperature, then top-k, top-p and min-p, in the order of transformers.

    Uses one number of `random` per call, so the draw depends on nothing else that runs.
    """
    scores = logits.astype(np.float64) / sampling.temperature
    order = np.argsort(-scores, kind="stable")
    if sampling.top_k > 0:
        order = order[: sampling.top_k]
    weights = np.exp(scores[order] - scores[order[0]])
    weights /= weights.sum()
    if sampling.top_p < 1:
        before = np.cumsum(weights) - weights
        kept = max(1, int(np.count_nonzero(before < sampling.top_p)))
        order, weights = order[:kept], weights[:kept] / weights[:kept].sum()
    if sampling.min_p > 0:
        kept = int(np.count_nonzero(weights >= sampling.min_p * weights[0]))
        order, weights = order[:kept], weights[:kept]
    edges = np.cumsum(weights)
    at = int(np.searchsorted(edges, random.random() * edges[-1], side="right"))
    return int(order[min(at, len(order) - 1)])

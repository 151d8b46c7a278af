"""The cost model as an engine: requests take virtual time, answers have no text. Everything is modelled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.constants import Constants
from harness.costmodel.prefix_groups import PrefixGroups
from harness.costmodel.serving import Serving, rules_of, step_time_of, usable_blocks
from harness.costmodel.simulation import (
    Requests,
    outcome_of,
    requests_of,
    simulate_continuous,
    simulate_static,
)
from harness.costmodel.simulation.continuous import fitting
from harness.costmodel.simulation.outcome import Outcome
from harness.costmodel.simulation.requests import NO_GROUP
from harness.costmodel.tickets import ModelledTicket, OneCaller
from harness.costmodel.virtual import Simulate, Timeline, joined
from harness.engines.protocol import (
    Capability,
    EngineFailure,
    FinishReason,
    Forward,
    Message,
    Request,
    Sampling,
)
from harness.errors import HarnessError

Tokenize = Callable[[str | tuple[Message, ...]], Sequence[int]]
"""Token ids of a text, or of a chat as the model's template renders it."""
OutputTokens = Callable[[Request], int]
"""How many tokens a model would answer with before it stops by itself, from 1."""

_NOTHING_COMPUTED = "a cost model computes no tokens"
_LACKS: Mapping[Capability, str] = MappingProxyType(
    dict.fromkeys(("logits", "hidden_states", "attention_rows", "schema", "grammar"), _NOTHING_COMPUTED)
)
_NO_CACHE: Mapping[Capability, str] = {"prefix_cache": "it forgets a request at its end"}
_WHERE = "cost model"


class ModelledEngine:
    """An engine whose answers take the time that `simulate` says, on a virtual clock (see `Timeline`).

    A request arrives at the latest virtual time that the caller has seen: at the start, or when an answer
    was handed out. So `generate` sends all requests at once, and one after the other waits for each answer.
    One thread, and one task at a time, may ask; waiting costs no time. Completions have their token counts
    and virtual timings, "" as text and no token ids. A time-out is virtual, too.

    The answer has `max_tokens` tokens, or what the context leaves, unless `output_tokens` says that the
    model stops before (finish reason "stop"). `tokenize` is needed for text and chats. `cache_block_tokens`
    are the tokens of a block of the prefix cache, 0 without one; `prefix_groups` says what is shared, and
    `Timeline` what a cache costs. `fits` tells which requests could be served alone, all if it is None.
    """

    def __init__(
        self,
        simulate: Simulate,
        *,
        name: str,
        version: str,
        context_tokens: int,
        cache_block_tokens: int = 0,
        fits: Callable[[Requests], NDArray[np.bool_]] | None = None,
        lacks: Mapping[Capability, str] | None = None,
        tokenize: Tokenize | None = None,
        output_tokens: OutputTokens | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.context_tokens = context_tokens
        self.lacks: Mapping[Capability, str] = {**_LACKS, **(lacks or {})}
        self._fits = fits
        self._tokenize = tokenize
        self._output_tokens = output_tokens
        self._groups = PrefixGroups(cache_block_tokens) if cache_block_tokens else None
        self._timeline = Timeline(simulate, remembers=cache_block_tokens > 0)
        self._caller = OneCaller()
        self._lap_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Virtual seconds that the caller has seen pass, since the start or the last `lap`."""
        with self._timeline.lock:
            return self._timeline.total_s - self._lap_s

    def lap(self) -> float:
        """`elapsed_s`, which then counts from here."""
        with self._timeline.lock:
            elapsed_s, self._lap_s = self.elapsed_s, self._timeline.total_s
        return elapsed_s

    def outcome(self) -> Outcome:
        """Figures over everything asked since the start; HarnessError when there was nothing."""
        with self._timeline.lock:
            periods = self._timeline.so_far()
        if not periods:
            raise HarnessError("no request was served", where=_WHERE, next_step="ask for an answer first")
        return outcome_of(*joined(periods))

    def submit(self, request: Request) -> ModelledTicket:
        """Take a request in; `max_tokens` is cut to what the context leaves beside the prompt.

        Raises HarnessError for an empty prompt, one that fills the context or never fits the KV cache, text
        without a tokenizer, a schema or grammar, no output, and several threads or tasks at once.
        """
        timeline, sampling = self._timeline, request.sampling
        self._caller.check()
        self._refuse_constraint(sampling)
        prompt = self._prompt_ids(request.prompt)
        room = self.context_tokens - len(prompt)
        if not prompt or room < 1:
            raise HarnessError(
                f"the prompt has {len(prompt)} tokens",
                where=_WHERE,
                allowed=f"1 to {self.context_tokens - 1}",
            )
        most = min(sampling.max_tokens, room)
        output = most if sampling.ignore_eos else min(most, self._stops_after(request))
        self._refuse_unfit(len(prompt), output)
        timeout_s = math.inf if request.timeout_s is None else request.timeout_s
        with timeline.lock:
            if timeline.closed:
                raise EngineFailure("the engine is closed")
            prefix = (NO_GROUP, 0) if self._groups is None else self._groups.assign(prompt)
            ends: FinishReason = "stop" if output < most else "length"
            job = timeline.arrive(len(prompt), output, prefix, ends, timeout_s)
        return ModelledTicket(request, deadline=math.inf, timeline=timeline, job=job)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of the text by the tokenizer that was given; HarnessError without one."""
        return list(self._tokenizer()(text))

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """HarnessError: there is nothing to see of a pass."""
        raise HarnessError(
            f"no forward pass: {_NOTHING_COMPUTED}", where=_WHERE, next_step="take a real engine"
        )

    def close(self) -> None:
        """Open tickets fail; what was handed out stays."""
        with self._timeline.lock:
            self._timeline.closed = True

    def _refuse_constraint(self, sampling: Sampling) -> None:
        if sampling.schema is not None or sampling.grammar:
            raise HarnessError(
                f"no schema and no grammar: {_NOTHING_COMPUTED}",
                where=_WHERE,
                next_step="leave it out and say with output_tokens how long answers are",
            )
        if sampling.max_tokens < 1:
            raise HarnessError(f"max_tokens is {sampling.max_tokens}", where=_WHERE, allowed="1 and more")

    def _refuse_unfit(self, prompt: int, output: int) -> None:
        if self._fits is not None and not self._fits(requests_of(0.0, prompt, output)).all():
            raise HarnessError(
                f"{prompt} prompt and {output} output tokens never fit",
                where=self.name,
                next_step="shorten the request or give the engine more KV cache",
            )

    def _stops_after(self, request: Request) -> int:
        if self._output_tokens is None:
            return request.sampling.max_tokens
        tokens = self._output_tokens(request)
        if tokens < 1:
            raise HarnessError(f"output_tokens gave {tokens}", where=_WHERE, allowed="1 and more")
        return tokens

    def _prompt_ids(self, prompt: tuple[Message, ...] | str | tuple[int, ...]) -> Sequence[int]:
        if isinstance(prompt, str):
            return self._tokenizer()(prompt)
        chat = tuple(turn for turn in prompt if isinstance(turn, Message))
        if chat:
            return self._tokenizer()(chat)
        return [int(token) for token in prompt if not isinstance(token, Message)]

    def _tokenizer(self) -> Tokenize:
        if self._tokenize is None:
            raise HarnessError(
                "a cost model has no tokenizer of its own",
                where=_WHERE,
                next_step="give prompts as token ids, or the engine a tokenizer: tokenize=",
            )
        return self._tokenize


def continuous(
    serving: Serving,
    constants: Constants | None = None,
    *,
    tokenize: Tokenize | None = None,
    output_tokens: OutputTokens | None = None,
) -> ModelledEngine:
    """vLLM's continuous batching; HarnessError (exit 3) where the model does not fit on the row."""
    rules, blocks = rules_of(serving), usable_blocks(serving)
    step_time = step_time_of(serving, constants)
    lacks: dict[Capability, str] = {}
    if not rules.prefix_caching:
        lacks["prefix_cache"] = "switched off in its settings (prefix_caching)"
    if rules.max_sequences == 1:
        lacks["parallel"] = "its settings allow one sequence (max_sequences)"
    return ModelledEngine(
        partial(simulate_continuous, rules=rules, blocks=blocks, step_time=step_time),
        name=_name(f"continuous batching of at most {rules.max_sequences}", serving, step_time.version),
        version=step_time.version,
        context_tokens=serving.max_model_len,
        cache_block_tokens=rules.block_tokens if rules.prefix_caching else 0,
        fits=partial(fitting, rules=rules, blocks=blocks),
        lacks=lacks,
        tokenize=tokenize,
        output_tokens=output_tokens,
    )


def static(
    serving: Serving,
    parallel: int,
    constants: Constants | None = None,
    *,
    tokenize: Tokenize | None = None,
    output_tokens: OutputTokens | None = None,
) -> ModelledEngine:
    """Padded batches of up to `parallel` of the requests that wait: plain `generate` of a batch.

    HarnessError (exit 3) where not even one request of max_model_len tokens fits on the row; the KV cache of
    a batch is not checked. `serving.engine` says how kernels are launched (`steptime.EAGER_ENGINE`).
    """
    usable_blocks(serving)
    step_time = step_time_of(serving, constants)
    batching = f"static batches of at most {parallel}" if parallel > 1 else "one request at a time"
    return ModelledEngine(
        partial(simulate_static, max_sequences=parallel, step_time=step_time),
        name=_name(batching, serving, step_time.version),
        version=step_time.version,
        context_tokens=serving.max_model_len,
        lacks={**_NO_CACHE, "parallel": "it runs one request at a time"} if parallel == 1 else _NO_CACHE,
        tokenize=tokenize,
        output_tokens=output_tokens,
    )


def sequential(
    serving: Serving,
    constants: Constants | None = None,
    *,
    tokenize: Tokenize | None = None,
    output_tokens: OutputTokens | None = None,
) -> ModelledEngine:
    """One request at a time, first come first served: a static batch of one, which has no padding."""
    return static(serving, 1, constants, tokenize=tokenize, output_tokens=output_tokens)


def _name(batching: str, serving: Serving, version: str) -> str:
    model, row = f"{serving.shape.name} in {serving.weights.name}", serving.row.name
    return f"modelled {batching}: {model} on {row}, constants {version}"

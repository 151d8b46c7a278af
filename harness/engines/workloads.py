"""What engines are compared on: seeded requests of given lengths, answers checked for equal work.

Answers go on to their last token whatever the model says, so two engines that serve the same requests make
equally many tokens. One that makes fewer has failed; it is not faster.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from harness.engines.protocol import Completion, Engine, EngineFailure, Request, Sampling, generate
from harness.errors import HarnessError
from harness.measure.spec import Metric

_WORDS = (
    "the a on in near with after before morning evening river harbour market letter garden window road "
    "bridge village winter summer met walked wrote found left carried opened closed asked answered old new "
    "small quiet early late blue green and but while because"
).split()

ORDINARY_IDS = range(1_000, 30_000)
"""Ids that are ordinary tokens in every vocabulary of 32,000 and more."""


def vocabulary(folder: Path) -> range:
    """Ids that are ordinary tokens of a checkpoint: special ones are at the ends of a vocabulary.

    Raises HarnessError when config.json does not tell how large the vocabulary is.
    """
    try:
        size = int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"])
    except (OSError, ValueError, KeyError, TypeError):
        raise HarnessError("config.json names no vocab_size", where=str(folder)) from None
    return range(size // 8, size // 2)


def token_requests(
    ids: range,
    prompt_tokens: Sequence[int],
    answer_tokens: Sequence[int],
    *,
    shared_tokens: int = 0,
    seed: int = 0,
) -> tuple[Request, ...]:
    """One greedy request for each prompt length, of random ids; the same seed gives the same ids.

    The first `shared_tokens` of all prompts are the same, the next one differs from prompt to prompt. Answer
    lengths repeat when there are fewer of them. Raises HarnessError for a prompt that is not longer than what
    it shares, and for more prompts than ids.
    """
    if len(prompt_tokens) > len(ids):
        raise HarnessError(f"{len(prompt_tokens)} prompts", allowed=f"up to {len(ids)}, one for each id")
    if min(prompt_tokens) <= shared_tokens:
        raise HarnessError(
            f"a prompt of {min(prompt_tokens)} tokens", allowed=f"more than the {shared_tokens} it shares"
        )
    r = random.Random(f"workload {seed}")
    shared = r.choices(ids, k=shared_tokens)
    firsts = r.sample(ids, k=len(prompt_tokens))
    return tuple(
        Request((*shared, first, *r.choices(ids, k=length - shared_tokens - 1)), _exactly(answer))
        for first, length, answer in zip(firsts, prompt_tokens, itertools.cycle(answer_tokens), strict=False)
    )


def text_requests(count: int, words: int, answer_tokens: int, *, seed: int = 0) -> tuple[Request, ...]:
    """The same as text, for servers that take no token ids: each prompt of so many words."""
    r = random.Random(f"workload {seed}")
    return tuple(Request(" ".join(r.choices(_WORDS, k=words)), _exactly(answer_tokens)) for _ in range(count))


def fresh(make: Callable[[int], Sequence[Request]]) -> Callable[[], Sequence[Request]]:
    """Requests that no engine has seen yet, at every call: `make` with the seeds 1, 2, 3, ..."""
    seeds: Iterator[int] = itertools.count(1)
    return lambda: make(next(seeds))


def new_requests(
    prompt_tokens: Sequence[int], answer_tokens: Sequence[int], *, shared_tokens: int = 0
) -> Callable[[], Sequence[Request]]:
    """`token_requests` of ordinary ids, for any model: others at every call."""
    return fresh(
        lambda seed: token_requests(
            ORDINARY_IDS, prompt_tokens, answer_tokens, shared_tokens=shared_tokens, seed=seed
        )
    )


def answered(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """All answers, asked for at once; raises EngineFailure unless each has all its tokens."""
    return [_whole(each, to) for each, to in zip(generate(engine, requests), requests, strict=True)]


def answered_in_turn(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """The same, each request sent when the one before is answered."""
    return [_whole(generate(engine, [request])[0], request) for request in requests]


def answered_by_threads(engine: Engine, requests: Sequence[Request], threads: int) -> list[Completion]:
    """The same, sent by so many clients that each wait for one answer before their next request."""
    with ThreadPoolExecutor(threads) as clients:
        return list(clients.map(lambda request: answered(engine, [request])[0], requests))


def completion_tokens(completions: Sequence[Completion]) -> int:
    """Tokens that were made."""
    return sum(completion.completion_tokens for completion in completions)


def computed_prompt_tokens(completions: Sequence[Completion]) -> int:
    """Prompt tokens that went through the model; those from a prefix cache did not."""
    return sum(completion.prompt_tokens - completion.cached_tokens for completion in completions)


def first_token_p90_s(completions: Sequence[Completion]) -> float:
    """90th percentile over the answers of the time from sending to the first token."""
    return float(np.percentile([each.timings.time_to_first_token_s for each in completions], 90))


def inter_token_p99_s(completions: Sequence[Completion]) -> float:
    """99th percentile over the answers of the mean time between two of their tokens; 0 where none has two."""
    gaps = [
        (each.timings.total_s - each.timings.time_to_first_token_s) / (each.completion_tokens - 1)
        for each in completions
        if each.completion_tokens > 1
    ]
    return float(np.percentile(gaps, 99)) if gaps else 0.0


THROUGHPUT = Metric(
    "throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2
)
FIRST_TOKEN = Metric("time_to_first_token_p90", "s", value=first_token_p90_s)
BETWEEN_TOKENS = Metric("inter_token_latency_p99", "s", value=inter_token_p99_s)
"""What the benchmarks of serving engines are judged by."""


def _exactly(tokens: int) -> Sampling:
    return Sampling(max_tokens=tokens, ignore_eos=True)


def _whole(completion: Completion, request: Request) -> Completion:
    wanted = request.sampling.max_tokens
    if completion.completion_tokens != wanted:
        raise EngineFailure(
            f"an answer of {completion.completion_tokens} tokens where {wanted} were asked for "
            f"({completion.finish_reason}): its time is not comparable"
        )
    return completion

"""The evaluations of a light GEPA run as a serving load: minibatches that wait for each other.

Every minibatch has an instruction of its own, which its requests share. Reflections are left out: another
model answers them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.costmodel import trials
from harness.costmodel.serving import Serving, serve
from harness.costmodel.simulation import ClosedLoop, outcome_of, requests_of
from harness.engines.protocol import Completion, Engine, Request
from harness.engines.workloads import ORDINARY_IDS, answered_by_threads, token_requests

LOAD = trials.GEPA_EVALUATIONS
MINIBATCH = 3


def evaluation_load(examples: int) -> trials.Load:
    """So many evaluations of one instruction."""
    return replace(LOAD, requests=examples)


def minibatch_requests(seed: int) -> tuple[Request, ...]:
    """All requests of one run, minibatch by minibatch, of random ids by `seed`."""
    found: list[Request] = []
    for number, (prompts, answers) in enumerate(_minibatches(MINIBATCH)):
        found += token_requests(
            ORDINARY_IDS, prompts, answers, shared_tokens=LOAD.shared_tokens, seed=10_000 * seed + number
        )
    return tuple(found)


def answered_together(
    engine: Engine, requests: Sequence[Request], threads: int, minibatches: int
) -> list[Completion]:
    """All answers; so many minibatches at a time by so many threads, then the next ones."""
    step = MINIBATCH * minibatches
    return [
        each
        for first in range(0, len(requests), step)
        for each in answered_by_threads(engine, requests[first : first + step], threads)
    ]


def modelled_together(serving: Serving, threads: int, minibatches: int) -> trials.Figures:
    """The same by the cost model; a prefix is computed anew in every batch, and nothing else takes time."""
    seconds, tokens = 0.0, 0
    for prompts, answers in _minibatches(MINIBATCH * minibatches):
        groups = np.arange(len(prompts)) // MINIBATCH
        batch = requests_of(0.0, prompts, answers, prefix_group=groups, prefix_tokens=LOAD.shared_tokens)
        outcome = outcome_of(batch, serve(serving, batch, closed=ClosedLoop(threads)))
        seconds, tokens = seconds + outcome.end_s, tokens + outcome.output_tokens
    return {"throughput": tokens / seconds}


def _minibatches(size: int) -> Iterator[tuple[list[int], list[int]]]:
    """Prompt and answer tokens of each `size` requests."""
    prompts, answers = LOAD.lengths()
    for first in range(0, LOAD.requests, size):
        yield prompts[first : first + size], answers[first : first + size]

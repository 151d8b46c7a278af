"""The same passes on a real card: what the modelled arms are measured with where there is one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.capture.loading import Loading, load
from harness.detection.capture.straightforward import score_straightforward
from harness.detection.capture.vectorized import score_vectorized
from harness.detection.capture.workload import of_lengths
from harness.detection.costs.memory import there
from harness.detection.costs.structures import (
    OURS,
    PUBLISHED,
    VECTORIZED,
    Batch,
    Setting,
    equal_samples,
    halves,
)
from harness.detection.costs.trials import Figures, Reading, documented_limit, left_out, read_limit
from harness.detection.sample import Sample
from harness.engines.protocol import EngineFailure
from harness.engines.transformers_loading import is_out_of_memory, load_model
from harness.errors import HarnessError
from harness.measure.arms import Arm

QUANTIZATIONS: dict[str, Literal["none", "nf4", "int8"]] = {
    "fp16": "none",
    "int8": "int8",
    "nf4": "nf4",
    "nf4_double": "nf4",
}
ONE_BY_ONE = {PUBLISHED.name: score_straightforward, VECTORIZED.name: score_vectorized}
LENGTHS = tuple(2**power for power in range(8, 21))
"""Lengths that are tried for the longest sample that fits."""


@dataclass(frozen=True, slots=True)
class OnCard:
    """What one run gives: samples scored, the largest batch of them, the share of samples that was left out,
    and the most that torch held on the busiest card meanwhile.
    """

    samples: int
    largest_batch: int
    too_large_share: float
    memory_gb: float
    memory_share: float


def shared_model(folder: Callable[[], Path], weights: str, cards: int) -> Callable[[], Any]:
    """Loads the checkpoint when it is first asked for, once for both arms: two would not fit on a card."""

    @functools.cache
    def model() -> Any:
        if cards == 1:
            return load_model(folder(), "cuda:0", "float16", QUANTIZATIONS[weights], "eager").eval()
        if QUANTIZATIONS[weights] != "nf4":
            raise HarnessError(f"{weights} weights are not spread over several cards", allowed="nf4_double")
        spread = Loading("cuda:0", "float16", nf4=True, attention="eager", device_map="balanced")
        return load(str(folder()), spread)

    return model


def scoring_arm(model: Callable[[], Any], at: Setting, batches: Sequence[Batch]) -> Arm:
    """Scores random tokens of the batches' lengths. The two structures with maps take one at a time.

    As in the model: a batch that does not fit is halved, a sample that does not is left out.
    """

    def run(loaded: Any) -> OnCard:
        peaks = [found for batch in batches for found in _peaks(loaded, at, batch)]
        done, every = (
            sum(len(part.samples) for part in parts) for parts in ([one for one, _ in peaks], batches)
        )
        peak = max((bytes_ for _, bytes_ in peaks), default=0)
        largest = max((len(batch.samples) for batch, _ in peaks), default=0)
        return OnCard(done, largest, 1.0 - done / every, peak / 1e9, peak / there(at))

    return Arm(run, prepare=model)


def _peaks(model: Any, at: Setting, batch: Batch) -> list[tuple[Batch, int]]:
    try:
        return [(batch, _peak_bytes(model, at, _samples(batch, at.shape.vocabulary)))]
    except (RuntimeError, EngineFailure) as error:
        if not is_out_of_memory(error):
            raise
    return [found for half in halves(batch) for found in _peaks(model, at, half)]


def longest_arm(model: Callable[[], Any], at: Setting, reading: Reading) -> Arm:
    """As `trials.limits`, with the longest of `LENGTHS` within the model's window that does not run out."""

    def run(loaded: Any) -> Figures:
        longest = 0
        for tokens in LENGTHS:
            if tokens > at.shape.context_tokens:
                break
            try:
                _peak_bytes(loaded, at, _samples(equal_samples(tokens), at.shape.vocabulary))
            except (RuntimeError, EngineFailure) as error:
                if not is_out_of_memory(error):
                    raise
                break
            longest = tokens
        return {**left_out(at, longest), **read_limit(documented_limit(at.row), reading)}

    return Arm(run, prepare=model)


def _samples(batch: Batch, vocabulary: int) -> list[Sample]:
    return [
        sample
        for number, (prompt, response) in enumerate(batch.samples)
        for sample in of_lengths(number, prompt, response, 1, vocabulary)
    ]


def _peak_bytes(model: Any, at: Setting, samples: Sequence[Sample]) -> int:
    import torch

    cards = range(torch.cuda.device_count())
    for card in cards:
        torch.cuda.synchronize(card)
        torch.cuda.reset_peak_memory_stats(card)
    model.set_attn_implementation("eager" if at.structure.keeps_maps else "sdpa")
    layers = range(len(anatomy_of(model).layers))
    if at.structure == OURS:
        budget = max(len(sample.tokens) for sample in samples) * len(samples)
        score(model, samples, at.heads, layers, token_budget=budget)
    else:
        ONE_BY_ONE[at.structure.name](model, samples, at.heads, layers)
    for card in cards:
        torch.cuda.synchronize(card)
    return max(int(torch.cuda.max_memory_allocated(card)) for card in cards)

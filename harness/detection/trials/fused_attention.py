"""One sample at a time with all attention maps, and the same on fused attention with the rows recomputed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.costmodel.precision import precision_of
from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.fast import score
from harness.detection.capture.layouts import Layout, padded
from harness.detection.capture.loading import Loading, load
from harness.detection.capture.vectorized import score_vectorized
from harness.detection.capture.workload import of_lengths
from harness.detection.costs.memory import fits, memory, there
from harness.detection.costs.seconds import parts
from harness.detection.costs.structures import OURS, VECTORIZED, Structure, equal_samples, setting
from harness.detection.sample import Sample, Scores
from harness.detection.trials.caching import furthest_scores
from harness.detection.trials.passes import Pass, Ready
from harness.engines.memory import peak_growth
from harness.engines.transformers_loading import Card, choose_attention
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row
from harness.measure.arms import Arm

MOST_HEADS = 32
"""As many as the paper lists for Llama-2-7B; of a model with fewer all are taken."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores; the most bytes that one pass took on top of the weights; whether FlashAttention-2 ran."""

    scores: list[Scores]
    memory: int
    is_flash: bool


def one_by_one(samples: Sequence[Sample], _: int) -> list[Layout]:
    """Batches of one sample each, unpacked: what a pass with maps does, so that attention alone differs."""
    return [padded(samples, [number]) for number in range(len(samples))]


def fused(model: Any, samples: Sequence[Sample], heads: Any, layers: Any) -> list[Scores]:
    """Scores on fused attention, the selected heads' rows recomputed, one sample at a time."""
    return score(model, samples, heads, layers, batches=one_by_one)


def loading(row: Row, *, maps: bool) -> Loading:
    """Eager attention for maps, else the best that the row runs; NF4 on a card, as the guide has it."""
    attention: Any = "eager" if maps else None
    if row.kind == "host":
        return Loading(attention=attention)
    return Loading("cuda:0", nf4=True, attention=attention)


def scoring_arm(folder: Callable[[], Path], how: Loading, tokens: int, samples: int) -> Arm:
    """Scores samples of `tokens` random tokens, RAGTruth's share of them the response, with maps where `how`
    says eager.

    Memory is measured in the set-up, where it costs the timed passes nothing: one sample, after one that
    warms up.
    """
    scored_by: Pass = score_vectorized if how.attention == "eager" else fused
    ((prompt, response),) = equal_samples(tokens).samples
    on_cpu = how.device == "cpu"

    def ready() -> tuple[Ready, list[Sample], int]:
        model = load(str(folder()), how)
        anatomy = anatomy_of(model)
        layers = tuple(range(len(anatomy.layers)))
        every = [(layer, head) for layer in layers for head in range(anatomy.heads)]
        it = Ready(model, tuple(every[:: max(1, len(every) // MOST_HEADS)]), layers)
        made = of_lengths(1, prompt, response, samples, anatomy.vocabulary)
        it.run(scored_by, made[:1])
        return it, made, peak_growth(lambda: it.run(scored_by, made[:1]), on_cpu=on_cpu)[1]

    def run(prepared: tuple[Ready, list[Sample], int]) -> Scored:
        it, made, growth = prepared
        is_flash = it.model.config._attn_implementation.startswith("flash_attention")
        return Scored(it.run(scored_by, made), growth, is_flash)

    return Arm(run, prepare=ready)


def on_card(row: Row, *, maps: bool, tokens: int) -> dict[str, float]:
    """Llama-2-7B in NF4, modelled: rate, memory beside the weights, and whether FlashAttention-2 runs.

    HarnessError (exit 3) where a sample does not fit.
    """
    structure: Structure = VECTORIZED if maps else OURS
    at, batch = setting(row, "nf4", structure), equal_samples(tokens)
    needed = memory(at, batch)
    if not fits(at, batch):
        raise HarnessError(
            f"a sample of {tokens:,} tokens with all attention maps needs {needed.total / 1e9:.1f} GB",
            where=row.name,
            allowed=f"{there(at) / 1e9:.1f} GB",
            next_step="score it on fused attention",
            exit_code=EXIT_INFEASIBLE,
        )
    seconds = parts(at, batch, precision_of(at.weights), slow=False).total_s
    return {
        "samples_per_min": 60.0 / seconds,
        "activation_memory": needed.total - needed.weights,
        "flash": float(not maps and runs_flash(row)),
    }


def runs_flash(row: Row) -> bool:
    """Whether FlashAttention-2 is what a scoring pass takes on the row, if its package is installed."""
    if not row.capability:
        return False
    major, minor = (int(part) for part in row.capability.split("."))
    return choose_attention(None, Card((major, minor), True), "float16", False).name == "flash_attention_2"


def furthest(before: Scored, after: Scored) -> float:
    """The largest difference of any score."""
    return furthest_scores(before.scores, after.scores)

"""Three implementations of one scoring pass over the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.batches import Plan, waste
from harness.detection.capture.fast import score
from harness.detection.capture.loading import Loading, load
from harness.detection.capture.straightforward import score_straightforward
from harness.detection.capture.vectorized import score_vectorized
from harness.detection.capture.workload import ragtruth_like
from harness.detection.data.shipped import MODEL
from harness.detection.sample import Sample, Scores

Pass = Callable[[Any, Sequence[Sample], Any, Any], list[Scores]]

STRAIGHTFORWARD: Pass = score_straightforward
VECTORIZED: Pass = score_vectorized
OURS: Pass = score


@dataclass(frozen=True, slots=True)
class Ready:
    """A loaded model with all its heads and layers."""

    model: Any
    heads: tuple[tuple[int, int], ...]
    layers: tuple[int, ...]

    def run(self, scored_by: Pass, samples: Sequence[Sample]) -> list[Scores]:
        """The scores of all samples."""
        return scored_by(self.model, samples, self.heads, self.layers)


def ready(*, maps: bool) -> Ready:
    """The embedded model; with attention `maps`, as the published structure needs them, eager."""
    model = load(MODEL, Loading(attention="eager" if maps else None))
    anatomy = anatomy_of(model)
    layers = tuple(range(len(anatomy.layers)))
    return Ready(model, tuple((layer, head) for layer in layers for head in range(anatomy.heads)), layers)


def workload(sources: int, per_source: int, longest: int = 2048) -> list[Sample]:
    """Samples with RAGTruth's lengths for the embedded model's vocabulary."""
    return ragtruth_like(1, sources, 1024, per_source=per_source, longest=longest)


def lengths(samples: Sequence[Sample]) -> list[int]:
    """Tokens of each sample."""
    return [len(sample.tokens) for sample in samples]


def wasted(plan: Plan, of: Sequence[int]) -> dict[str, float]:
    """Share of padding, how much attention is inflated, and the number of passes."""
    found = waste(plan, of)
    return {
        "padding": found.padding_share,
        "attention": found.attention_inflation,
        "passes": float(found.batches),
    }

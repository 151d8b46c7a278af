"""The scoring pass through torch.compile, and what the compilation took."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from harness.detection.capture.fast import score
from harness.detection.capture.layouts import padded_batches
from harness.detection.capture.loading import Loading
from harness.detection.sample import Sample
from harness.detection.trials.checkpoint import loaded, ready_from
from harness.detection.trials.dynamic_batching import furthest_means
from harness.detection.trials.feature_graph import Graph, Scored, graph_of, score_by
from harness.detection.trials.passes import Ready
from harness.measure.spec import Metric

RATE = Metric(
    "samples_per_s",
    "samples/s",
    "higher",
    "paired",
    work=lambda scored: len(scored.scores),
    clock="wall",
    floor=0.1,
)
"""Of arms that return `Scored`."""
Shapes = Literal["as they come", "dynamic"]
"""The guide's call, which compiles for the first shape and again for others; or once for all of them."""


@dataclass(frozen=True, slots=True)
class GraphArm:
    """A graph ready to run, warm for the samples it will be given."""

    model: Any
    graph: Graph
    compile_s: float = 0.0
    graphs: int = 0

    def run(self, samples: Sequence[Sample]) -> Scored:
        """Scores of all samples, and what the set-up took."""
        return Scored(score_by(self.graph, self.model, samples), self.compile_s, self.graphs)


@dataclass(frozen=True, slots=True)
class FastArm:
    """`fast.score`, in the form of the other arms."""

    ready: Ready

    def run(self, samples: Sequence[Sample]) -> Scored:
        """Scores of all samples, in padded batches too."""
        scored_by = partial(score, batches=padded_batches)
        return Scored(self.ready.run(scored_by, samples))


def ours(folder: Path, loading: Loading) -> FastArm:
    """Scoring as `capture/fast.py` does it."""
    return FastArm(ready_from(folder, loading))


def uncompiled(folder: Path, loading: Loading) -> GraphArm:
    """The same graph, run operation by operation."""
    model = loaded(folder, loading)
    return GraphArm(model, graph_of(model))


def compiled(folder: Path, loading: Loading, samples: Sequence[Sample], shapes: Shapes) -> GraphArm:
    """The graph through torch.compile, after two passes over the samples; no cache of earlier runs is read.

    On a card in mode "reduce-overhead", which records CUDA graphs. A CPU has none: there the mode leaves
    what the default does, fused C++ kernels from Inductor.
    """
    import torch
    from torch._dynamo.utils import counters

    model = loaded(folder, loading)
    torch._dynamo.reset()
    counters.clear()
    dynamic = True if shapes == "dynamic" else None
    with warnings.catch_warnings():
        # of torch's own deprecated parts as it loads Inductor, and that the caches are off
        warnings.simplefilter("ignore")
        graph = torch.compile(graph_of(model), mode="reduce-overhead", dynamic=dynamic)
        with torch._inductor.config.patch(force_disable_caches=True):
            first_s = _timed(graph, model, samples)
        later_s = _timed(graph, model, samples)
    return GraphArm(model, graph, max(0.0, first_s - later_s), counters["stats"]["unique_graphs"])


def missing_compiler() -> str | None:
    """What torch.compile lacks here for a CPU's kernels, a C++ compiler; None where it is there."""
    if any(shutil.which(name) for name in ("g++", "clang++")):
        return None
    return "torch.compile needs a C++ compiler on a CPU: no g++ or clang++ here"


def furthest(first: Scored, second: Scored) -> float:
    """The largest difference of a response's mean score."""
    return furthest_means(first.scores, second.scores)


def _timed(graph: Graph, model: Any, samples: Sequence[Sample]) -> float:
    began = time.perf_counter()
    score_by(graph, model, samples)
    return time.perf_counter() - began

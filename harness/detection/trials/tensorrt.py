"""The scoring pass through Torch-TensorRT, written from its documentation; and why the guide's call is none.

It runs where the package and a card are. No CPU can run it, and nothing here ever did.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.detection.capture.compatibility import require_compatible
from harness.detection.capture.layouts import padded_batches
from harness.detection.capture.loading import Loading
from harness.detection.sample import Sample
from harness.detection.trials.checkpoint import loaded
from harness.detection.trials.compiled_model import GraphArm
from harness.detection.trials.feature_graph import TOKEN_BUDGET, Graph, graph_of, inputs_of, score_by
from harness.errors import EXIT_INFEASIBLE, HarnessError

PACKAGE = "torch_tensorrt"


@dataclass(frozen=True, slots=True)
class Profile:
    """Smallest, usual and largest shape of one input of whole numbers: what an engine is built for."""

    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]


def missing() -> str | None:
    """What keeps TensorRT from running here; None where it can."""
    if importlib.util.find_spec(PACKAGE) is None:
        return f"needs {PACKAGE}, which is not among this project's packages"
    return None


def require_inputs(inputs: Sequence[Any]) -> None:
    """HarnessError, exit code 3, for example inputs that cannot stand for token ids of several lengths.

    The guide's `torch.randn(1, 512)` is refused twice: an embedding is looked up by whole numbers, and a
    tensor fixes its shape, while RAGTruth's samples have 310 to 2,666 tokens.
    """
    for given in inputs:
        if not isinstance(given, Profile) and given.is_floating_point():
            kind = str(given.dtype).removeprefix("torch.")
            raise _refused(f"token ids are whole numbers, the example input is {kind}", "ids of type int64")
        if not isinstance(given, Profile) or given.least == given.most:
            shape = given.most if isinstance(given, Profile) else tuple(given.shape)
            raise _refused(
                f"the shape {shape} is fixed, and samples differ in length",
                "give the smallest, usual and largest shape (torch_tensorrt.Input)",
            )


def profiles(samples: Sequence[Sample], token_budget: int = TOKEN_BUDGET) -> tuple[Profile, ...]:
    """Shapes of tokens, rows and columns over the batches of these samples; the usual one is the median.

    The usual is at least 2, since an exporter takes 1 in its example for a constant.
    """
    batches = [inputs_of(layout) for layout in padded_batches(samples, token_budget)]
    found = []
    for arrays in zip(*batches, strict=True):
        shapes = zip(*(array.shape for array in arrays), strict=True)
        axes = [sorted(max(2, size) for size in axis) for axis in shapes]
        middle, last = (tuple(axis[at] for axis in axes) for at in (len(batches) // 2, -1))
        found.append(Profile((1,) * len(axes), middle, last))
    return tuple(found)


def exported(model: Any, shapes: Sequence[Profile]) -> Any:
    """The graph as a torch ExportedProgram whose axes may be anything within the profiles."""
    import torch

    tokens, rows, _ = shapes
    size = torch.export.Dim("batch", min=1, max=tokens.most[0])
    length = torch.export.Dim("length", min=1, max=tokens.most[1])
    row = torch.export.Dim("rows", min=1, max=rows.most[0])
    given = tuple(torch.zeros(shape.usual, dtype=torch.int64, device=model.device) for shape in shapes)
    dynamic = {"tokens": {0: size, 1: length}, "rows": {0: row}, "columns": {0: row}}
    with torch.inference_mode():
        return torch.export.export(graph_of(model), given, dynamic_shapes=dynamic)


def engine(model: Any, shapes: Sequence[Profile]) -> Graph:
    """`torch_tensorrt.dynamo.compile` of the exported graph, with a range for each input.

    Types are the model's own, 16 bits on a card; the guide's `enabled_precisions` is deprecated. No
    limit on the workspace either: without one TensorRT may use what the card has left.
    """
    import torch
    import torch_tensorrt  # type: ignore[import-not-found, unused-ignore]

    require_inputs(shapes)
    inputs = [
        torch_tensorrt.Input(
            min_shape=shape.least, opt_shape=shape.usual, max_shape=shape.most, dtype=torch.int64
        )
        for shape in shapes
    ]
    found: Graph = torch_tensorrt.dynamo.compile(exported(model, shapes), inputs)
    return found


def compiled(folder: Path, loading: Loading, samples: Sequence[Sample]) -> GraphArm:
    """The graph as engines for the shapes of these samples' batches, after a pass, and what that took.

    Raises HarnessError (exit code 3) where the package is missing, and for weights in four bits.
    """
    if loading.nf4:
        require_compatible(("bitsandbytes", "TensorRT"))
    lacking = missing()
    if lacking is not None:
        raise HarnessError(lacking, exit_code=EXIT_INFEASIBLE)
    model = loaded(folder, loading)
    began = time.perf_counter()
    graph = engine(model, profiles(samples))
    score_by(graph, model, samples)
    return GraphArm(model, graph, time.perf_counter() - began, 1)


def _refused(message: str, instead: str) -> HarnessError:
    return HarnessError(message, where="the example inputs", next_step=instead, exit_code=EXIT_INFEASIBLE)

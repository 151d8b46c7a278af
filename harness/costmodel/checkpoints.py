"""Modelled engines for a checkpoint folder in 16 bits on one GPU of a row: what `on_cost_model` starts.

A host row is an answer, too (exit 3): the shipped constants are of GPUs. transformers launches every kernel
from Python, so its engines are eager; a tiny model then takes the launching's time, not the GPU's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.costmodel import engine
from harness.costmodel.engine import ModelledEngine
from harness.costmodel.formats import weight_format
from harness.costmodel.serving import Serving
from harness.costmodel.shapes import shape_from_file
from harness.costmodel.steptime import EAGER_ENGINE, SERVING_ENGINE
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row


def one_by_one(model: Path, row: Row) -> ModelledEngine:
    """transformers, one request after the other."""
    return engine.sequential(_serving(model, row, engine=EAGER_ENGINE))


def compiled(model: Path, row: Row) -> ModelledEngine:
    """The same with captured graphs instead of launches, as torch.compile's "reduce-overhead" has it."""
    return engine.sequential(_serving(model, row, engine=SERVING_ENGINE))


def padded(model: Path, row: Row, parallel: int) -> ModelledEngine:
    """transformers, padded batches of up to `parallel`."""
    return engine.static(_serving(model, row, engine=EAGER_ENGINE), parallel)


def shared(model: Path, row: Row, parallel: int, *, prefix_caching: bool = False) -> ModelledEngine:
    """transformers, continuously: up to `parallel` sequences in a step."""
    settings = {"max_sequences": parallel, "prefix_caching": prefix_caching}
    return engine.continuous(_serving(model, row, engine=EAGER_ENGINE, **settings))


def vllm(model: Path, row: Row) -> ModelledEngine:
    """vLLM with the documented container settings, without its prefix cache."""
    return engine.continuous(_serving(model, row, prefix_caching=False))


def _serving(model: Path, row: Row, **settings: Any) -> Serving:
    if row.kind == "host":
        raise HarnessError(
            "the cost model's constants are of GPUs",
            where=row.name,
            next_step="measure here, or calibrate this machine: harness predict calibrate",
            exit_code=EXIT_INFEASIBLE,
        )
    shape = shape_from_file(model / "config.json")
    weights = weight_format("fp16", shape)
    return Serving(shape, weights, row, max_model_len=shape.context_tokens, **settings)

"""A benchmark's arm on the cost model: its own function on a modelled engine, read as the rig reads it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing

from harness.costmodel.engine import ModelledEngine
from harness.engines.protocol import Engine
from harness.errors import HarnessError
from harness.hardware.rows import Row
from harness.measure.spec import Metric


def on_cost_model(
    metrics: Sequence[Metric], run: Callable[[Engine], object], start: Callable[[Row], ModelledEngine]
) -> Callable[[Row], dict[str, float]]:
    """What `ab.modelled` takes for one arm: a row's figures, {metric: value}, all modelled.

    `run`, sync or async, is given a fresh engine that `start` makes for the row, once: no cache is warm. A
    metric without a reader is the virtual time in seconds, `work` is divided by it, `value` reads what `run`
    returned; others need the real arm and are left out. Answers are empty, so leave out metrics of quality.
    The returned function raises what `start` and `run` raise (HarnessError, exit 3, where the model does not
    fit on the row), and HarnessError where an arm asked its engine for nothing and a metric needs the time.
    """
    readable = [m for m in metrics if m.compare is None and m.counter is None and m.probe is None]

    def figures(row: Row) -> dict[str, float]:
        with closing(start(row)) as engine:
            result = run(engine)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
            seconds = engine.elapsed_s
        return {metric.name: _read(metric, result, seconds, row) for metric in readable}

    return figures


def _read(metric: Metric, result: object, seconds: float, row: Row) -> float:
    if metric.value is not None:
        return float(metric.value(result))
    if not seconds > 0.0:
        raise HarnessError(
            f"the arm took no virtual time, so it has no {metric.name}",
            where=f"cost model, row {row.name}",
            next_step="ask the engine that the arm is given for answers, and wait for them",
        )
    return seconds if metric.work is None else float(metric.work(result)) / seconds


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer

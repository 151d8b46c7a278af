"""How long calls take: two terms for each call, quoted or fitted, and the cost model for hardware rows.

t = c0 + p * in / 1000 + d * out seconds: a call's fixed part, its prompt and its answer. The company's time
is their sum over the gain of concurrency, and what is paid once. All of it is modelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.costmodel.memory import activation_bytes, kv_bytes, weight_bytes
from harness.costmodel.serving import Serving, device_memory_bytes, serve, step_time_of
from harness.costmodel.simulation import Requests, outcome_of, requests_of
from harness.costmodel.simulation.static import batch_seconds
from harness.costmodel.steptime import EAGER_ENGINE
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.extraction.result import StageCost
from harness.hardware.rows import Row


@dataclass(frozen=True, slots=True)
class Lengths:
    """So many calls, of so many prompt and completion tokens each (means where they differ)."""

    count: int
    prompt_tokens: float
    completion_tokens: float


Wave = tuple[Lengths, ...]
"""Calls that may all be open at once; a wave begins when the one before has ended."""


@dataclass(frozen=True, slots=True)
class CallTime:
    """The two-term model: seconds of a call of its own, for 1,000 prompt tokens, for a completion token."""

    fixed_s: float
    per_1000_prompt_s: float
    per_completion_s: float
    origin: str

    def seconds(self, prompt_tokens: float, completion_tokens: float) -> float:
        """One call."""
        read = self.per_1000_prompt_s * prompt_tokens / 1000.0
        return self.fixed_s + read + self.per_completion_s * completion_tokens

    def total_s(self, calls: Iterable[Lengths]) -> float:
        """All calls one after the other; exact for means, because the model is linear."""
        return sum(each.count * self.seconds(each.prompt_tokens, each.completion_tokens) for each in calls)


QUOTED = CallTime(
    fixed_s=0.3,
    per_1000_prompt_s=0.5,
    per_completion_s=0.09,
    origin=(
        "fitted by hand to logs of the documented pipeline: Qwen3-14B in 4 bits by plain `generate` on a "
        "20 GB slice of an A100; seen were 0.084 to 0.115 s per output token"
    ),
)
"""The parameters of the documented deployment, as `[a100_20gb.extraction.time_model]` has them too."""
QUOTED_LOAD_S = (259.0, 324.0)
"""Loading its pre-quantized model, from the same logs: shortest and longest. 476 to 791 s unprepared."""
QUOTED_BATCH_GAIN = (1.5, 2.0)
"""extraction-speed-guide.md 4.1 expects this throughput from batches of 2 to 4; nobody measured it."""


def quoted_for(row: Row) -> CallTime | None:
    """The parameters that the row's extraction table quotes, None where it has none."""
    table: Mapping[str, Any] | None = row.extraction.get("time_model")
    if table is None:
        return None
    return CallTime(
        float(table["fixed_s"]),
        float(table["per_1000_input_tokens_s"]),
        float(table["per_output_token_s"]),
        f"{row.extraction.get('source', 'hardware matrix')}, quoted for {row.name}",
    )


@dataclass(frozen=True, slots=True)
class TimedCall:
    """What one call, alone on its engine, was measured to take."""

    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A model fitted to `calls` measured calls; `error_s` is its root mean square error.

    Not `is_determined` when their lengths do not vary enough to tell the three parts apart: it then holds
    for calls like those measured, and for no others.
    """

    model: CallTime
    calls: int
    error_s: float
    is_determined: bool


def fit(measured: Sequence[TimedCall], origin: str) -> Fit:
    """Non-negative least squares (Lawson and Hanson 1974, chapter 23) of the three parameters.

    Raises HarnessError without a call, and for times or tokens that are none.
    """
    from scipy.optimize import nnls  # half a second that planning does not need

    if not measured:
        raise HarnessError("there is no measured call to fit", where=origin)
    table = np.array([(1.0, c.prompt_tokens / 1000.0, float(c.completion_tokens)) for c in measured])
    seconds = np.array([c.seconds for c in measured])
    if not (np.isfinite(table).all() and np.isfinite(seconds).all()) or min(table.min(), seconds.min()) < 0:
        raise HarnessError("a measured call is not in finite numbers from 0", where=origin)
    # columns of like size, so that rank and convergence do not depend on units
    scale = np.maximum(np.abs(table).max(axis=0), 1e-12)
    solution, residual = nnls(table / scale, seconds)
    fixed, read, written = (solution / scale).tolist()
    rank = int(np.linalg.matrix_rank(table / scale))
    error = float(residual) / math.sqrt(len(measured))
    return Fit(CallTime(fixed, read, written, origin), len(measured), error, rank == 3)


def company_seconds(
    waves: Sequence[Wave],
    model: CallTime,
    *,
    places: int = 1,
    gain: float | None = None,
    load_s: float = 0.0,
    index_s: float = 0.0,
) -> float:
    """One company: its calls by the two-term model, over the gain of having `places` open at once.

    A wave gains at most its number of calls: a single call gains nothing. Without `gain` the engine is taken
    to slow down for nobody (the most there can be: a wave takes ceil(calls / places) rounds); with it a full
    engine does `gain` times as much per second, and proportionally less where a wave fills it in part.
    `load_s` and `index_s` are paid once. Raises HarnessError for no place and for a gain that is not from 1
    to `places`.
    """
    if places < 1 or (gain is not None and not 1.0 <= gain <= places):
        raise HarnessError(
            f"{places} places with a gain of {gain}", allowed="places from 1, gain from 1 to them"
        )
    total = load_s + index_s
    for wave in waves:
        count = sum(each.count for each in wave)
        if not count:
            continue
        if gain is None:
            share = math.ceil(count / places) / count
        else:
            filled = min(count, places)
            share = 1.0 / (1.0 + (gain - 1.0) * (filled - 1) / (places - 1) if places > 1 else 1.0)
        total += model.total_s(wave) * share
    return total


def waves_of(costs: Sequence[StageCost]) -> tuple[Wave, ...]:
    """A result's stages as waves of calls of their mean length, those that repeat one included."""
    waves = []
    for cost in costs:
        count = cost.calls + cost.asked_again
        if count:
            waves.append((Lengths(count, cost.prompt_tokens / count, cost.completion_tokens / count),))
    return tuple(waves)


# --- hardware rows, by the cost model ---


def sequential_seconds(serving: Serving, waves: Sequence[Wave]) -> float:
    """All calls one after the other by plain `generate`, whose host launches every kernel: as documented.

    HarnessError (exit 3) where the model with one call does not fit on a GPU of the row.
    """
    eager = replace(serving, engine=EAGER_ENGINE)
    step_time = step_time_of(eager)
    total = 0.0
    for prompt, completion, count in _whole(waves):
        _require_room(eager, prompt, completion)
        total += count * sum(batch_seconds(step_time, 1, prompt, completion))
    return total


def served_seconds(
    serving: Serving, waves: Sequence[Wave], *, shared_tokens: int = 0, companies: int = 1
) -> float:
    """Wave after wave by continuous batching, each sent at once; prompts share their first `shared_tokens`.

    `companies` are read side by side, each with these waves; seconds are of all of them together. Raises
    HarnessError (exit 3) where the model or its longest call does not fit.
    """
    total = 0.0
    longest = max((prompt + completion for prompt, completion, _ in _whole(waves)), default=0)
    serving = replace(serving, max_model_len=max(serving.max_model_len, longest))
    for wave in waves:
        requests = _requests(wave, shared_tokens, companies)
        if requests is not None:
            total += outcome_of(requests, serve(serving, requests)).end_s
    return total


def _whole(waves: Sequence[Wave]) -> list[tuple[int, int, int]]:
    """(prompt tokens, completion tokens, count) of all calls, in whole tokens from 1."""
    return [
        (max(1, round(each.prompt_tokens)), max(1, round(each.completion_tokens)), each.count)
        for wave in waves
        for each in wave
        if each.count
    ]


def _requests(wave: Wave, shared_tokens: int, companies: int) -> Requests | None:
    calls = [(p, c) for p, c, count in _whole((wave,)) for _ in range(count * companies)]
    if not calls:
        return None
    prompts, completions = [p for p, _ in calls], [c for _, c in calls]
    shared = [min(shared_tokens, p - 1) for p in prompts]
    groups = [0 if each else -1 for each in shared]
    return requests_of(0.0, prompts, completions, prefix_group=groups, prefix_tokens=shared)


def _require_room(serving: Serving, prompt: int, completion: int) -> None:
    """HarnessError where weights, the KV cache of one call and its activations exceed a GPU."""
    tokens = prompt + completion
    needed = max(weight_bytes(serving.shape, serving.weights)) + int(
        max(kv_bytes(serving.shape, tokens, serving.kv_bits))
    )
    needed += activation_bytes(serving.shape, tokens, 1)
    there = device_memory_bytes(serving.row)
    if needed > there:
        raise HarnessError(
            f"{serving.shape.name} with {serving.weights.name} weights and a call of {tokens:,} tokens needs "
            f"{needed / 2**30:.1f} GiB",
            where=serving.row.name,
            allowed=f"{there / 2**30:.1f} GiB",
            next_step="take shorter prompts or a smaller model",
            exit_code=EXIT_INFEASIBLE,
        )

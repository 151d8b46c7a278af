"""One load on one row: what fits, what a step takes, what becomes of the requests, what it costs.

Everything is modelled but the price, which is quoted from the hardware matrix.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.costmodel.capacity import Capacity, explain
from harness.costmodel.constants import Constants, GpuConstants
from harness.costmodel.devices import device_from_row
from harness.costmodel.load import decode_load, prefill_load
from harness.costmodel.serving import Serving, capacity_of, rules_of, serve, step_time_of, usable_blocks
from harness.costmodel.simulation import (
    Goodput,
    Limits,
    Outcome,
    Served,
    busy_energy_upper_bound_j,
    goodput_of,
    outcome_of,
    simulate_static,
    usd_per_million_output_tokens,
)
from harness.costmodel.steptime import RooflineStepTime
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.predict.load import Load

_SETTINGS = (
    "max_model_len", "gpu_memory_utilization", "max_sequences", "max_batched_tokens", "chunked_prefill",
    "prefix_caching", "tensor_parallel", "pipeline_parallel", "block_tokens", "kv_bits",
)  # fmt: skip
_ERRORS_OF = "step times, on data left out of the fit"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every row. `batch` sequences in a padded batch, 0 for continuous batching."""

    load: Load
    limits: Limits | None
    batch: int
    constants: Constants


@dataclass(frozen=True, slots=True)
class Steps:
    """Seconds of a prompt of mean length alone, and of decode steps half through a mean answer."""

    prefill_s: float
    decode_one_s: float
    decode_s: float
    decoding: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the load does. NaN where `unknown` says why: {name of the figure: reason}."""

    outcome: Outcome
    steps: Steps
    goodput: Goodput | None
    usd_per_million_output_tokens: float
    busy_energy_upper_bound_j: float
    unknown: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(self.outcome),
            "steps": asdict(self.steps),
            "goodput": None if self.goodput is None else asdict(self.goodput),
            "usd_per_million_output_tokens": self.usd_per_million_output_tokens,
            "busy_energy_upper_bound_j": self.busy_energy_upper_bound_j,
            "unknown": dict(self.unknown),
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row. `refusal` says why there are no figures; `sequences` of the longest request fit at once."""

    serving: Serving
    gpu: GpuConstants
    capacity: Capacity | None
    sequences: int
    figures: Figures | None
    refusal: HarnessError | None

    @property
    def rows_used(self) -> int:
        """How many times the row is needed, and paid, for its GPUs."""
        return math.ceil(_gpus(self.serving) / self.serving.row.gpus)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        row, (median, p90) = self.serving.row, self.gpu.error
        capacity = None
        if self.capacity is not None:
            capacity = {**asdict(self.capacity), "explained": explain(self.capacity)}
        return {
            "row": row.name,
            "fits": self.figures is not None,
            "reason": None if self.refusal is None else self.refusal.message,
            "settings": {name: getattr(self.serving, name) for name in _SETTINGS},
            "capacity": capacity,
            "sequences_at_once": self.sequences,
            "figures": None if self.figures is None else self.figures.document(),
            "price": {
                "provenance": "quoted",
                "usd_per_hour": row.price.usd_per_hour * self.rows_used,
                "rows_used": self.rows_used,
                "date": row.price.date,
                "basis": row.price.basis,
                "source": row.price.source,
            },
            "constants": {
                "basis": self.gpu.basis,
                "note": self.gpu.note,
                "expected_error": {"of": _ERRORS_OF, "median": median, "p90": p90},
            },
        }


@dataclass(frozen=True, slots=True)
class Predictions:
    """The same load on several rows, at least one."""

    asked: Asked
    rows: tuple[Prediction, ...]

    @property
    def engine(self) -> str:
        """How requests share the engine."""
        batch = self.asked.batch
        return f"static, batch {batch}" if batch > 1 else "sequential" if batch else "continuous"

    def document(self) -> dict[str, Any]:
        """For JSON."""
        serving, limits, constants = self.rows[0].serving, self.asked.limits, self.asked.constants
        host = constants.engine(serving.engine)
        return {
            "model": serving.shape.name,
            "weights": serving.weights.name,
            "engine": self.engine,
            "load": dict(self.asked.load.said),
            "limits": None if limits is None else asdict(limits),
            "provenance": {
                "modelled": constants.version,
                "host": f"{host.name}: {host.provenance}",
                "quoted": "prices, from the hardware matrix",
            },
            "rows": [each.document() for each in self.rows],
        }


def predict(serving: Serving, asked: Asked) -> Prediction:
    """What becomes of the load on the row; what the row cannot do is its `refusal`."""
    capacity, sequences, figures, refusal = None, 0, None, None
    try:
        rules_of(serving)  # what no row can be asked comes before what this one cannot do
        capacity = capacity_of(serving)
        usable_blocks(serving)
        sequences = _sequences(serving, asked.load)
        _require_room(serving, sequences, asked)
        figures = _figures(serving, sequences, asked)
    except HarnessError as error:
        refusal = error
    gpu = asked.constants.gpu(device_from_row(serving.row))
    return Prediction(serving, gpu, capacity, sequences, figures, refusal)


def _sequences(serving: Serving, load: Load) -> int:
    """How many of the load's longest request the KV cache holds at once, of those within max_model_len."""
    longest = min(load.longest_tokens, serving.max_model_len)
    found = capacity_of(replace(serving, max_model_len=longest))
    return (found.blocks - 1) // found.blocks_per_request  # one is the engine's null block


def _require_room(serving: Serving, sequences: int, asked: Asked) -> None:
    longest = asked.load.longest_tokens
    if longest > serving.max_model_len:
        raise HarnessError(
            f"the longest request has {longest:,} tokens, max_model_len is {serving.max_model_len:,}",
            where=serving.row.name,
            next_step="shorten the requests, or raise --max-model-len as far as the model's context goes",
            exit_code=EXIT_INFEASIBLE,
        )
    if asked.batch > sequences:
        raise HarnessError(
            f"does not fit: a batch of {asked.batch:,} sequences of {longest:,} tokens",
            where=serving.row.name,
            allowed=f"up to {sequences:,}",
            next_step="lower --batch",
            exit_code=EXIT_INFEASIBLE,
        )


def _figures(serving: Serving, sequences: int, asked: Asked) -> Figures:
    load, row, step_time = asked.load, serving.row, step_time_of(serving, asked.constants)
    served = _served(serving, step_time, asked)
    outcome = outcome_of(load.requests, served)
    if outcome.refused == outcome.requests:
        raise HarnessError(
            f"no prompt fits whole into a step of {serving.max_batched_tokens:,} tokens",
            where=row.name,
            next_step="raise --max-batched-tokens, or allow chunked prefill",
            exit_code=EXIT_INFEASIBLE,
        )
    rows_used = math.ceil(_gpus(serving) / row.gpus)
    limit_w = row.power_limit_w * _gpus(serving)
    running = min(load.together, asked.batch or min(sequences, serving.max_sequences))
    return Figures(
        outcome=outcome,
        steps=_steps(step_time, load, running),
        goodput=None if asked.limits is None else goodput_of(load.requests, served, asked.limits),
        usd_per_million_output_tokens=usd_per_million_output_tokens(
            outcome, row.price.usd_per_hour * rows_used
        ),
        busy_energy_upper_bound_j=busy_energy_upper_bound_j(outcome, limit_w) if limit_w else math.nan,
        unknown=_unknown(outcome, asked, limit_w),
    )


def _served(serving: Serving, step_time: RooflineStepTime, asked: Asked) -> Served:
    requests, closed = asked.load.requests, asked.load.closed
    if asked.batch:
        return simulate_static(requests, max_sequences=asked.batch, step_time=step_time, closed=closed)
    return serve(serving, requests, closed=closed, constants=asked.constants)


def _steps(step_time: RooflineStepTime, load: Load, running: int) -> Steps:
    prompt = max(1, round(float(load.requests.prompt_tokens.mean())))
    context = prompt + round(float(load.requests.output_tokens.mean()) / 2.0)
    return Steps(
        prefill_s=step_time.seconds(prefill_load(prompt)),
        decode_one_s=step_time.seconds(decode_load(1, context)),
        decode_s=step_time.seconds(decode_load(running, running * context)),
        decoding=running,
    )


def _unknown(outcome: Outcome, asked: Asked, limit_w: float) -> dict[str, str]:
    """Why figures are no numbers."""
    found = {}
    if asked.limits is None:
        found["goodput"] = "no limit given"
    if not limit_w:
        found["busy_energy_upper_bound_j"] = "the row states no power limit"
    if math.isnan(outcome.inter_token_latency_s.mean):
        found["inter_token_latency_s"] = "no answer has a second token"
    if asked.batch:
        blockless = ("kv_utilisation", "peak_kv_utilisation")
        found |= dict.fromkeys(blockless, "plain generate has no KV blocks")
    return found


def _gpus(serving: Serving) -> int:
    return serving.tensor_parallel * serving.pipeline_parallel

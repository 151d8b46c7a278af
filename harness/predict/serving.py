"""`harness predict serving`: what fits, how fast steps are, latencies, throughput and cost, row by row."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.costmodel.capacity import explain
from harness.costmodel.constants import Constants, load_constants
from harness.costmodel.known_models import find_model
from harness.costmodel.load import decode_load, prefill_load
from harness.costmodel.serving import Serving, capacity_of, documented, serve, step_time_of
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.costmodel.simulation import (
    ClosedLoop,
    Limits,
    Requests,
    Served,
    busy_energy_upper_bound_j,
    goodput_of,
    outcome_of,
    simulate_static,
    usd_per_million_output_tokens,
)
from harness.costmodel.steptime import EAGER_ENGINE
from harness.errors import EXIT_DONE, EXIT_INFEASIBLE, HarnessError
from harness.hardware import Matrix, load_matrix
from harness.predict.load import add_options as add_load_options
from harness.predict.load import limits_of, load_of
from harness.predict.table import finite, serving_table

_SETTINGS = {
    "max_model_len": "--max-model-len",
    "max_sequences": "--max-seqs",
    "max_batched_tokens": "--max-batched-tokens",
    "tensor_parallel": "--tensor-parallel",
    "pipeline_parallel": "--pipeline-parallel",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness predict serving`."""
    parser.add_argument("model", metavar="MODEL", help="config.json, a folder with one, or a name (qwen3-4b)")
    parser.add_argument("--row", nargs="+", metavar="ROW", help="rows of the matrix [all with a GPU]")
    parser.add_argument(
        "--weights", default="bf16", metavar="FORMAT", help="bf16, fp8, nf4, ... [%(default)s]"
    )
    for flag in _SETTINGS.values():
        parser.add_argument(flag, type=int, metavar="N", help="[as the row documents it]")
    parser.add_argument("--gpu-memory-utilization", type=float, metavar="SHARE", help="[as documented]")
    parser.add_argument("--no-chunked-prefill", action="store_true", help="prompts wait until they fit whole")
    parser.add_argument("--no-prefix-caching", action="store_true", help="shared prefixes are computed again")
    parser.add_argument(
        "--engine",
        choices=("continuous", "static", "sequential"),
        default="continuous",
        help="vLLM's batching; or plain generate in padded batches, or one by one [%(default)s]",
    )
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="of static batching [%(default)s]")
    parser.add_argument("--constants", type=Path, metavar="FILE", help="other efficiency constants [shipped]")
    add_load_options(parser)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row: whether it fits, and what follows. Everything is modelled; the price is quoted."""

    row: str
    fits: bool
    capacity: str
    figures: Mapping[str, Any]
    basis: str
    expected_error: tuple[float, float]


def run(options: argparse.Namespace) -> int:
    """Print the predictions; exit 3 when the model fits on none of the rows."""
    matrix = load_matrix(options.matrix)
    constants = load_constants(options.constants)
    shape, limits = shape_of(options.model), limits_of(options)
    requests, closed = load_of(options)
    found = [
        predict(_serving(options, shape, matrix, name), requests, closed, limits, constants, _batch(options))
        for name in _rows(options, matrix)
    ]
    if options.json:
        document = {
            "model": shape.name,
            "weights": options.weights,
            "provenance": {"modelled": constants.version, "quoted": "prices of the hardware matrix"},
            "rows": [asdict(each) for each in found],
        }
        sys.stdout.write(json.dumps(document, indent=2, sort_keys=True) + "\n")
    else:
        sys.stdout.write(serving_table(shape.name, options.weights, constants.version, found))
    return EXIT_DONE if any(each.fits for each in found) else EXIT_INFEASIBLE


def predict(
    serving: Serving,
    requests: Requests,
    closed: ClosedLoop | None,
    limits: Limits,
    constants: Constants,
    batch: int = 0,
) -> Prediction:
    """What becomes of the load on one row; `batch` above 0 is a static batch instead of continuous ones."""
    capacity, step_time = capacity_of(serving), step_time_of(serving, constants)
    gpu = step_time.gpu
    if not capacity.fits:
        return Prediction(serving.row.name, False, explain(capacity), {}, gpu.note, gpu.error)
    served = _served(serving, requests, closed, constants, batch)
    outcome, row = outcome_of(requests, served), serving.row
    prompt = int(requests.prompt_tokens.mean())
    running = max(1, round(outcome.mean_running))
    goodput = goodput_of(requests, served, limits)
    figures = {
        **asdict(outcome),
        "max_concurrency": capacity.max_concurrency,
        "prefill_step_s": step_time.seconds(prefill_load(prompt)),
        "decode_step_s": step_time.seconds(decode_load(running, running * prompt)),
        "goodput": asdict(goodput),
        "usd_per_million_output_tokens": usd_per_million_output_tokens(outcome, row.price.usd_per_hour),
        "price": f"{row.price.usd_per_hour:g} usd/h, {row.price.basis}, {row.price.date}",
        "busy_energy_upper_bound_j": busy_energy_upper_bound_j(outcome, row.power_limit_w * row.gpus),
    }
    return Prediction(row.name, True, explain(capacity), finite(figures), gpu.note, gpu.error)


def shape_of(model: str) -> ModelShape:
    """The shape of a config.json, of a folder that has one, or of a model by name."""
    path = Path(model)
    if path.is_dir():
        path = path / "config.json"
    if path.is_file() or model.endswith(".json"):
        return shape_from_file(path)
    return find_model(model)


def _served(
    serving: Serving, requests: Requests, closed: ClosedLoop | None, constants: Constants, batch: int
) -> Served:
    if not batch:
        return serve(serving, requests, closed=closed, constants=constants)
    return simulate_static(
        requests, max_sequences=batch, step_time=step_time_of(serving, constants), closed=closed
    )


def _batch(options: argparse.Namespace) -> int:
    if options.engine == "static" and options.batch < 1:
        raise HarnessError(f"is {options.batch}", where="--batch", allowed="1 and more")
    return {"continuous": 0, "static": int(options.batch), "sequential": 1}[options.engine]


def _rows(options: argparse.Namespace, matrix: Matrix) -> list[str]:
    if options.row is None:
        return [name for name, row in matrix.rows.items() if row.kind == "cuda"]
    for name in options.row:
        if matrix.row(name).kind == "host":
            raise HarnessError(
                f"{name} is a CPU: the shipped constants are of GPUs",
                where="--row",
                next_step="fit this machine: harness predict calibrate",
            )
    return list(options.row)


def _serving(options: argparse.Namespace, shape: ModelShape, matrix: Matrix, row: str) -> Serving:
    serving = documented(shape, options.weights, matrix.row(row))
    given = {field: getattr(options, field_option(flag)) for field, flag in _SETTINGS.items()}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    for field, value in changes.items():
        if value < 1:
            raise HarnessError(f"is {value}", where=_SETTINGS[field], allowed="1 and more")
    if options.gpu_memory_utilization is not None:
        changes["gpu_memory_utilization"] = options.gpu_memory_utilization
    if options.no_chunked_prefill:
        changes["chunked_prefill"] = False
    if options.no_prefix_caching:
        changes["prefix_caching"] = False
    if options.engine != "continuous":
        changes["engine"] = EAGER_ENGINE
    return replace(serving, **changes)


def field_option(flag: str) -> str:
    """argparse's name of a flag."""
    return flag.lstrip("-").replace("-", "_")

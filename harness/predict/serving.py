"""`harness predict serving`: what fits, how fast steps are, latencies, throughput and cost, row by row."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.costmodel.constants import load_constants
from harness.costmodel.formats import FORMAT_NAMES, weight_format
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import Serving, documented
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.costmodel.steptime import EAGER_ENGINE
from harness.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INFEASIBLE, HarnessError
from harness.hardware import Matrix, Row, load_matrix
from harness.predict.load import add_options as add_load_options
from harness.predict.load import limits_of, load_of
from harness.predict.output import json_text, write_file
from harness.predict.prediction import Asked, Predictions, predict
from harness.predict.report import table, text

_COUNTS = {
    "max_sequences": ("--max-seqs", 1_000_000, "sequences in a step"),
    "max_batched_tokens": ("--max-batched-tokens", 10**9, "tokens in a step"),
    "tensor_parallel": ("--tensor-parallel", 1024, "GPUs that split each layer"),
    "pipeline_parallel": ("--pipeline-parallel", 1024, "groups of layers"),
}
_BATCH = 8
_BATCHINGS = ("continuous", "static", "sequential")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness predict serving`."""
    parser.add_argument("model", metavar="MODEL", help="config.json, a folder with one, or a name: qwen3-4b")
    parser.add_argument(
        "--row", nargs="+", action="extend", metavar="NAME", help="rows of the matrix [all with a GPU]"
    )
    _engine_options(parser.add_argument_group("engine", "as the row's table documents it, unless given"))
    add_load_options(parser)
    group = parser.add_argument_group("figures")
    group.add_argument("--constants", type=Path, metavar="FILE", help="other efficiency constants [shipped]")
    group.add_argument("--csv", type=Path, metavar="FILE", help="write one line for each row as CSV")


def _engine_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--weights", default="bf16", metavar="FORMAT", help=f"{', '.join(FORMAT_NAMES)} [%(default)s]"
    )
    group.add_argument("--max-model-len", type=int, metavar="N", help="longest prompt and answer together")
    group.add_argument("--gpu-memory-utilization", type=float, metavar="SHARE", help="of each GPU's memory")
    for flag, _, what in _COUNTS.values():
        group.add_argument(flag, type=int, metavar="N", help=what)
    group.add_argument("--no-chunked-prefill", action="store_true", help="prompts wait until they fit whole")
    group.add_argument("--no-prefix-caching", action="store_true", help="shared prefixes are computed again")
    group.add_argument(
        "--engine", choices=_BATCHINGS, default="continuous",
        help="vLLM's batching; padded batches or one by one of plain generate [%(default)s]",
    )  # fmt: skip
    group.add_argument("--batch", type=int, metavar="N", help=f"sequences of a static batch [{_BATCH}]")


def run(options: argparse.Namespace) -> int:
    """Print the predictions; 3 where the load fits on none of the rows.

    Settings that a row cannot have are an answer for that row, and bad input where no row can have them.
    """
    shape, rows = shape_of(options.model), rows_of(load_matrix(options.matrix), options.row)
    weight_format(options.weights, shape)
    load, limits, constants = load_of(options), limits_of(options), load_constants(options.constants)
    asked = Asked(load, limits, _batch(options), constants)
    found = Predictions(asked, tuple(predict(serving_of(options, shape, row), asked) for row in rows))
    refused = [each.refusal for each in found.rows]
    if all(error is not None and error.exit_code == EXIT_BAD_INPUT for error in refused):
        raise refused[0] or AssertionError
    if options.csv is not None:
        write_file(options.csv, table(found))
    sys.stdout.write(json_text(found.document()) if options.json else text(found))
    return EXIT_INFEASIBLE if all(refused) else EXIT_DONE


def shape_of(model: str) -> ModelShape:
    """The shape in a config.json, in a folder that has one, or of a known model; HarnessError for none."""
    path = Path(model)
    if path.is_file() or (path / "config.json").is_file() or model.endswith(".json"):
        return shape_from_file(path)
    return find_model(model)


def rows_of(matrix: Matrix, names: list[str] | None) -> list[Row]:
    """The rows asked for, each once; HarnessError for one that does not exist or is no GPU."""
    gpus = [row for row in matrix.rows.values() if row.kind == "cuda"]
    for name in names or ():
        if matrix.row(name).kind != "cuda":
            raise HarnessError(
                f"{name} is no GPU, and the constants are of GPUs",
                where="--row",
                allowed=", ".join(row.name for row in gpus),
                next_step="fit this machine: harness predict calibrate",
            )
    found = gpus if names is None else [matrix.row(name) for name in dict.fromkeys(names)]
    if not found:
        raise HarnessError("has no row with a GPU", where=str(matrix.path), next_step="add one")
    return found


def serving_of(options: argparse.Namespace, shape: ModelShape, row: Row) -> Serving:
    """What the row documents, with what the options say instead; a model's context bounds max_model_len."""
    serving = documented(shape, options.weights, row)
    changes: dict[str, Any] = {"max_model_len": min(serving.max_model_len, shape.context_tokens)}
    if options.max_model_len is not None:
        changes["max_model_len"] = options.max_model_len
        _within("--max-model-len", options.max_model_len, shape.context_tokens)
    for field, (flag, most, _) in _COUNTS.items():
        value = getattr(options, flag.lstrip("-").replace("-", "_"))
        if value is not None:
            _within(flag, value, most)
            changes[field] = value
    if options.gpu_memory_utilization is not None:
        changes["gpu_memory_utilization"] = options.gpu_memory_utilization
    if options.no_chunked_prefill:
        changes["chunked_prefill"] = False
    if options.no_prefix_caching:
        changes["prefix_caching"] = False
    if options.engine != "continuous":
        changes["engine"] = EAGER_ENGINE
    return replace(serving, **changes)


def _batch(options: argparse.Namespace) -> int:
    """Sequences of a padded batch, 0 for continuous batching."""
    if options.engine == "static":
        batch = _BATCH if options.batch is None else int(options.batch)
        _within("--batch", batch, 1_000_000)
        return batch
    if options.batch is not None:
        raise HarnessError("--batch makes sense with --engine static only")
    return int(options.engine == "sequential")


def _within(flag: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise HarnessError(f"is {value}", where=flag, allowed=f"1 to {most:,}")

"""Read `rates.csv`: the tokens/s that stages of certain sizes were measured to reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.placement.inputs.table_file import POSITIVE, number, table, unknown
from harness.placement.problem import Config, Floats, GpuType, Problem
from harness.placement.rates import RateModel
from harness.placement.segments import TP_DEGREES

RATE_COLUMNS = ["gpu_type", "tp", "layers", "tokens_per_s"]
PREFILL_COLUMN = "prefill_s"


@dataclass(frozen=True, slots=True)
class _Stage:
    tokens_per_s: float
    prefill_s: float


@dataclass(frozen=True, slots=True)
class _Measured:
    """(type, TP) -> layers -> what was measured."""

    stages: dict[tuple[str, int], dict[int, _Stage]]

    def layer_range(self, _: Config, gpu: GpuType, tp: int) -> tuple[int, int]:
        sizes = self.stages.get((gpu.name, tp))
        return (min(sizes), max(sizes)) if sizes else (1, 0)

    def tokens_per_s(self, config: Config, gpu: GpuType, tp: int) -> Floats:
        rates = np.zeros(config.num_decoder_layers + 1)
        for layers, stage in self.stages.get((gpu.name, tp), {}).items():
            rates[layers] = stage.tokens_per_s
        return rates

    def prefill_s(self, config: Config, gpu: GpuType, tp: int) -> Floats:
        seconds = np.full(config.num_decoder_layers + 1, np.inf)
        for layers, stage in self.stages.get((gpu.name, tp), {}).items():
            seconds[layers] = stage.prefill_s
        return seconds


def read_rates(path: Path, problem: Problem) -> RateModel:
    """The rates in `path`, of stages of this problem's GPU types and layers, in any shape.

    One row per stage: `gpu_type,tp,layers,tokens_per_s` and, if asked about latency, `prefill_s`, the
    seconds of one prompt in the stage (else `sequence_length` / tokens_per_s). A stage without a row
    does not exist; memory is not asked, since it ran. HarnessError names line and column of a mistake.
    """
    pool = {gpu.name: gpu for gpu in problem.pool}
    stages: dict[tuple[str, int], dict[int, _Stage]] = {}
    headers = [RATE_COLUMNS, [*RATE_COLUMNS, PREFILL_COLUMN]]
    missing = f"a file of measured rates has the columns {','.join(RATE_COLUMNS)}"
    for place, cells in table(path, missing, headers):
        name = cells["gpu_type"]
        if name not in pool:
            raise unknown(name, pool, "gpu_type", place)
        tp = _tp(cells["tp"], pool[name], f"{place}, tp")
        layers = int(number(cells["layers"], f"{place}, layers", 1, problem.layers, whole=True))
        measured = stages.setdefault((name, tp), {})
        if layers in measured:
            raise HarnessError(
                f"{layers} layers on {tp} x {name} have two rows", where=place, next_step="keep one"
            )
        measured[layers] = _stage(cells, problem.config, place)
    if not stages:
        raise HarnessError("no rate is given", where=str(path), next_step="add a row per measured stage")
    found = _Measured(stages)
    return RateModel("measured", found.layer_range, found.tokens_per_s, found.prefill_s)


def _tp(text: str, gpu: GpuType, where: str) -> int:
    degrees = [tp for tp in TP_DEGREES if tp <= gpu.count]
    allowed = f"{', '.join(map(str, degrees)) or 'none'} on {gpu.count} x {gpu.name}"
    if text not in map(str, degrees):
        raise HarnessError(f"{text!r} is not allowed", where=where, allowed=allowed)
    return int(text)


def _stage(cells: dict[str, str], config: Config, place: str) -> _Stage:
    rate = number(cells["tokens_per_s"], f"{place}, tokens_per_s", POSITIVE)
    if PREFILL_COLUMN not in cells:
        return _Stage(rate, config.sequence_length / rate)
    return _Stage(rate, number(cells[PREFILL_COLUMN], f"{place}, {PREFILL_COLUMN}", POSITIVE))

"""Reading tables of measured step times, in either of two column layouts.

By layer: model, dtype, gpu, gpus, phase, batch_tokens, milliseconds_per_layer. By request: model, gpu,
tensor_parallel, prompt_tokens, batch_size, prefill_ms, decode_ms_per_token, and if known output_tokens,
end_to_end_ms and dtype.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.costmodel.devices import Device, find_device
from harness.costmodel.known_models import find_model
from harness.costmodel.load import StepLoad, decode_load, prefill_load
from harness.costmodel.precision import Precision, find_precision
from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError
from harness.hardware.rows import Row

Phase = Literal["prefill", "decode"]
Layout = Literal["layer", "request"]
Subject = tuple[ModelShape, Precision, Device]

COLUMNS: Mapping[Layout, tuple[str, ...]] = {
    "layer": ("model", "dtype", "gpu", "gpus", "phase", "batch_tokens", "milliseconds_per_layer"),
    "request": (
        "model", "gpu", "tensor_parallel", "prompt_tokens", "batch_size", "prefill_ms", "decode_ms_per_token",
    ),
}  # fmt: skip
PROMPT_TOKENS = 1000
"""Length that prompts of a by-layer prefill row are taken to have: the data do not say, and their times are
proportional to tokens up to 11,250, so they are of several prompts."""
WAVES = 1.5
"""A request that took this much longer than prefill and its decode steps did not run as one batch."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured step: `seconds` of a layer or of a whole model, known to within `half_s` of rounding.

    `position` is batch_tokens, or prompt tokens times batch size; `group` what else tells configurations
    apart. `context_stated`: whether decode's KV
    length is part of `load`.
    """

    layout: Layout
    gpu: str
    phase: Phase
    model: str
    shape: ModelShape
    precision: Precision
    device: Device
    tensor_parallel: int
    load: StepLoad
    position: int
    group: tuple[str, ...]
    seconds: float
    half_s: float
    context_stated: bool
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds: `rows` read, `left_out` lines with the reason, and the steps."""

    layout: Layout
    rows: int
    left_out: Mapping[int, str]
    steps: tuple[Measured, ...]


def read_measured(path: Path, rows: Mapping[str, Row]) -> Table:
    """The measured steps of the CSV file at `path`; `rows` are the hardware matrix's.

    Raises HarnessError for the first mistake: file, line, column, what is allowed.
    """
    lines = _lines(path)
    header = next(lines)[1]
    layout = _layout(header, path)
    steps: list[Measured] = []
    left_out: dict[int, str] = {}
    subjects: dict[tuple[str, str, str], Subject] = {}
    count = 0
    for number, cells in lines:
        count += 1
        if len(cells) != len(header):
            raise HarnessError(
                f"has {len(cells)} cells",
                where=f"{path}, line {number}",
                allowed=f"{len(header)}, as the header",
            )
        named = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        line = _Line(path, number, named, rows, subjects)
        if layout == "layer":
            steps.append(_layer_step(line))
        elif reason := _why_left_out(line):
            left_out[number] = reason
        else:
            steps.extend(_request_steps(line))
    if not steps:
        raise HarnessError(
            "holds no measured step", where=str(path), allowed="at least one row", next_step="add rows"
        )
    return Table(layout, count, left_out, tuple(steps))


@dataclass(frozen=True, slots=True)
class _Line:
    path: Path
    number: int
    cells: Mapping[str, str]
    rows: Mapping[str, Row]
    subjects: dict[tuple[str, str, str], Subject]

    def where(self, column: str) -> str:
        return f"{self.path}, line {self.number}, column {column}"

    def whole(self, column: str) -> int:
        text = self.cells[column]
        value = self.number_in(column)
        if value != int(value):
            raise HarnessError(f"is {text!r}", where=self.where(column), allowed="a whole number from 1")
        return int(value)

    def number_in(self, column: str) -> float:
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (value > 0.0 and math.isfinite(value)):
            raise HarnessError(f"is {text!r}", where=self.where(column), allowed="a number above 0")
        return value

    def subject(self) -> Subject:
        """Model, precision and GPU, looked up once per file; their errors name the cell."""
        dtype = self.cells.get("dtype") or self.cells.get("precision") or "fp16"
        key = (self.cells["model"], dtype, self.cells["gpu"])
        if key not in self.subjects:
            self.subjects[key] = self._found_subject(*key)
        return self.subjects[key]

    def _found_subject(self, model: str, dtype: str, gpu: str) -> Subject:
        place = ""
        try:
            place = "model"
            shape = find_model(model)
            place = "dtype"
            precision = find_precision(dtype, shape)
            place = "gpu"
            return shape, precision, find_device(gpu, self.rows)
        except HarnessError as error:
            raise HarnessError(
                error.what, where=self.where(place), allowed=error.allowed, next_step=error.next_step
            ) from error


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of the header and of every line that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(
            f"cannot be read ({error})",
            where=str(path),
            allowed="a CSV file in UTF-8",
            next_step="check the path and its permissions",
        ) from error
    reader = csv.reader(text.splitlines())
    try:
        found = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise HarnessError(f"is no CSV ({error})", where=f"{path}, line {reader.line_num}") from error
    if not found:
        raise HarnessError("is empty", where=str(path), allowed=_allowed_columns())
    number, header = found[0]
    yield number, [cell.strip() for cell in header]
    yield from found[1:]


def _layout(header: list[str], path: Path) -> Layout:
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise HarnessError(f"has column {sorted(twice)[0]!r} twice", where=str(path), allowed="each once")
    for layout, needed in COLUMNS.items():
        if set(needed) <= set(header):
            return layout
    nearest = max(COLUMNS.values(), key=lambda needed: len(set(needed) & set(header)))
    missing = [name for name in nearest if name not in header]
    raise HarnessError(
        f"has no column {', '.join(missing)}", where=f"{path}, header", allowed=_allowed_columns()
    )


def _allowed_columns() -> str:
    return " or ".join(",".join(columns) for columns in COLUMNS.values())


def _layer_step(line: _Line) -> Measured:
    shape, precision, device = line.subject()
    phase, tokens = line.cells["phase"], line.whole("batch_tokens")
    if phase not in ("prefill", "decode"):
        raise HarnessError(f"is {phase!r}", where=line.where("phase"), allowed="prefill, decode")
    stated = "context_tokens" in line.cells
    if phase == "decode":
        load = decode_load(tokens, tokens * line.whole("context_tokens") if stated else 0)
    else:
        load = several_prompts(tokens)
    text = line.cells["milliseconds_per_layer"]
    return Measured(
        layout="layer",
        gpu=line.cells["gpu"],
        phase="decode" if phase == "decode" else "prefill",
        model=line.cells["model"],
        shape=shape,
        precision=precision,
        device=device,
        tensor_parallel=line.whole("gpus"),
        load=load,
        position=tokens,
        group=(line.cells.get("context_tokens", ""),),
        seconds=line.number_in("milliseconds_per_layer") / 1e3,
        half_s=half_of_last_digit(text) / 1e3,
        context_stated=stated or phase == "prefill",
        line=line.number,
    )


def several_prompts(tokens: int) -> StepLoad:
    """`tokens` prompt tokens as prompts of about `PROMPT_TOKENS`."""
    prompts = max(1, round(tokens / PROMPT_TOKENS))
    each, more = divmod(tokens, prompts)
    load = prefill_load(each, prompts - more)
    for _ in range(more):
        load = load.with_chunk(each + 1)
    return load


def half_of_last_digit(text: str) -> float:
    """Half a unit of the last printed digit: `1.4` is known to 0.05, `23` to 0.5."""
    mantissa, _, exponent = text.strip().lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - decimals)


def _why_left_out(line: _Line) -> str:
    if "end_to_end_ms" not in line.cells or "output_tokens" not in line.cells:
        return ""
    decode_ms = (line.whole("output_tokens") - 1) * line.number_in("decode_ms_per_token")
    if line.number_in("end_to_end_ms") <= WAVES * (line.number_in("prefill_ms") + decode_ms):
        return ""
    return "end to end takes much longer than prefill and decode: the batch did not run at once"


def _request_steps(line: _Line) -> Iterator[Measured]:
    shape, precision, device = line.subject()
    prompt, batch = line.whole("prompt_tokens"), line.whole("batch_size")
    context = prompt + _generated(line) / 2.0
    loads: tuple[tuple[Phase, StepLoad, str], ...] = (
        ("prefill", prefill_load(prompt, batch), "prefill_ms"),
        ("decode", decode_load(batch, round(batch * context)), "decode_ms_per_token"),
    )
    for phase, load, column in loads:
        yield Measured(
            layout="request",
            gpu=line.cells["gpu"],
            phase=phase,
            model=line.cells["model"],
            shape=shape,
            precision=precision,
            device=device,
            tensor_parallel=line.whole("tensor_parallel"),
            load=load,
            position=prompt * batch,
            group=(str(prompt), line.cells.get("output_tokens", "")),
            seconds=line.number_in(column) / 1e3,
            half_s=half_of_last_digit(line.cells[column]) / 1e3,
            context_stated=True,
            line=line.number,
        )


def _generated(line: _Line) -> float:
    """Tokens generated: as asked for, or fewer where the end-to-end time says that it stopped early."""
    if "output_tokens" not in line.cells:
        return 0.0
    asked = float(line.whole("output_tokens"))
    if "end_to_end_ms" not in line.cells:
        return asked
    spent_ms = line.number_in("end_to_end_ms") - line.number_in("prefill_ms")
    return min(max(1.0 + spent_ms / line.number_in("decode_ms_per_token"), 1.0), asked)

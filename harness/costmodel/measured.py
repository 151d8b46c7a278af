"""Reading tables of measured step times, in either of two column layouts.

By layer: model, dtype, gpu, gpus, phase, batch_tokens, milliseconds_per_layer, and if known context_tokens.
By request: model, gpu, tensor_parallel, prompt_tokens, batch_size, prefill_ms, decode_ms_per_token, and if
known output_tokens, end_to_end_ms and dtype. Other columns are passed over. A cell of an optional column may
be empty, and so may one of the two times of a request.

`dtype` is the weight format; a column `precision` or `quantization` says it too and comes first. Where no
cell does, the model's name may (`...-AWQ`), else it is fp16. `model` is a name of `known_models`, or the path
of a config.json from the table's folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.costmodel.csv_table import Line, half_of_last_digit, header_and_lines
from harness.costmodel.devices import Device, find_device
from harness.costmodel.known_models import find_model, precision_in_name
from harness.costmodel.load import StepLoad, decode_load, prefill_load
from harness.costmodel.precision import Precision, find_precision
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.costmodel.steptime import Deployment
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
_FORMAT_COLUMNS = ("quantization", "precision", "dtype")
_DEFAULT_FORMAT = "fp16"
_PHASES: Mapping[str, Phase] = {
    "prefill": "prefill",
    "prompt": "prefill",
    "decode": "decode",
    "generation": "decode",
}
PROMPT_TOKENS = 1000
"""Length that prompts of a by-layer prefill row are taken to have: the data do not say, and their times are
proportional to tokens up to 11,250, so they are of several prompts."""
WAVES = 1.5
"""A request that took this much longer than prefill and its decode steps did not run as one batch."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured step: `seconds` of a layer or of a whole model, known to within `half_s` of rounding.

    `position` is batch_tokens, or prompt tokens times batch size; `group` what else tells configurations
    apart. `context_stated`: whether decode's KV length is part of `load`. `line` is the file's.
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
    header, lines = header_and_lines(path)
    layout = _layout(header, path)
    subjects = _Subjects(rows)
    steps: list[Measured] = []
    left_out: dict[int, str] = {}
    count = 0
    for line in lines:
        count += 1
        subject = subjects.of(line)
        if layout == "layer":
            steps.append(_layer_step(line, subject))
        elif reason := _why_left_out(line):
            left_out[line.number] = reason
        else:
            steps.extend(_request_steps(line, subject))
    if not steps:
        raise HarnessError(
            "holds no measured step" + (f": each {next(iter(left_out.values()))}" if left_out else ""),
            where=str(path),
            allowed="at least one row",
            next_step="add rows",
        )
    return Table(layout, count, left_out, tuple(steps))


@dataclass(frozen=True, slots=True)
class _Subjects:
    """Model, precision and GPU of a line, looked up once per file; errors name the cell."""

    rows: Mapping[str, Row]
    found: dict[tuple[str, str, str], Subject] = field(default_factory=dict)

    def of(self, line: Line) -> Subject:
        column, name = _format_cell(line)
        key = (line.cells["model"], name, line.cells["gpu"])
        if key not in self.found:
            with line.at("model"):
                shape = _shape(line)
            with line.at(column):
                precision = find_precision(name, shape)
            with line.at("gpu"):
                self.found[key] = (shape, precision, find_device(line.cells["gpu"], self.rows))
        return self.found[key]


def _format_cell(line: Line) -> tuple[str, str]:
    """(column, weight format) of a line."""
    for column in _FORMAT_COLUMNS:
        if line.knows(column):
            return column, line.cells[column]
    return "model", precision_in_name(line.cells["model"]) or _DEFAULT_FORMAT


def _shape(line: Line) -> ModelShape:
    name = line.cells["model"]
    return shape_from_file(line.path.parent / name) if name.endswith(".json") else find_model(name)


def _layout(header: tuple[str, ...], path: Path) -> Layout:
    if not header:
        raise HarnessError("is empty", where=str(path), allowed=_allowed_columns())
    known = {*header, "dtype"} if set(_FORMAT_COLUMNS) & set(header) else set(header)
    for layout, needed in COLUMNS.items():
        if set(needed) <= known:
            return layout
    nearest = max(COLUMNS.values(), key=lambda needed: len(set(needed) & known))
    missing = [name for name in nearest if name not in known]
    raise HarnessError(
        f"has no column {', '.join(missing)}", where=f"{path}, header", allowed=_allowed_columns()
    )


def _allowed_columns() -> str:
    return " or ".join(",".join(columns) for columns in COLUMNS.values())


def _degree(line: Line, column: str, subject: Subject) -> int:
    """How many GPUs split a layer."""
    degree = line.whole(column)
    with line.at(column):
        Deployment(*subject, tensor_parallel=degree)
    return degree


def _layer_step(line: Line, subject: Subject) -> Measured:
    shape, precision, device = subject
    phase, tokens = _PHASES.get(line.cells["phase"].lower()), line.whole("batch_tokens")
    if phase is None:
        raise line.error("phase", "prefill, decode")
    stated = line.knows("context_tokens")
    if phase == "decode":
        load = decode_load(tokens, tokens * line.whole("context_tokens") if stated else 0)
    else:
        load = several_prompts(tokens)
    return Measured(
        layout="layer",
        gpu=line.cells["gpu"],
        phase=phase,
        model=line.cells["model"],
        shape=shape,
        precision=precision,
        device=device,
        tensor_parallel=_degree(line, "gpus", subject),
        load=load,
        position=tokens,
        group=(line.cells.get("context_tokens", ""),),
        seconds=line.positive("milliseconds_per_layer") / 1e3,
        half_s=half_of_last_digit(line.cells["milliseconds_per_layer"]) / 1e3,
        context_stated=stated or phase == "prefill",
        line=line.number,
    )


def several_prompts(tokens: int) -> StepLoad:
    """`tokens` prompt tokens as prompts of about `PROMPT_TOKENS`, some of them one token longer."""
    prompts = max(1, round(tokens / PROMPT_TOKENS))
    each, longer = divmod(tokens, prompts)
    one, rest = prefill_load(each + 1, longer), prefill_load(each, prompts - longer)
    return StepLoad(
        prefill_tokens=tokens,
        prefill_pairs=one.prefill_pairs + rest.prefill_pairs,
        prefill_context_tokens=tokens,
        prefill_sequences=prompts,
        decode_sequences=0,
        decode_context_tokens=0,
    )


def _why_left_out(line: Line) -> str:
    if not line.knows("end_to_end_ms", "output_tokens", "prefill_ms", "decode_ms_per_token"):
        return ""
    more = line.whole("output_tokens") - 1
    decode_ms = more * line.positive("decode_ms_per_token") if more else 0.0
    if line.positive("end_to_end_ms") <= WAVES * (line.positive("prefill_ms") + decode_ms):
        return ""
    return "end to end takes much longer than prefill and decode: the batch did not run at once"


def _request_steps(line: Line, subject: Subject) -> Iterator[Measured]:
    """The steps whose time is known: at least one, and no decode step of a single output token."""
    shape, precision, device = subject
    prompt, batch = line.whole("prompt_tokens"), line.whole("batch_size")
    found: list[tuple[Phase, StepLoad, str]] = []
    if line.knows("decode_ms_per_token") and not _one_token(line):
        context = round(batch * (prompt + _generated(line) / 2.0))
        found.append(("decode", decode_load(batch, context), "decode_ms_per_token"))
    if line.knows("prefill_ms") or not found:
        found.insert(0, ("prefill", prefill_load(prompt, batch), "prefill_ms"))
    for phase, load, column in found:
        yield Measured(
            layout="request",
            gpu=line.cells["gpu"],
            phase=phase,
            model=line.cells["model"],
            shape=shape,
            precision=precision,
            device=device,
            tensor_parallel=_degree(line, "tensor_parallel", subject),
            load=load,
            position=prompt * batch,
            group=(str(prompt), line.cells.get("output_tokens", "")),
            seconds=line.positive(column) / 1e3,
            half_s=half_of_last_digit(line.cells[column]) / 1e3,
            context_stated=True,
            line=line.number,
        )


def _one_token(line: Line) -> bool:
    return line.knows("output_tokens") and line.whole("output_tokens") == 1


def _generated(line: Line) -> float:
    """Tokens generated: as asked for, or fewer where the end-to-end time says that it stopped early."""
    if not line.knows("output_tokens"):
        return 0.0
    asked = float(line.whole("output_tokens"))
    if not line.knows("end_to_end_ms", "prefill_ms"):
        return asked
    spent_ms = line.positive("end_to_end_ms") - line.positive("prefill_ms")
    return min(max(1.0 + spent_ms / line.positive("decode_ms_per_token"), 1.0), asked)

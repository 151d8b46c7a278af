"""`harness doctor`: this machine as the rig sees it, and what each row would still need."""

from __future__ import annotations

import os
from pathlib import Path

from harness.hardware import (
    Machine,
    Matrix,
    Row,
    describe_machine,
    hub_folder,
    matching_row,
    missing_here,
    missing_weights,
    resolve_model,
    unmatched_note,
)
from harness.hardware.requirements import PROBES
from harness.measure.noise import identical_arms
from harness.measure.outcome import Effect
from harness.measure.spec import Clock, Requires

CLOCKS: tuple[Clock, ...] = ("thread", "process", "wall")
FLOOR_S = 1.0


def examine(matrix: Matrix) -> list[str]:
    """The lines of the report; measures the noise of each host clock for one second."""
    machine = describe_machine()
    here = matrix.row(matching_row(machine, matrix))
    lines = [*_machine(machine, here), *_noise(here), *_extras(here), *_models(matrix, here)]
    lines += _rows(matrix, here)
    note = unmatched_note(machine, matrix)
    return [*lines, f"note       {note}"] if note else lines


def _machine(machine: Machine, here: Row) -> list[str]:
    cpu = machine.cpu
    gpus = ", ".join(f"{gpu.name} {gpu.memory_gib:.0f} GiB" for gpu in machine.gpus) or "none"
    busy = machine.load[0] > 0.5 * cpu.usable_cores
    return [
        f"machine    {cpu.model}, {cpu.usable_cores} usable cores, {cpu.memory_gib:.0f} GiB; GPUs: {gpus}",
        f"system     {machine.os}, Python {machine.python}",
        f"row        {here.name} ({here.title}), timed on the {here.clock} clock",
        f"governor   {cpu.governor or 'not readable'}, turbo {cpu.turbo or 'not readable'}",
        f"load       {machine.load[0]:.2f}{': other work runs here, expect noise' if busy else ''}",
    ]


def _noise(here: Row) -> list[str]:
    lines = []
    for clock in CLOCKS:
        effect = identical_arms(clock, FLOOR_S)
        used = "  <- used for timed metrics" if clock == here.clock else ""
        lines.append(f"noise      {clock:<8}{_spread(effect)}{used}")
    return lines


def _spread(effect: Effect) -> str:
    width = (effect.high - effect.low) / 2
    return f"identical arms: {effect.ratio:.4f} [{effect.low:.4f}, {effect.high:.4f}], +-{width:.2%}"


def _extras(here: Row) -> list[str]:
    reasons = {extra: missing_here(here, here.name, Requires(extras=(extra,))) for extra in PROBES}
    return [f"extra      {extra:<12}{reason or 'installed'}" for extra, reason in reasons.items()]


def _models(matrix: Matrix, here: Row) -> list[str]:
    hub = hub_folder(os.environ, Path.home())
    lines = []
    for role in matrix.models:
        checkpoint = resolve_model(matrix, role, here.name)
        missing = missing_weights(matrix, role, here.name, hub)
        found = f"{checkpoint.location} {checkpoint.file}".strip() if checkpoint else ""
        lines.append(f"model      {role:<18}{missing or f'{found}: here'}")
    return lines


def _rows(matrix: Matrix, here: Row) -> list[str]:
    measured = [name for name, row in matrix.rows.items() if missing_here(row, here.name, Requires()) is None]
    lines = [f"measured   {', '.join(measured)}"]
    others = [name for name in matrix.rows if name not in measured]
    if others:
        elsewhere = "run `pytest benchmarks -m ROW` on such a machine"
        modelled = "here they are modelled where a benchmark declares a model"
        lines.append(f"elsewhere  {', '.join(others)}: {elsewhere}; {modelled}")
    return lines

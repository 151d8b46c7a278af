"""The command line of a run: its options, and the settings they add up to."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import HarnessError

MATRIX_FILE = "hardware_matrix.toml"
GateMode = Literal["default", "strict", "off"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asked for; `command` repeats it for the record.

    `forwarded` are the options another pytest process needs to see the same project.
    """

    root: Path
    matrix_path: Path
    report_dir: Path
    baseline_dir: Path
    budget_s: float
    gate: GateMode
    confirm: bool
    measured_only: bool
    update_baseline: bool
    pin_baseline: bool
    seed: int
    resume: str
    against: str
    model: str
    endpoint: str
    command: tuple[str, ...]
    forwarded: tuple[str, ...]


def add_options(option: Callable[..., Any]) -> None:
    """Declare every option; `option` takes what argparse's add_argument takes."""
    option("--hardware", metavar="auto|ROW", help="select one hardware row; auto = the row this machine is")
    option("--budget", type=float, default=300.0, metavar="SECONDS", help="measuring time, shared out [300]")
    option(
        "--gate", choices=("default", "strict", "off"), default="default", help="strict: inconclusive fails"
    )
    option("--no-confirm", action="store_true", help="do not repeat a regression in a fresh process")
    option("--measured-only", action="store_true", help="model nothing; nothing measured exits 12")
    option("--update-baseline", action="store_true", help="record what this run finds; prints the difference")
    option("--pin-baseline", action="store_true", help="--update-baseline, and pin the result as well")
    option("--resume", default="", metavar="RUN", help="continue an interrupted run (id, path or latest)")
    option("--report-dir", default="reports", metavar="DIR", help="where run folders go [reports]")
    option("--baseline-dir", metavar="DIR", help="committed baselines [baselines in --report-dir]")
    option("--matrix", metavar="FILE", help=f"hardware matrix [{MATRIX_FILE} in the root directory]")
    option("--round-seed", type=int, default=0, metavar="N", help="seed of round order and resampling [0]")
    option("--explain", metavar="NODEID", help="print how the latest run reached its verdicts, and stop")
    option("--against", default="", metavar="REV|RUN", help="compare with a git revision or with a run")
    option(
        "--model", default="", metavar="PATH|ID", help="use these weights instead of the matrix's [models]"
    )
    option("--endpoint", default="", metavar="URL", help="use this OpenAI-compatible server as the engine")
    option("--worker-pipes", default="", help=argparse.SUPPRESS)


def check_options(option: Any, arguments: Sequence[str]) -> None:
    """Raise HarnessError (exit 4) for a value that no run can use, or that would be lost silently."""
    if not 0 < option.budget < math.inf:
        raise HarnessError(f"--budget {option.budget:g}", allowed="a number of seconds above 0")
    if option.round_seed < 0:
        raise HarnessError(f"--round-seed {option.round_seed}", allowed="0 and above")
    for name in ("report_dir", "baseline_dir", "matrix", "explain"):
        if getattr(option, name) == "":
            flag = "--" + name.replace("_", "-")
            raise HarnessError(f"{flag} is empty", next_step="give it a value or leave it out")
    # pytest-benchmark keeps only the last of several, whatever its help says
    if sum(argument.startswith("--benchmark-compare-fail") for argument in arguments) > 1:
        raise HarnessError(
            "--benchmark-compare-fail given twice: pytest-benchmark would drop all but the last",
            next_step="give it once with several expressions",
        )


def settings_of(
    option: Any, root: Path, matrix_path: Path, command: Sequence[str], forwarded: Sequence[str]
) -> Settings:
    """The settings; relative folders count from the root directory."""
    report_dir = root / option.report_dir
    return Settings(
        root=root,
        matrix_path=matrix_path,
        report_dir=report_dir,
        baseline_dir=root / option.baseline_dir if option.baseline_dir else report_dir / "baselines",
        budget_s=option.budget,
        gate=option.gate,
        confirm=not option.no_confirm,
        measured_only=option.measured_only,
        update_baseline=option.update_baseline or option.pin_baseline,
        pin_baseline=option.pin_baseline,
        seed=option.round_seed,
        resume=option.resume,
        against=option.against,
        model=option.model,
        endpoint=option.endpoint,
        command=tuple(command),
        forwarded=tuple(forwarded),
    )


def asked_prefixes(arguments: Sequence[str], folder: Path, root: Path) -> list[str]:
    """What pytest was told to collect, as nodeid prefixes; `folder` is where it was called."""
    prefixes = []
    for argument in arguments:
        path, separator, rest = argument.partition("::")
        absolute = (folder / path).resolve()
        if absolute.is_relative_to(root):
            relative = absolute.relative_to(root).as_posix()
            prefixes.append(("" if relative == "." else relative) + separator + rest)
    return prefixes

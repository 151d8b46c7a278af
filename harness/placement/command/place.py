"""`harness place`: from its options to what it prints, writes and returns."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import tempfile
from pathlib import Path

from harness.errors import EXIT_DONE, HarnessError
from harness.placement.answers.answer import NoPlanError
from harness.placement.answers.question import Question, sizes_of
from harness.placement.command import options as place_options
from harness.placement.command.modes import mode_of
from harness.placement.exact.limits import Limits
from harness.placement.inputs.corrected import CORRECTED_RATES, corrected_problem
from harness.placement.inputs.generator import synthetic_pool
from harness.placement.inputs.measured_rates import read_rates
from harness.placement.inputs.reader import read_problem
from harness.placement.inputs.writer import write_problem
from harness.placement.output import report
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES, RateModel
from harness.placement.segments import CORRECTED, DOCUMENTED


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness place`, and what runs it."""
    place_options.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer and print; the exit code. HarnessError for a mistake, and where there is no plan."""
    place_options.refuse_contradictions(options)
    if options.generate:
        return _generate(options)
    problem, rates = _rated(options.rates, read_problem(options.config_dir))
    question = _question(options, problem, rates)
    try:
        told = mode_of(options)(options, question, problem)
    except NoPlanError as none:
        if options.json:
            sys.stdout.write(report.json_text(none.document() | report.asked(question, problem)))
        raise
    if told.drawing:
        _write(options.plot, told.drawing, "--plot")
    sys.stdout.write(report.json_text(told.document) if options.json else told.text)
    return told.code


def _generate(options: argparse.Namespace) -> int:
    """Write a made-up problem and say how to ask about it."""
    low, high = options.gpus_per_type or (4, 24)
    problem = synthetic_pool(options.seed or 0, options.types or 5, (low, high), options.layers or 80)
    write_problem(problem, options.generate)
    folder = shlex.quote(str(options.generate))
    sys.stdout.write(
        f"{problem.layers} layers, {problem.gpus} GPUs of {len(problem.pool)} types: "
        f"harness place --config-dir {folder}\n"
    )
    return EXIT_DONE


def _rated(text: str, problem: Problem) -> tuple[Problem, RateModel]:
    """The problem as these rates see it, and the rates."""
    if text == "documented":
        return problem, DOCUMENTED_RATES
    if text == "corrected":
        return corrected_problem(problem), CORRECTED_RATES
    path = Path(text)
    if not path.is_file():
        raise HarnessError(
            f"{text!r} is no file",
            where="--rates",
            allowed="documented, corrected, or a file of measured rates",
        )
    return problem, read_rates(path, problem)


def _question(options: argparse.Namespace, problem: Problem, rates: RateModel) -> Question:
    rules = DOCUMENTED if options.rules == "documented" else CORRECTED
    # the documented methods cut the model into few sizes, whatever the rules
    cut = rules if options.method == "exact" and not options.compare else DOCUMENTED
    limits = Limits(
        math.inf if options.max_prefill_s is None else options.max_prefill_s,
        options.max_stages, options.single_type, options.uniform_tp,
    )  # fmt: skip
    return Question(
        rules, rates, sizes_of(options.sizes, problem, cut), options.budget, options.min_tokens_per_s,
        options.cost_weight, limits, options.contiguous,
    )  # fmt: skip


def _write(path: Path, content: str, option: str) -> None:
    """Put the file there whole or not at all; what is there and no file, a device say, stays."""
    if path.exists() and not path.is_file():
        raise HarnessError("is there and no file", where=str(path), next_step=f"pass another {option}")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HarnessError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            next_step=f"pass another {option}",
        ) from None

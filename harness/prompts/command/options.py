"""The options of `harness optimize-prompt`, and the settings that they mean."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.prompts.command import data, models, threads
from harness.prompts.examples import EntityType
from harness.prompts.optimize.budget import CANDIDATES, Auto, auto_metric_calls
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import DEFAULT_STOPPING, Stopping
from harness.prompts.program import AnswerFormat, Program
from harness.prompts.report.prompt_file import read_prompt_file
from harness.render.escape import clip

POOR = "Extract entities."
CACHE = Path("build/answers")
MOST_METRIC_CALLS = 1_000_000
_LONGEST_FILE = 1 << 20


def add_options(parser: argparse.ArgumentParser, matrix: Path) -> None:
    """Everything; `run` is set by the command."""
    parser.add_argument(
        "--instruction", default=POOR, metavar="TEXT", help="where the run begins [%(default)s]"
    )
    parser.add_argument("--instruction-file", type=Path, metavar="FILE", help="the same from a text file")
    parser.add_argument("--prompt", type=Path, metavar="FILE", help="the same from a saved prompt.json")
    parser.add_argument("--optimizer", choices=("ours", "dspy"), default="ours", help="dspy: stock dspy.GEPA")
    parser.add_argument(
        "--documented", action="store_true", help="threads and split by the rules of prompt-optimizers.md"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan: calls, tokens, time, cost")
    parser.add_argument("--seed", type=int, default=0)
    data.add_options(parser)
    models.add_options(parser)
    threads.add_options(parser)
    threads.matrix_option(parser, matrix)
    _search_options(parser)
    group = parser.add_argument_group("files")
    group.add_argument(
        "--output", type=Path, default=Path("reports/prompts/run"), metavar="DIR",
        help="journal, prompt and report; the same command goes on there after an interruption [%(default)s]",
    )  # fmt: skip
    group.add_argument("--cache", type=Path, metavar="DIR", help=f"answers of earlier runs [{CACHE}]")
    group.add_argument("--no-cache", action="store_true", help="ask for every answer anew")
    group.add_argument("--force", action="store_true", help="save the prompt though it is no better")
    group.add_argument("--json", action="store_true", help="the result as one JSON document on stdout")


def _search_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("search")
    group.add_argument(
        "--budget", default="light", metavar="N",
        help=f"metric calls, or GEPA's {', '.join(CANDIDATES)} [%(default)s]",
    )  # fmt: skip
    group.add_argument("--minibatch", type=int, default=3, metavar="N", help="[%(default)s]")
    group.add_argument("--proposals", type=int, metavar="N", help="side by side [threads / minibatch]")
    group.add_argument("--reveal", action="store_true", help="show expected names to the reflection model")
    group.add_argument("--no-early-stop", action="store_true", help="spend the whole budget")
    for name, kind, text in (
        ("calls", int, "LM calls"),
        ("usd", float, "US dollars"),
        ("seconds", float, "seconds of this process"),
    ):
        group.add_argument(f"--stop-after-{name}", type=kind, metavar="N", help=f"stop after so many {text}")


def program_of(options: argparse.Namespace, form: AnswerFormat, types: Sequence[EntityType]) -> Program:
    """The program that the run begins with.

    Raises HarnessError for an instruction that says nothing, and for a saved prompt of another program, or of
    other entity types.
    """
    if options.prompt is not None:
        return read_prompt_file(options.prompt, Program("", form), types).program
    text, where = options.instruction, "--instruction"
    if options.instruction_file is not None:
        where = str(options.instruction_file)
        with options.instruction_file.open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
        if len(content) > _LONGEST_FILE:
            raise HarnessError("is longer than any instruction", where=where, allowed="1 MiB")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise HarnessError("is no UTF-8 text", where=where) from None
    if not text.strip():
        raise HarnessError("the instruction is empty", where=where, next_step="give the one to begin with")
    return Program(text.strip(), form)


def settings_of(options: argparse.Namespace, validation: int) -> Settings:
    """How the optimization is to go, with so many validation examples."""
    if options.seed < 0:
        raise HarnessError(f"--seed is {options.seed}", allowed="0 and more")
    return Settings(
        metric_calls=budget_of(options.budget, validation),
        minibatch=options.minibatch,
        proposals=options.proposals,
        seed=options.seed,
        reveal=options.reveal,
        stopping=_stopping(options),
    )


def budget_of(budget: str, validation: int) -> int:
    """Metric calls of a mode of GEPA's or of a number."""
    modes: tuple[Auto, ...] = tuple(CANDIDATES)
    for mode in modes:
        if budget == mode:
            return auto_metric_calls(mode, validation)
    is_count = budget.isascii() and budget.isdecimal() and len(budget) <= len(str(MOST_METRIC_CALLS))
    if not (is_count and validation < int(budget) <= MOST_METRIC_CALLS):
        raise HarnessError(
            f"--budget is {clip(budget, 20)!r}",
            allowed=f"{', '.join(modes)}, or a number above the {validation} validation examples, up to "
            f"{MOST_METRIC_CALLS:,}",
        )
    return int(budget)


def _stopping(options: argparse.Namespace) -> Stopping:
    limits = {name: getattr(options, f"stop_after_{name}") for name in ("calls", "usd", "seconds")}
    if options.no_early_stop:
        return Stopping(perfect=None, plateau=None, unusable=None, **limits)
    return Stopping(DEFAULT_STOPPING.perfect, DEFAULT_STOPPING.plateau, DEFAULT_STOPPING.unusable, **limits)

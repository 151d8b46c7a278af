"""`harness corpus trial`: what each pipeline costs and finds on generated companies, by readers that know."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.errors import EXIT_DONE, HarnessError
from harness.extraction.timing import QUOTED, sequential_seconds, served_seconds
from harness.extraction.trials.companies import MANY, READERS, SEED, TOKENS, Setting
from harness.extraction.trials.pareto import BUDGETS, Line, table, trial
from harness.hardware.matrix import load_matrix
from harness.hardware.rows import Row
from harness.render.tables import Table, markdown_lines, terminal_lines

MODEL, WEIGHTS = "qwen3-14b", "nf4"
"""The documented deployment."""


def add_options(trial_: argparse.ArgumentParser, matrix: Path) -> None:
    """The options of `harness corpus trial`."""
    trial_.add_argument(
        "--reader", action="append", choices=tuple(READERS), metavar="NAME",
        help=f"{', '.join(READERS)}; may be repeated [perfect]",
    )  # fmt: skip
    trial_.add_argument(
        "--family", choices=("tuning", "report", "gate"), default="gate", help="of wordings [%(default)s]"
    )
    trial_.add_argument("--count", type=int, default=MANY, metavar="N", help="companies [%(default)s]")
    trial_.add_argument("--tokens", type=int, default=TOKENS, metavar="N", help="of each [%(default)s]")
    trial_.add_argument("--seed", type=int, default=SEED, metavar="N", help="[%(default)s]")
    trial_.add_argument(
        "--budget-calls", type=int, action="append", metavar="N",
        help=f"of ours; may be repeated [{', '.join(map(str, BUDGETS))}]",
    )  # fmt: skip
    trial_.add_argument(
        "--row", action="append", default=[], metavar="NAME", help="model the time on this hardware row too"
    )
    trial_.add_argument("--matrix", type=Path, default=matrix, metavar="FILE", help="hardware matrix")
    trial_.add_argument("--output", type=Path, metavar="FILE", help="write it as Markdown")
    trial_.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Read all companies by every pipeline, compare, print."""
    for name, value in (("count", asked.count), ("tokens", asked.tokens), *_budgets(asked)):
        if value < 1:
            raise HarnessError(f"--{name} is {value}", allowed="1 and more")
    if asked.output is not None and not asked.output.parent.is_dir():
        raise HarnessError("there is no such folder", where=str(asked.output.parent))
    rows = _rows(asked)
    markdown: list[str] = []
    for reader in dict.fromkeys(asked.reader or ["perfect"]):
        setting = Setting(reader, asked.family, asked.count, asked.tokens, asked.seed)
        lines = trial(setting, tuple(asked.budget_calls or BUDGETS))
        title = (
            f"{reader} reader: {asked.count} companies of about {asked.tokens:,} tokens, "
            f"family {asked.family}, seed {asked.seed}"
        )
        tables = [table(lines), *([] if not rows else [_times(lines, rows)])]
        for number, each in enumerate(tables):
            sys.stdout.write("\n".join(["", title if number == 0 else "", *terminal_lines(each), ""]))
            markdown += [*([title, ""] if number == 0 else []), *markdown_lines(each), ""]
    notes = list(_notes(rows))
    sys.stdout.write("\n".join(["", *notes, ""]))
    if asked.output is not None:
        temporary = asked.output.with_name(asked.output.name + ".tmp")
        temporary.write_text("\n".join([*markdown, *notes, ""]), encoding="utf-8")
        temporary.replace(asked.output)
    return EXIT_DONE


def _budgets(asked: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for calls in asked.budget_calls or ():
        yield "budget-calls", calls


def _rows(asked: argparse.Namespace) -> list[Row]:
    if not asked.row:
        return []
    matrix = load_matrix(asked.matrix)
    for name in asked.row:
        if name not in matrix.rows or matrix.rows[name].kind != "cuda":
            gpus = ", ".join(key for key, row in matrix.rows.items() if row.kind == "cuda")
            raise HarnessError(f"--row {name} is no GPU row", where=str(asked.matrix), allowed=gpus)
    return [matrix.rows[name] for name in dict.fromkeys(asked.row)]


def _times(lines: list[Line], rows: list[Row]) -> Table:
    """Modelled minutes of a mean company on each row: one call after the other, and served in batches."""
    head = [text for row in rows for text in (f"{row.name}, one by one (min)", f"{row.name}, batched (min)")]
    body = []
    for line in lines:
        waves, count = line.outcome.waves(), len(line.outcome.costs)
        cells = []
        for row in rows:
            serving = documented(find_model(MODEL), WEIGHTS, row)
            in_turn, batched = sequential_seconds(serving, waves), served_seconds(serving, waves)
            cells += [f"{seconds / count / 60.0:,.1f}" for seconds in (in_turn, batched)]
        body.append((line.name, *cells))
    return Table(("pipeline", *head), tuple(body))


def _notes(rows: list[Row]) -> Iterator[str]:
    yield "calls, tokens and minutes of a mean company"
    yield "shares with 95 % BCa bootstrap intervals over companies, paired ones for differences"
    yield f"minutes: modelled, one call after the other: {QUOTED.origin}"
    if rows:
        yield f"on rows: modelled for {MODEL} with {WEIGHTS} weights; a stage's calls are a batch"

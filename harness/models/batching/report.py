"""The batching table as text: for the terminal, as Markdown, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from harness.engines.batching_table import GOAL_AT, BatchingTable, Estimate
from harness.render.escape import markdown_text, printable

COLUMNS = (
    "family", "engine", "batching", "concurrency", "tokens_per_s", "low", "high", "repeats", "provenance",
)  # fmt: skip


def terminal_table(table: BatchingTable) -> str:
    """Medians by concurrency, the gains of continuous batching with their intervals, what did not run."""
    head, *body = _cells(table, printable)
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *body)
    ]
    return (
        "\n".join([_title(table), "", *(line.rstrip() for line in lines), "", *_sentences(table, printable)])
        + "\n"
    )


def markdown_table(table: BatchingTable) -> str:
    """The same in Markdown; names and reasons are shown literally, whatever they hold."""
    head, *body = _cells(table, markdown_text)
    rule = ["---", *["--:"] * (len(head) - 1)]
    rows = [f"| {' | '.join(row)} |" for row in (head, rule, *body)]
    return (
        "\n".join([_title(table), "", *rows, "", *(f"- {line}" for line in _sentences(table, markdown_text))])
        + "\n"
    )


def csv_table(table: BatchingTable) -> str:
    """One line per engine and concurrency, with COLUMNS."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in table.rows:
        speed = row.tokens_per_s
        figures = [f"{value:.6g}" for value in (speed.median, speed.low, speed.high)]
        writer.writerow(
            [row.family, row.name, row.batching, row.concurrency, *figures, table.repeats, "measured"]
        )
    return out.getvalue()


def _title(table: BatchingTable) -> str:
    return (
        "tokens/s by requests at once: medians with 95 % intervals "
        f"of {table.repeats} interleaved repeats, measured here"
    )


def _cells(table: BatchingTable, escape: Callable[[str], str]) -> list[Sequence[str]]:
    concurrencies = list(dict.fromkeys(row.concurrency for row in table.rows))
    found = {(row.name, row.concurrency): row.tokens_per_s for row in table.rows}
    names = dict.fromkeys(row.name for row in table.rows)
    return [
        ("engine", *map(str, concurrencies)),
        *((escape(name), *(_interval(found[name, n], 0) for n in concurrencies)) for name in names),
    ]


def _interval(estimate: Estimate, digits: int) -> str:
    middle, low, high = (f"{v:,.{digits}f}" for v in (estimate.median, estimate.low, estimate.high))
    return f"{middle} [{low}, {high}]"


def _sentences(table: BatchingTable, escape: Callable[[str], str]) -> list[str]:
    said = [
        f"{gain.name} at {GOAL_AT}: {_interval(gain.ratio, 2)} times {gain.single} at 1"
        for gain in table.gains
    ]
    said += [f"{name}: not run: {reason}" for name, reason in table.missing.items()]
    return [escape(line) for line in said]

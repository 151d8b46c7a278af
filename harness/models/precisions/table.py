"""The divergence table: what each precision of one model costs and what it loses, as data and as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.measure.divergence import Divergence, explain
from harness.models.precisions.distances import Distances
from harness.render import numbers
from harness.render.escape import markdown_text, printable

COLUMNS = (
    "task", "precision", "engine", "run_by", "reference", "bytes", "bits_per_weight", "n",
    "score", "score_low", "score_high", "drop", "drop_low", "drop_high", "points", "decision", "needed",
    "kl_mean", "kl_low", "kl_high", "kl_p99", "kl_max", "flips", "flips_low", "flips_high", "tokens",
    "tokens_per_s", "provenance", "error",
)  # fmt: skip

_HEAD = (
    "precision", "engine", "size", "bits", "score", "drop %", "points", "decision", "KL mean", "KL p99",
    "flips %", "tokens/s", "n",
)  # fmt: skip
_LEFT = (0, 1, 7)


@dataclass(frozen=True, slots=True)
class PrecisionResult:
    """One precision on one task: measured, or `error` with why there is nothing.

    The reference that the others are compared with has no `divergence` and no `distances`. `run_by` is the
    engine's full name. `size_bytes` are the weights alone; `tokens_per_s` is NaN where it was not timed.
    """

    task: str
    precision: str
    engine: str
    run_by: str = ""
    n: int = 0
    size_bytes: int = 0
    bits_per_weight: float = math.nan
    score: float = math.nan
    score_low: float = math.nan
    score_high: float = math.nan
    divergence: Divergence | None = None
    distances: Distances | None = None
    tokens_per_s: float = math.nan
    error: str = ""

    @property
    def is_reference(self) -> bool:
        """Whether the others are compared with this one."""
        return self.divergence is None and not self.error


def ordered(results: Sequence[PrecisionResult]) -> list[PrecisionResult]:
    """By task, then from most to fewest bits; the reference before its equals, unknown sizes last."""

    def place(result: PrecisionResult) -> tuple[str, float, bool, str, str]:
        bits = result.bits_per_weight
        size = math.inf if math.isnan(bits) else -bits
        return result.task, size, not result.is_reference, result.precision, result.engine

    return sorted(results, key=place)


def divergence_frame(results: Sequence[PrecisionResult]) -> pd.DataFrame:
    """One row per result with COLUMNS, ordered; what is missing is NaN, drops and flips are fractions."""
    return pd.DataFrame([_record(result) for result in ordered(results)], columns=list(COLUMNS))


def _record(result: PrecisionResult) -> dict[str, object]:
    record: dict[str, object] = {
        "task": result.task,
        "precision": result.precision,
        "engine": result.engine,
        "run_by": result.run_by,
        "reference": result.is_reference,
        "bytes": result.size_bytes or math.nan,
        "bits_per_weight": result.bits_per_weight,
        "n": result.n,
        "score": result.score,
        "score_low": result.score_low,
        "score_high": result.score_high,
        "tokens_per_s": result.tokens_per_s,
        "provenance": "" if result.error else "measured",
        "error": result.error,
    }
    if (d := result.divergence) is not None:
        record |= {"drop": d.drop, "drop_low": d.low, "drop_high": d.high, "points": d.points}
        record |= {"decision": d.decision, "needed": d.needed}
    if (k := result.distances) is not None:
        record |= {"kl_mean": k.kl_mean, "kl_low": k.kl_low, "kl_high": k.kl_high, "kl_p99": k.kl_p99}
        record |= {"kl_max": k.kl_max, "flips": k.flips, "flips_low": k.flips_low}
        record |= {"flips_high": k.flips_high, "tokens": k.tokens}
    return record


def terminal_table(results: Sequence[PrecisionResult]) -> str:
    """A table for each task, what stands behind each decision in a line, then what did not run and why."""
    parts = []
    for task, rows in _by_task(results):
        cells = [_cells(row, printable) for row in rows if not row.error]
        parts += [_title(task, rows, printable), "", *_aligned(_HEAD, cells), ""]
        parts += [*_sentences(rows, printable), ""]
    return "\n".join(parts)


def markdown_table(results: Sequence[PrecisionResult]) -> str:
    """The same in Markdown; names and reasons are shown literally, whatever they hold."""
    rule = "|" + "|".join("---" if i in _LEFT else "--:" for i in range(len(_HEAD))) + "|"
    parts = []
    for task, rows in _by_task(results):
        cells = [_cells(row, markdown_text) for row in rows if not row.error]
        table = [f"| {' | '.join(row)} |" for row in (_HEAD, *cells)]
        parts += [f"**{_title(task, rows, markdown_text)}**", "", table[0], rule, *table[1:], ""]
        parts += [*(f"- {sentence}" for sentence in _sentences(rows, markdown_text)), ""]
    return "\n".join(parts)


def _by_task(results: Sequence[PrecisionResult]) -> list[tuple[str, list[PrecisionResult]]]:
    rows = ordered(results)
    return [(task, [row for row in rows if row.task == task]) for task in dict.fromkeys(r.task for r in rows)]


def _title(task: str, rows: Sequence[PrecisionResult], escape: Callable[[str], str]) -> str:
    reference = next((row for row in rows if row.is_reference), None)
    against = f" against {escape(reference.precision)} ({escape(reference.engine)})" if reference else ""
    return f"{escape(task)}: divergence{against}; intervals 95 %, KL in nats per token, all measured here"


def _cells(row: PrecisionResult, escape: Callable[[str], str]) -> tuple[str, ...]:
    d, k = row.divergence, row.distances
    missing = numbers.NOTHING
    return (
        escape(row.precision),
        escape(row.engine),
        numbers.quantity(row.size_bytes, "bytes"),
        _fixed(row.bits_per_weight, 2),
        f"{row.score:.3f} [{row.score_low:.3f}, {row.score_high:.3f}]",
        f"{_percent(d.drop)} [{_percent(d.low)}, {_percent(d.high)}]" if d else missing,
        _fixed(d.points, 1) if d else missing,
        d.decision if d else "reference",
        f"{_small(k.kl_mean)} [{_small(k.kl_low)}, {_small(k.kl_high)}]" if k else missing,
        _small(k.kl_p99) if k else missing,
        _fixed(100 * k.flips, 2) if k else missing,
        _fixed(row.tokens_per_s, 0),
        f"{row.n:,}",
    )


def _fixed(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return numbers.significant(value)
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # no -0.0


def _percent(share: float) -> str:
    return _fixed(100 * share, 1)


def _small(value: float) -> str:
    """Two significant digits: distances span many orders of magnitude."""
    return numbers.significant(value, 2)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i in _LEFT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def _sentences(rows: Sequence[PrecisionResult], escape: Callable[[str], str]) -> list[str]:
    """Which precisions the rule stops, lets pass or leaves open, each with its line; then the errors."""
    judged = [(row.precision, row.divergence) for row in rows if row.divergence is not None]
    said = []
    for decision in ("fail", "inconclusive", "undefined", "pass"):
        said += [f"{name}: {explain(found)}" for name, found in judged if found.decision == decision]
    said += [f"{row.precision}: not run: {row.error}" for row in rows if row.error]
    return [escape(sentence) for sentence in said]

"""The audit of the documented method as a JSON document and as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.placement.documented.audit import Audit, Ladder, Rung
from harness.placement.output import report
from harness.render import numbers


def audit_document(found: Audit) -> report.Document:
    """Both ladders, and the weighted objective at weight 0.5."""
    return {
        "sizes": list(found.sizes),
        "budgets": list(found.budgets),
        "weighted_at_half": _rung_document(found.balanced),
        "cheapest_token": _ladder_document(found.cheapest_token),
        "most_throughput": _ladder_document(found.most_throughput),
    }


def _ladder_document(ladder: Ladder) -> report.Document:
    return {
        "rungs": [_rung_document(rung) for rung in ladder.rungs],
        "total_factor": _finite(ladder.total),
        "each_alone": [_rung_document(rung) for rung in ladder.alone],
        "each_added": [_rung_document(rung) for rung in ladder.added],
    }


def _rung_document(rung: Rung) -> report.Document:
    point = rung.point
    return {
        "without": rung.cause,
        "figure": _finite(rung.figure),
        "factor": _finite(rung.factor),
        "usd_per_hour": None if point is None else float(f"{point.usd_per_hour:.12g}"),
        "tokens_per_s": None if point is None else point.tokens_per_s,
        "plan": None if rung.plan is None else report.plan_document(rung.plan)["plan"],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def audit_text(found: Audit, heading: str) -> str:
    """The two ladders as tables, then each cause by itself."""
    sizes = ", ".join(map(str, found.sizes))
    budgets = ", ".join(f"{budget:.3g}" for budget in found.budgets)
    lines = [
        heading,
        f"audit of the documented method; segment sizes {sizes}; budgets {budgets or 'none'} USD/h",
        "",
        *_ladder_lines(found.cheapest_token, "cheapest token", "USD/M tokens", "the weighted method"),
        "",
        *_ladder_lines(found.most_throughput, "most throughput", "tokens/s", "the fastest of the budgets"),
        "",
        f"the weighted method at weight 0.5: {_figure(found.balanced.figure)} USD per million tokens",
    ]
    return "\n".join(lines) + "\n"


def _ladder_lines(ladder: Ladder, title: str, unit: str, start: str) -> list[str]:
    head = (unit, "times worse", title)
    climbed = [_row(rung, f"without: {rung.cause}" if rung.cause else start) for rung in ladder.rungs]
    climbed.append(("", _times(ladder.total), "in all"))
    lines = report.table_lines(head, climbed, left=(2,))
    for title_, rungs, word in (
        ("one cause taken from the documented method alone", ladder.alone, "without"),
        ("one cause brought into the exact method alone", ladder.added, "with"),
    ):
        lines += ["", *_alone_lines(title_, rungs, word, unit)]
    return lines


def _alone_lines(title: str, rungs: Sequence[Rung], word: str, unit: str) -> list[str]:
    rows = [_row(rung, f"{word}: {rung.cause}") for rung in rungs]
    return report.table_lines((unit, "times worse", title), rows, left=(2,))


def _row(rung: Rung, name: str) -> tuple[str, str, str]:
    return _figure(rung.figure), _times(rung.factor), name


def _figure(value: float) -> str:
    return numbers.significant(value, 6) if math.isfinite(value) else "no plan"


def _times(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "no plan"

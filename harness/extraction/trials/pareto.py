"""All presets and ours on one set of companies: what each costs and finds, and what another beats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.extraction.documented.settings import PRESETS
from harness.extraction.pipeline.settings import Settings
from harness.extraction.scoring import compare, summary
from harness.extraction.scoring.compare import Difference
from harness.extraction.scoring.summary import Rate
from harness.extraction.trials.companies import PROFILES, Outcome, Setting, documented, ours
from harness.render.tables import Table, score_text

BUDGETS = (20, 60, 160)
REFERENCE = "capped"
DOCUMENTED = tuple(name for name, preset in PRESETS.items() if preset.retriever == "bm25")
"""Presets that need no embedding model."""
SEED = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One pipeline: shares with BCa intervals over companies, and the paired difference of its coverage from
    the reference's. Those that dominate it have no more calls, no less coverage, and one of them better."""

    name: str
    outcome: Outcome
    coverage: Rate
    false_fills: Rate
    gain: Difference
    dominated_by: tuple[str, ...]


def trial(setting: Setting, budgets: Sequence[int] = BUDGETS) -> list[Line]:
    """Every preset and ours with each budget of calls."""
    outcomes: dict[str, Outcome] = {name: documented(PRESETS[name], setting) for name in DOCUMENTED}
    for calls in budgets:
        outcomes[f"ours, {calls} calls"] = ours(with_budget(setting.reader, calls), setting)
    beaten = dominated({name: (each.calls, each.coverage) for name, each in outcomes.items()})
    return [_line(name, each, outcomes[REFERENCE], beaten[name]) for name, each in outcomes.items()]


def with_budget(reader: str, calls: int) -> Settings:
    """Our settings for a reader with another budget."""
    return replace(PROFILES[reader], budget_calls=calls)


def dominated(points: Mapping[str, tuple[float, float]]) -> dict[str, tuple[str, ...]]:
    """For each (cost, gain) the names of those that cost no more, gain no less, and are not equal to it."""
    return {
        name: tuple(
            other
            for other, (cost, gain) in points.items()
            if cost <= own_cost and gain >= own_gain and (cost, gain) != (own_cost, own_gain)
        )
        for name, (own_cost, own_gain) in points.items()
    }


def _line(name: str, outcome: Outcome, reference: Outcome, beaten: tuple[str, ...]) -> Line:
    rates = summary(outcome.scores, seed=SEED).rates
    gain = compare(reference.scores, outcome.scores, seed=SEED).measures["coverage"]
    return Line(name, outcome, rates.coverage, rates.false_fills, gain, beaten)


def table(lines: Sequence[Line]) -> Table:
    """Calls, tokens and minutes of a mean company; shares with their intervals."""
    return Table(
        (
            "pipeline",
            "calls",
            "tokens",
            "minutes",
            "coverage",
            "false fills",
            f"points over {REFERENCE}",
            "dominated by",
        ),
        tuple(_cells(line) for line in lines),
        left=frozenset({0, 7}),
    )


def _cells(line: Line) -> tuple[str, ...]:
    found, gain = line.outcome, line.gain
    low, high = 100.0 * gain.low, 100.0 * gain.high
    points = f"{100.0 * gain.value:+.1f}"
    # a pipeline against itself has no interval
    interval = "" if math.isnan(low) or low == high else f" [{low:+.1f}, {high:+.1f}]"
    return (
        line.name,
        f"{found.calls:,.0f}",
        f"{found.tokens:,.0f}",
        f"{found.minutes:,.1f}",
        score_text(line.coverage.value, line.coverage.low, line.coverage.high),
        score_text(line.false_fills.value, line.false_fills.low, line.false_fills.high),
        points + interval,
        ", ".join(line.dominated_by) or "-",
    )

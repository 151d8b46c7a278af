"""What a search found and how it was judged, whichever optimizer made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.prompts.evaluate import Comparison, Evaluation
from harness.prompts.optimize.run import Optimized
from harness.prompts.program import Program
from harness.prompts.report.saved_prompt import saved_score
from harness.prompts.report.tree import Node, tree_nodes
from harness.prompts.stock.gepa import StockOptimized
from harness.prompts.transfer.divergence import Check
from harness.prompts.transfer.matrix import Transfer


@dataclass(frozen=True, slots=True)
class Search:
    """An optimizer's end. `iterations` is None where it does not tell."""

    instruction: str
    candidates: tuple[Node, ...]
    metric_calls: int
    stopped: str
    iterations: int | None
    unusable: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """The program before and after on the same held-out examples, and on other precisions."""

    program: Program
    baseline: Evaluation
    optimized: Evaluation
    comparison: Comparison
    check: Check | None
    transfers: tuple[Transfer, ...]


def searched(found: Optimized) -> Search:
    """Ours."""
    return Search(
        found.instruction,
        tree_nodes(found),
        found.metric_calls,
        found.stopped,
        found.iterations,
        found.unusable,
    )


def stock_searched(found: StockOptimized) -> Search:
    """Stock GEPA's, which goes on to the end of its budget and does not say what it turned down."""
    nodes = tuple(
        Node(each.instruction, each.parents, each.scores, chosen=number == found.best)
        for number, each in enumerate(found.candidates)
    )
    return Search(found.instruction, nodes, found.metric_calls, "budget", None, {})


def document(search: Search, judged: Judged) -> dict[str, Any]:
    """Everything that the answers decide: the same answers give the same document, however a run went."""
    return {
        "instruction": search.instruction,
        "baseline": asdict(saved_score(judged.baseline)),
        "optimized": asdict(saved_score(judged.optimized)),
        "comparison": {**asdict(judged.comparison), "verdict": judged.comparison.verdict},
        "metric_calls": search.metric_calls,
        "iterations": search.iterations,
        "stopped": search.stopped,
        "unusable": dict(search.unusable),
        "candidates": [asdict(each) for each in search.candidates],
        "check": None if judged.check is None else asdict(judged.check),
        "transfers": [{**asdict(each), "verdict": each.verdict} for each in judged.transfers],
    }

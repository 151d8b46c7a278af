"""What an optimization is worth on examples it never saw, over seeds with examples and errors of their own.

The scripted model misses a share of all entities by chance, so that a score depends on the examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.prompts.evaluate import evaluate
from harness.prompts.examples import ExampleSet
from harness.prompts.generate import generate
from harness.prompts.offline.scripted import Precision
from harness.prompts.optimize.run import Optimized, optimize
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Stopping
from harness.prompts.program import Program
from harness.prompts.rules import split_set
from harness.prompts.stock.gepa import StockOptimized, StockSettings, stock_gepa
from harness.prompts.trials.scripted import POOR, Models, Scene, scripted_models

Split = Callable[[ExampleSet], tuple[ExampleSet, ExampleSet]]
Search = Callable[[Models, ExampleSet, ExampleSet, int], Optimized | StockOptimized]

ENDLESS = Stopping(perfect=None, plateau=None, unusable=None)
_TEST = 100
_DROPPED = 0.2
_EXAMPLES = 30


@dataclass(frozen=True, slots=True)
class Seeded:
    """One seed's examples: to learn from, to choose by, and 100 to report on."""

    train: ExampleSet
    validation: ExampleSet
    test: ExampleSet
    seed: int


@dataclass(frozen=True, slots=True)
class Heldout:
    """Test F1 and metric calls of each seed."""

    test_f1: tuple[float, ...]
    metric_calls: tuple[int, ...]


def seeded(split: Split, examples: int, seed: int) -> Seeded:
    """So many generated examples in two, and others for the test."""
    there = generate(examples + _TEST, seed=seed)
    train, validation = split(ExampleSet(there.types, there.examples[:examples]))
    return Seeded(train, validation, ExampleSet(there.types, there.examples[examples:]), seed)


def searched(data: Seeded, search: Search, *, gains: bool = True) -> tuple[Optimized | StockOptimized, float]:
    """What `search` found on both scripted models, and its test F1."""
    scene = Scene(gains=gains, precision=Precision(dropped=_DROPPED, seed=data.seed))
    with scripted_models(scene, (data.train, data.validation, data.test)) as models:
        found = search(models, data.train, data.validation, data.seed)
        return found, evaluate(Program(found.instruction, POOR.format), data.test, models.task).f1


def our_search(metric_calls: int, proposals: int, program: Program = POOR) -> Search:
    """Our optimizer to the end of its budget."""

    def search(models: Models, train: ExampleSet, validation: ExampleSet, seed: int) -> Optimized:
        settings = Settings(metric_calls, proposals=proposals, seed=seed, stopping=ENDLESS)
        return optimize(program, train, validation, models.task, models.reflection, settings)

    return search


def stock_search(metric_calls: int) -> Search:
    """Stock `dspy.GEPA`."""

    def search(models: Models, train: ExampleSet, validation: ExampleSet, seed: int) -> StockOptimized:
        settings = StockSettings(auto=None, metric_calls=metric_calls, seed=seed)
        return stock_gepa(POOR, train, validation, models.task, models.reflection, settings)

    return search


def heldout(search: Search, seeds: int) -> Heldout:
    """A search on each seed's 30 examples, split as the document does."""
    found = [searched(seeded(split_set, _EXAMPLES, seed), search) for seed in range(seeds)]
    return Heldout(tuple(f1 for _, f1 in found), tuple(each.metric_calls for each, _ in found))


def losses(baseline: Heldout, optimized: Heldout) -> list[float]:
    """By how much the second one's test F1 is lower, seed by seed."""
    return [first - second for first, second in zip(baseline.test_f1, optimized.test_f1, strict=True)]

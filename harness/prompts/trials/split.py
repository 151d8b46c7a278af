"""What a split of the examples costs, and how far its best validation score can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from harness.prompts.examples import ExampleSet
from harness.prompts.optimize.budget import auto_metric_calls
from harness.prompts.trials.heldout import Split, our_search, searched, seeded
from harness.prompts.trials.scripted import COMPLETE


@dataclass(frozen=True, slots=True)
class SplitCourse:
    """By seed, in their order.

    `metric_calls` of a light run from a poor instruction, whose best one scores `test_f1` on other examples.
    `biases` are what the best validation score promises beyond that, where all candidates are equally good.
    """

    metric_calls: tuple[int, ...]
    test_f1: tuple[float, ...]
    biases: tuple[float, ...]

    @property
    def mean_calls(self) -> float:
        """Metric calls of a run."""
        return fmean(self.metric_calls)

    @property
    def bias(self) -> float:
        """The winner's bias: the mean."""
        return fmean(self.biases)


def half_and_half(examples: ExampleSet) -> tuple[ExampleSet, ExampleSet]:
    """As many to choose by as to learn from; one more of these where the number is odd."""
    middle = (len(examples.examples) + 1) // 2
    return (
        ExampleSet(examples.types, examples.examples[:middle]),
        ExampleSet(examples.types, examples.examples[middle:]),
    )


def losses(baseline: SplitCourse, optimized: SplitCourse) -> list[float]:
    """By how much the second one's test F1 is lower, relative to the first one's mean, seed by seed."""
    mean = fmean(baseline.test_f1)
    pairs = zip(baseline.test_f1, optimized.test_f1, strict=True)
    return [(first - second) / mean for first, second in pairs]


def split_course(split: Split, examples: int, seeds: int) -> SplitCourse:
    """Whole light runs of our optimizer, with one proposal at a time as stock GEPA makes them."""
    calls, scores, biases = [], [], []
    for data in (seeded(split, examples, seed) for seed in range(seeds)):
        budget = auto_metric_calls("light", len(data.validation.examples))
        found, f1 = searched(data, our_search(budget, 1))
        calls.append(found.metric_calls)
        scores.append(f1)
        equal, f1 = searched(data, our_search(budget, 1, COMPLETE), gains=False)
        biases.append(equal.best_score - f1)
    return SplitCourse(tuple(calls), tuple(scores), tuple(biases))

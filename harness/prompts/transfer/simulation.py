"""How often the divergence gate is wrong: planted drops on resampled results of real examples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.measure.divergence import CONFIDENCE, LIMIT, Decision, judge_divergence
from harness.measure.stats import Floats, Interval, proportion_interval
from harness.render.tables import Table, percent_text

RESAMPLES = 200
JUDGED_WITH = 1000
LOST = 0.5


@dataclass(frozen=True, slots=True)
class Rates:
    """What the gate decided on `resamples` samples of `n` examples whose true drop was `drop`."""

    drop: float
    n: int
    resamples: int
    passed: int
    failed: int
    undecided: int
    limit: float
    confidence: float

    def share(self, count: int) -> float:
        """A count as a share of the samples."""
        return count / self.resamples

    def interval(self, count: int) -> Interval:
        """The share's exact interval (Clopper & Pearson 1934)."""
        return proportion_interval(count, self.resamples, self.confidence)

    @property
    def wrong(self) -> int:
        """Decisions that a drop of this size does not deserve: failed up to the limit, passed above it."""
        return self.failed if self.drop <= self.limit else self.passed


def rates(
    results: ArrayLike,
    drops: Sequence[float],
    resamples: int = RESAMPLES,
    seed: int = 0,
    *,
    n: int | None = None,
    lost: float = LOST,
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    judged_with: int = JUDGED_WITH,
) -> list[Rates]:
    """How the gate decides on each relative drop, over `resamples` samples of `n` examples (all by default).

    `results` are paired scores in [0, 1], shape [examples, 2]: two precisions on the same examples, so that
    pairs differ as they really do. In a sample each pair is put in random order, so that its true drop is 0;
    then, for a drop d, the lower one loses the share `lost` of its score with probability d / lost, which
    lowers the expected score by the share d exactly. All drops are planted on the same samples. `judged_with`
    is the number of bootstrap samples of each judgement.

    Raises ValueError for results that are no such pairs and for drops outside 0 to `lost`.
    """
    pairs = np.asarray(results, dtype=float)
    if pairs.ndim != 2 or pairs.shape[1:] != (2,) or not len(pairs):
        raise ValueError(f"results are paired scores [examples, 2], got shape {pairs.shape}")
    if not 0.0 < lost <= 1.0 or any(not 0.0 <= drop <= lost for drop in drops):
        raise ValueError(f"drops lie between 0 and {lost}, the share an example can lose, got {list(drops)}")
    size = len(pairs) if n is None else n
    if resamples < 1 or size < 1:
        raise ValueError(f"at least one sample of at least one example, got {resamples} of {size}")
    decided: list[Counter[Decision]] = [Counter() for _ in drops]
    for number in range(resamples):
        rng = np.random.default_rng([seed, number])
        higher, lower = _exchanged(pairs[rng.integers(0, len(pairs), size)], rng)
        luck = rng.random(size)
        for drop, counter in zip(drops, decided, strict=True):
            planted = np.where(luck < drop / lost, lower * (1.0 - lost), lower)
            judged = judge_divergence(
                higher, planted, limit=limit, confidence=confidence, seed=number, resamples=judged_with
            )
            counter[judged.decision] += 1
    return [
        Rates(
            drop, size, resamples, counter["pass"], counter["fail"],
            counter["inconclusive"] + counter["undefined"], limit, confidence,
        )
        for drop, counter in zip(drops, decided, strict=True)
    ]  # fmt: skip


def _exchanged(pairs: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    swapped = rng.random(len(pairs)) < 0.5
    return np.where(swapped, pairs[:, 1], pairs[:, 0]), np.where(swapped, pairs[:, 0], pairs[:, 1])


def rates_table(found: Sequence[Rates]) -> Table:
    """One row per drop: the shares of the decisions, and the share that is wrong with its interval."""
    rows = tuple(
        (
            f"{percent_text(each.drop)} %",
            f"{each.n:,}",
            f"{each.resamples:,}",
            *(f"{percent_text(each.share(count))} %" for count in (each.passed, each.undecided, each.failed)),
            _share(each, each.wrong),
        )
        for each in found
    )
    return Table(
        ("true drop", "examples", "samples", "pass", "undecided", "fail", "wrong"), rows, frozenset()
    )


def _share(found: Rates, count: int) -> str:
    low, high = found.interval(count)
    return f"{percent_text(found.share(count))} % [{percent_text(low)}, {percent_text(high)}]"

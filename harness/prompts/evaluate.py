"""What a program scores on examples, and whether another one scores better on the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.calls.answer import Answer
from harness.calls.model import Model
from harness.engines.protocol import Sampling
from harness.errors import HarnessError
from harness.measure.divergence import CONFIDENCE, RESAMPLES, score_interval
from harness.measure.resampling import bca_interval, resampled_totals
from harness.measure.stats import Interval, sign_test_p
from harness.prompts.examples import ExampleSet
from harness.prompts.metric import Found, Score, by_type, score, total
from harness.prompts.program import Program
from harness.prompts.sizing import detectable_effect

SAMPLING = Sampling(max_tokens=1024)
"""Greedy, as the prompt will be used; the same for every precision that is compared."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One program on n examples, in their order.

    `found` are the answers as they were read. `unreadable` answers, those that fill the context (`cut`) among
    them, have found nothing. `type_scores` holds each example's score by type id, also of types that do not
    exist. `latencies_s` are what the engine took for each answer, whether it was asked now or before; tokens
    are counted likewise.
    """

    scores: tuple[Score, ...]
    unreadable: int = 0
    ids: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    type_scores: Mapping[int, tuple[Score, ...]] = field(default_factory=dict)
    cut: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latencies_s: tuple[float, ...] = ()

    @property
    def f1(self) -> float:
        """Mean of the examples' F1: what is optimized."""
        return float(np.mean([each.f1 for each in self.scores]))

    @property
    def micro_f1(self) -> float:
        """F1 of all pairs together."""
        return total(self.scores).f1

    @property
    def latency_s(self) -> float:
        """Median over the answers; NaN where none has one."""
        return float(np.median(self.latencies_s)) if self.latencies_s else math.nan

    def f1_interval(self, confidence: float = CONFIDENCE, *, seed: int = 0) -> Interval:
        """BCa bootstrap interval of `f1` over examples; [0, 1] for a single one."""
        return score_interval([each.f1 for each in self.scores], confidence=confidence, seed=seed)[1:]

    def micro_f1_interval(self, confidence: float = CONFIDENCE, *, seed: int = 0) -> Interval:
        """The same of `micro_f1`; NaN where there was nothing to find and nothing found."""
        return _micro_interval(self.scores, confidence, seed)

    def type_f1(self, type_id: int) -> float:
        """Micro F1 of one type; NaN where there was nothing of it, expected or found."""
        counted = total(self.type_scores[type_id])
        return counted.f1 if counted.counted else math.nan

    def type_f1_interval(self, type_id: int, confidence: float = CONFIDENCE, *, seed: int = 0) -> Interval:
        """BCa bootstrap interval of `type_f1` over examples; NaN where that is NaN."""
        return _micro_interval(self.type_scores[type_id], confidence, seed)


def evaluate(
    program: Program, examples: ExampleSet, model: Model, *, sampling: Sampling = SAMPLING
) -> Evaluation:
    """Ask the model for every example, and score its answers.

    Raises HarnessError without examples, EngineFailure when the model cannot answer one: a failure is no
    score.
    """
    if not examples.examples:
        raise HarnessError("no examples to evaluate on", allowed="at least one")
    return judge_answers(program, examples, model.answers(program.requests(examples, sampling)))


def judge_answers(program: Program, examples: ExampleSet, answers: Sequence[Answer]) -> Evaluation:
    """Score one answer for each example, in their order. Pure."""
    found = tuple(
        None if each.is_cut else program.format.parse(each.text, examples.types) for each in answers
    )
    pairs = list(zip(found, examples.examples, strict=True))
    typed = [by_type(answer, example, examples.types) for answer, example in pairs]
    known = [each.id for each in examples.types]
    others = sorted({type_id for each in typed for type_id in each} - set(known))
    return Evaluation(
        scores=tuple(score(answer, example) for answer, example in pairs),
        unreadable=found.count(None),
        ids=tuple(each.id for each in examples.examples),
        found=found,
        type_scores={
            type_id: tuple(each.get(type_id, Score(0, 0, 0)) for each in typed)
            for type_id in (*known, *others)
        },
        cut=sum(each.is_cut for each in answers),
        prompt_tokens=sum(each.prompt_tokens for each in answers),
        completion_tokens=sum(each.completion_tokens for each in answers),
        latencies_s=tuple(each.latency_s for each in answers),
    )


def _micro_interval(scores: Sequence[Score], confidence: float, seed: int) -> Interval:
    return score_interval([each.counts for each in scores], confidence=confidence, seed=seed)[1:]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A second program against a first one, on the same n examples.

    `difference` of the mean F1, positive where the second is better, with its paired interval [low, high].
    `p` is the exact sign test over the examples that one of them does better, `won` and `lost`.
    `detectable` is the difference that so many examples show with a probability of 80 %; 0 where all differ
    by the same, which says nothing of others.
    """

    n: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    won: int
    lost: int
    p: float
    detectable: float
    confidence: float

    @property
    def verdict(self) -> Literal["improved", "worse", "inconclusive"]:
        """What the interval says, where enough examples differ for that.

        With d differences the sign test's p is 2 / 2^d at best: where even that is too much, chance alone
        could have made them all point one way, and no resampling of them can tell.
        """
        if 2.0 ** (1 - self.won - self.lost) > 1.0 - self.confidence:
            return "inconclusive"
        if self.low > 0.0:
            return "improved"
        return "worse" if self.high < 0.0 else "inconclusive"


def compare(
    first: Evaluation,
    second: Evaluation,
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two evaluations example by example; what is hard for both cancels.

    The interval is the BCa bootstrap of the mean difference; a single example has none: [-1, 1]. Raises
    ValueError where they are not of the same examples in the same order.
    """
    if first.ids != second.ids or len(first.scores) != len(second.scores) or not first.scores:
        raise ValueError("two evaluations of the same examples are compared, and of at least one")
    differences = np.array(
        [b.f1 - a.f1 for a, b in zip(first.scores, second.scores, strict=True)], dtype=float
    )
    n, mean = differences.size, float(differences.mean())
    low, high = -1.0, 1.0
    if n > 1:
        replicates = resampled_totals(differences[:, None], seed=seed, resamples=resamples)[:, 0] / n
        low, high = bca_interval(mean, replicates, differences - mean, confidence)
    won, lost = int((differences > 0.0).sum()), int((differences < 0.0).sum())
    sd = float(differences.std(ddof=1)) if n > 1 else math.inf
    return Comparison(
        n=n,
        first=first.f1,
        second=second.f1,
        difference=mean,
        low=low,
        high=high,
        won=won,
        lost=lost,
        p=sign_test_p(won, won + lost),
        detectable=detectable_effect(n, sd, confidence=confidence),
        confidence=confidence,
    )


def explain_comparison(comparison: Comparison) -> str:
    """One line for people."""
    c = comparison
    seen = f"detectable: {100 * c.detectable:.1f} points" if c.detectable else "all alike"
    return (
        f"{c.verdict}: F1 {c.first:.3f} -> {c.second:.3f}, {100 * c.difference:+.1f} points "
        f"[{100 * c.low:+.1f}, {100 * c.high:+.1f}] ({100 * c.confidence:g} %); {c.won:,} of {c.n:,} "
        f"examples better, {c.lost:,} worse, sign test p = {c.p:.3g}; {seen}"
    )

"""Whether a prompt holds on a lower precision: same prompt, same sampling, same examples, paired results.

The lower precision's scores are judged against the higher one's by the rule of `harness.measure.divergence`,
on F1 per example, which is what a prompt is optimized for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from harness.calls.identity import Identity
from harness.calls.model import Model
from harness.engines.protocol import Sampling
from harness.errors import HarnessError
from harness.measure.divergence import (
    CONFIDENCE,
    LIMIT,
    POWER,
    RESAMPLES,
    Divergence,
    explain,
    judge_divergence,
)
from harness.measure.stats import sign_test_p
from harness.prompts.evaluate import SAMPLING, Evaluation, evaluate
from harness.prompts.examples import ExampleSet
from harness.prompts.program import Program
from harness.render.tables import percent_text

OPTIMIZE_LOCALLY = "harness optimize-prompt"


@dataclass(frozen=True, slots=True)
class ExactlyRight:
    """Examples that each precision answers without any mistake, and McNemar's exact two-sided p-value."""

    both: int
    only_higher: int
    only_lower: int
    neither: int
    p: float


@dataclass(frozen=True, slots=True)
class Check:
    """One prompt on two precisions, by name.

    `detectable` is the smallest true drop that would fail this check with probability `POWER`, a share; NaN
    where one example or no score says nothing. `unreadable` answers are the higher's and the lower's.
    """

    higher: str
    lower: str
    divergence: Divergence
    right: ExactlyRight
    detectable: float
    unreadable: tuple[int, int] = (0, 0)

    @property
    def passed(self) -> bool:
        """Whether the prompt may be used on the lower precision."""
        return self.divergence.decision == "pass"


def check(
    program: Program,
    examples: ExampleSet,
    higher: Model,
    lower: Model,
    *,
    sampling: Sampling = SAMPLING,
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Check:
    """Ask both models the same requests and judge the lower one.

    Raises HarnessError when both are the same model, EngineFailure when one cannot answer: a failure is no
    score.
    """
    if higher.identity == lower.identity:
        raise HarnessError(
            "both models of the divergence check are the same one",
            where=precision_name(higher.identity),
            next_step="give another model, endpoint or quantization for one of them",
        )
    above, below = (evaluate(program, examples, model, sampling=sampling) for model in (higher, lower))
    return check_evaluations(
        (precision_name(higher.identity), above),
        (precision_name(lower.identity), below),
        limit=limit,
        confidence=confidence,
        seed=seed,
    )


def check_evaluations(
    higher: tuple[str, Evaluation],
    lower: tuple[str, Evaluation],
    *,
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Check:
    """Judge two evaluations, each with its precision's name, of the same prompt on the same examples.

    Raises ValueError where they are not of the same examples in the same order.
    """
    (above_name, above), (below_name, below) = higher, lower
    if above.ids != below.ids:
        raise ValueError("both precisions answer the same examples in the same order")
    scores, lower_scores = f1_scores(above), f1_scores(below)
    judged = judge_divergence(
        scores, lower_scores, limit=limit, confidence=confidence, seed=seed, resamples=resamples
    )
    right = exactly_right([f1 == 1.0 for f1 in scores], [f1 == 1.0 for f1 in lower_scores])
    unreadable = above.unreadable, below.unreadable
    return Check(above_name, below_name, judged, right, detectable_drop(judged), unreadable)


def f1_scores(evaluation: Evaluation) -> list[float]:
    """F1 of each example."""
    return [score.f1 for score in evaluation.scores]


def precision_name(identity: Identity) -> str:
    """How a precision is called: its quantization, or the model where none is known."""
    return identity.quantization or identity.model


def exactly_right(higher: Sequence[bool], lower: Sequence[bool]) -> ExactlyRight:
    """McNemar's test (1947, Psychometrika 12: 153-157) in its exact binomial form.

    Under equal precisions each example that only one of them answers exactly is either's with probability
    1/2. Raises ValueError for unequal lengths.
    """
    pairs = list(zip(higher, lower, strict=True))
    only_higher, only_lower = pairs.count((True, False)), pairs.count((False, True))
    p = sign_test_p(only_higher, only_higher + only_lower)
    return ExactlyRight(pairs.count((True, True)), only_higher, only_lower, pairs.count((False, False)), p)


def detectable_drop(judged: Divergence, power: float = POWER) -> float:
    """The smallest true drop that fails on as many examples with probability `power`, a share.

    The inverse of `examples_needed` for a drop above the limit: the estimate has to clear both the limit and
    its own half-width. NaN where nothing says how much pairs differ.
    """
    normal = NormalDist()
    z, z_power = normal.inv_cdf(0.5 + judged.confidence / 2.0), normal.inv_cdf(power)
    error = judged.paired_sd / math.sqrt(judged.n)
    return math.nan if math.isnan(error) else max((z + z_power) * error, judged.limit + z_power * error)


def consequence(found: Check, command: str = OPTIMIZE_LOCALLY) -> str:
    """What to do now; `command` optimizes on the lower precision."""
    judged = found.divergence
    if judged.decision == "pass":
        return f"use the prompt on {found.lower}"
    if judged.decision == "fail":
        return f"optimize locally, on {found.lower} itself: {command}"
    if judged.decision == "undefined":
        return f"optimize for {found.higher} first: the prompt scores nothing there"
    if judged.needed is None:
        return f"do not use the prompt on {found.lower} yet: only more and other examples could decide"
    return (
        f"do not use the prompt on {found.lower} yet: about {judged.needed:,} examples would decide, "
        f"{judged.n:,} were there; or optimize locally: {command}"
    )


def check_lines(found: Check, command: str = OPTIMIZE_LOCALLY) -> list[str]:
    """The judgement, what it could have seen, exactly right answers, and what to do; for people."""
    right, unreadable = found.right, found.unreadable
    lines = [f"{found.higher} -> {found.lower}: {explain(found.divergence)}"]
    if math.isfinite(found.detectable):
        lines.append(
            f"detectable: a true drop of {percent_text(found.detectable)} % or more fails this check with "
            f"{100 * POWER:g} % probability on {found.divergence.n:,} examples"
        )
    lines.append(
        f"exactly right: {right.both + right.only_higher:,} -> {right.both + right.only_lower:,}, "
        f"{right.only_higher:,} lost and {right.only_lower:,} won; McNemar exact p = {right.p:.3g}"
    )
    if any(unreadable):
        lines.append(f"unreadable answers: {unreadable[0]:,} -> {unreadable[1]:,}")
    return [*lines, f"next: {consequence(found, command)}"]

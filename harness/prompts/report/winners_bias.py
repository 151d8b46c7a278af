"""How much too good the best validation score looks for having been picked as the best. Pure.

The winner of several candidates owes part of its score to the examples it was picked on. Here it is picked
again on bootstrap samples of the validation examples, and scored on the examples that each sample left out:
the bootstrap bias correction of Tsamardinos, Greasidou & Borboudakis 2018 (Machine Learning 107: 1895-1922),
for the same purpose as Tibshirani & Tibshirani 2009 (Annals of Applied Statistics 3: 822-829).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.measure.stats import Floats, t_quantile
from harness.render.tables import score_text

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class WinnersBias:
    """What picking the best of `candidates` on `examples` validation examples added to its score.

    `corrected` is the score that the pick deserves, `bias` = `reported` - `corrected`, with its interval
    [low, high]; NaN where too few examples leave none out. `if_equal` is the bias if all candidates were
    equally good in truth: the best score less the mean of all.
    """

    candidates: int
    examples: int
    reported: float
    corrected: float
    bias: float
    low: float
    high: float
    if_equal: float
    confidence: float


def winners_bias(
    scores: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> WinnersBias:
    """The bias of the best mean of `scores` [candidates, examples], all on the same validation examples.

    Each example's part is the mean of what the picks that were made without it score on it (the leave-one-out
    bootstrap of Efron & Tibshirani 1997, JASA 92: 548-560). A pick without an example is made on fewer
    examples, so the bias is rather over- than underestimated. The interval is Student's, with the spread of a
    pick's scores over examples: right where one candidate always wins, wide where several take turns.
    Candidates that were turned down before validation are not in `scores`, nor is what picking them added.
    Raises ValueError for scores that are no such table or not finite.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"scores are a finite table [candidates, examples], got shape {table.shape}")
    candidates, examples = table.shape
    means = table.mean(axis=1)
    reported = float(means.max())
    parts = _left_out_score(table, seed, resamples)
    corrected, low, high = math.nan, math.nan, math.nan
    if candidates == 1:
        # nothing was picked
        corrected, low, high = reported, 0.0, 0.0
    elif parts is not None:
        corrected, variance = parts
        half = t_quantile(0.5 + confidence / 2.0, examples - 1) * math.sqrt(variance / (examples - 1))
        low, high = reported - corrected - half, reported - corrected + half
    return WinnersBias(
        candidates, examples, reported, corrected, reported - corrected, low, high,
        reported - float(means.mean()), confidence,
    )  # fmt: skip


def _left_out_score(table: Floats, seed: int, resamples: int) -> tuple[float, float] | None:
    """Mean and variance over examples of what the picks that were made without an example score on it.

    None where an example is in every bootstrap sample, as a single one always is.
    """
    examples = table.shape[1]
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(examples, np.full(examples, 1.0 / examples), size=resamples)
    sums = weights @ table.T
    # candidates that tie share the pick, so that their order plays no part
    picked = (sums >= sums.max(axis=1, keepdims=True) - 1e-9).astype(float)
    picked /= picked.sum(axis=1, keepdims=True)
    left_out = (weights == 0).astype(float)
    times = left_out.sum(axis=0)
    if not times.all():
        return None
    shares = (left_out.T @ picked) / times[:, None]
    mean = float((shares * table.T).sum(axis=1).mean())
    return mean, float((shares * (table.T - mean) ** 2).sum(axis=1).mean())


def explain_bias(found: WinnersBias) -> str:
    """One line for people."""
    head = (
        f"best of {found.candidates} on {found.examples} validation "
        f"example{'s' if found.examples != 1 else ''}: {score_text(found.reported)}"
    )
    if found.candidates == 1:
        return f"{head}; nothing was picked, so there is no winner's bias"
    equal = f"{found.if_equal:+.3f} if all candidates were equal in truth"
    if math.isnan(found.bias):
        return f"{head}; winner's bias: too few examples to tell, {equal}"
    interval = f"[{found.low:+.3f}, {found.high:+.3f}] ({100 * found.confidence:g} %)"
    return f"{head}; winner's bias {found.bias:+.3f} {interval}, corrected {found.corrected:.3f}; {equal}"

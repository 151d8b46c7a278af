"""How much an effect changed between two runs, on the log scale, and whether that is worse. Pure."""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.measure.outcome import Effect, Finding
from harness.results.baselines import MetricBaseline

CONFIDENCE = 0.99

_NORMAL = NormalDist()


def log_change(old: Effect, new: Effect, sign: float = 1.0) -> tuple[float, float] | None:
    """(sign * log(new / old), standard error) of two independent ratios, or None if one is unusable.

    Each half-interval on the log scale over its normal quantile is a standard error; independent
    errors add in quadrature.
    """
    errors = []
    for effect in (old, new):
        usable = 0.0 < effect.low <= effect.high < math.inf and 0.0 < effect.ratio < math.inf
        if not usable or not 0.0 < effect.confidence < 1.0:
            return None
        half = (math.log(effect.high) - math.log(effect.low)) / 2
        errors.append(half / _NORMAL.inv_cdf(0.5 + effect.confidence / 2))
    return sign * (math.log(new.ratio) - math.log(old.ratio)), math.hypot(*errors)


def worsening(finding: Finding, recorded: MetricBaseline) -> tuple[float, float] | None:
    """(change, standard error) of log(effect) since it was recorded, positive is worse; None if unknown."""
    known = (recorded.ratio, recorded.low, recorded.high, recorded.confidence)
    if finding.effect is None or any(value is None for value in known):
        return None
    old = Effect(*(value for value in known if value is not None))
    return log_change(old, finding.effect, sign=1.0 if finding.better == "lower" else -1.0)


def is_regression(change: tuple[float, float], floor: float) -> bool:
    """Whether the 99 % lower bound of the change is above zero and the point reaches log(1 + floor)."""
    point, error = change
    lower = point - _NORMAL.inv_cdf(0.5 + CONFIDENCE / 2) * error
    return lower > 0.0 and point >= math.log1p(floor)


def change_interval(change: tuple[float, float]) -> tuple[float, float, float]:
    """(ratio, low, high) of new / old with the 99 % interval, from a log change and its error."""
    point, error = change
    half = _NORMAL.inv_cdf(0.5 + CONFIDENCE / 2) * error
    return math.exp(point), math.exp(point - half), math.exp(point + half)


def regression_p(finding: Finding, recorded: MetricBaseline) -> float:
    """One-sided p-value of "the effect is no worse than the recorded one" (normal, log scale).

    1.0 when either side has no usable interval, so that nothing unknown counts as worse.
    """
    change = worsening(finding, recorded)
    if change is None:
        return 1.0
    point, error = change
    if error == 0.0:
        return 0.0 if point > 0.0 else 1.0
    return 1.0 - _NORMAL.cdf(point / error)

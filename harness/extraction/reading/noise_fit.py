"""Noise's numbers from observations: what a real reader got right, wrong or missed, and before what.

Each curve is fitted by maximum likelihood with a Gaussian prior around the given one (a ridge towards it),
no slope below 0. A slope whose feature is the same in all observations stays what it was: nothing was seen
of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError
from harness.extraction.reading.noise import ASSUMED, Curve, Noise, Outcome, Situation

Floats = npt.NDArray[np.float64]
_SPREAD = 2.0
"""Standard deviation of the prior on each coefficient: wide, so that some hundred observations decide."""
_NAMES = ("base", "per_field_doubling", "per_text_doubling", "in_the_middle", "per_distractor")


@dataclass(frozen=True, slots=True)
class Observation:
    """One value that was shown and asked for, and what the reader made of it."""

    situation: Situation
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Fitted:
    """`noise` with how far it can be trusted.

    `held` are the slopes that nothing was seen of, by curve. `log_loss` is the mean negative log-likelihood
    of an outcome in nats, `constant_log_loss` that of the shares alone.
    """

    noise: Noise
    observations: int
    missed: int
    wrong: int
    held: tuple[str, ...]
    log_loss: float
    constant_log_loss: float


def fit(observations: Sequence[Observation], origin: str, prior: Noise = ASSUMED) -> Fitted:
    """Fit both curves, confusions to what was not missed; raises HarnessError without observations."""
    if not observations:
        raise HarnessError("there is no observation to fit", where=origin)
    answered = [each for each in observations if each.outcome != "missed"]
    miss, miss_held = _curve(observations, [each.outcome == "missed" for each in observations], prior.miss)
    confuse, confuse_held = _curve(answered, [each.outcome == "wrong" for each in answered], prior.confuse)
    noise = replace(prior, miss=miss, confuse=confuse, origin=origin)
    missed = sum(each.outcome == "missed" for each in observations)
    wrong = sum(each.outcome == "wrong" for each in observations)
    return Fitted(
        noise,
        len(observations),
        missed,
        wrong,
        (*(f"miss.{name}" for name in miss_held), *(f"confuse.{name}" for name in confuse_held)),
        _log_loss(noise, observations),
        _entropy([missed, wrong, len(observations) - missed - wrong]),
    )


def _curve(
    observations: Sequence[Observation], happened: Sequence[bool], prior: Curve
) -> tuple[Curve, list[str]]:
    """The curve, and the slopes that stayed the prior's."""
    from scipy.optimize import minimize

    start = np.array(prior.coefficients())
    if not observations:
        return prior, list(_NAMES)
    table = np.array([each.situation.features() for each in observations])
    target = np.array(happened, dtype=float)
    varies = np.ptp(table, axis=0) > 0
    varies[0] = True

    def loss(free: Floats) -> tuple[float, Floats]:
        weights = start.copy()
        weights[varies] = free
        odds = table @ weights
        distance = (free - start[varies]) / _SPREAD
        value = np.sum(np.logaddexp(0.0, odds) - target * odds) + 0.5 * np.sum(distance**2)
        slope = table[:, varies].T @ (1.0 / (1.0 + np.exp(-odds)) - target) + distance / _SPREAD
        return float(value), slope

    bounds = [
        (None, None) if name == "base" else (0.0, None)
        for name, free in zip(_NAMES, varies, strict=True)
        if free
    ]
    result = minimize(loss, start[varies], jac=True, bounds=bounds, method="L-BFGS-B")
    weights = start.copy()
    weights[varies] = result.x
    held = [name for name, free in zip(_NAMES, varies, strict=True) if not free]
    return Curve(*(float(weight) for weight in weights)), held


def _log_loss(noise: Noise, observations: Sequence[Observation]) -> float:
    """Mean over the outcomes."""
    total = 0.0
    for each in observations:
        miss = noise.miss.probability(each.situation)
        confuse = noise.confuse.probability(each.situation)
        chances = {"missed": miss, "wrong": (1 - miss) * confuse, "right": (1 - miss) * (1 - confuse)}
        total -= math.log(max(1e-12, chances[each.outcome]))
    return total / len(observations)


def _entropy(counts: Sequence[int]) -> float:
    total = sum(counts)
    return -sum(count / total * math.log(count / total) for count in counts if count)

"""Rules that turn an effect into a verdict, a claim's state and a fidelity state. Pure."""

from __future__ import annotations

import math

from harness.measure.outcome import ClaimFinding, ClaimState, Effect, FidelityState, Verdict
from harness.measure.spec import Better, Claim, Role

EQUIVALENCE = 0.05
FALSE_DISCOVERY_RATE = 0.01
LARGE_EFFECT = 1.5


def orient(effect: Effect, better: Better) -> tuple[float, float, float]:
    """(low, point, high) of log(ratio), turned so that positive is worse."""
    low, point, high = math.log(effect.low), math.log(effect.ratio), math.log(effect.high)
    return (low, point, high) if better == "lower" else (-high, -point, -low)


def judge(effect: Effect, better: Better, floor: float) -> Verdict:
    """Verdict of a timed effect: it must clear both its interval and the smallest effect that counts.

    `unchanged` is an equivalence statement: the whole interval lies within +-5 %, or within the
    floor where that is wider.
    """
    low, point, high = orient(effect, better)
    smallest = math.log1p(floor)
    if low > 0 and point >= smallest:
        return "worse"
    if high < 0 and point <= -smallest:
        return "improved"
    if max(abs(low), abs(high)) < max(smallest, math.log1p(EQUIVALENCE)):
        return "unchanged"
    return "inconclusive"


def judge_exact(baseline: float, optimized: float, better: Better) -> Verdict:
    """Verdict of a counted pair: no noise, so every difference counts."""
    if optimized == baseline:
        return "unchanged"
    return "improved" if (optimized < baseline) == (better == "lower") else "worse"


def canary_alarms(canary: Effect, floor: float) -> bool:
    """Whether identical arms look different: then the machine is too noisy to judge anything."""
    clear = canary.low > 1.0 or canary.high < 1.0
    return clear and abs(math.log(canary.ratio)) >= math.log1p(floor)


def fidelity(low: float, high: float, limit: float, role: Role) -> FidelityState:
    """State of a loss interval against its hard limit."""
    if high <= limit:
        return "held"
    if low > limit:
        return "broken" if role == "shipped" else "refused"
    return "inconclusive"


def judge_claim(claim: Claim, low: float, high: float, better: Better) -> ClaimState:
    """State of a promised range, given the interval found for the same quantity.

    The good edge of the range is the bolder promise. An interval reaching past it still keeps the
    promise (`exceeded` once wholly past); one wholly behind the other edge is `short` while it
    shows some of a promised improvement, else `refuted`; one across that edge is `undecided`. A promised
    value of an arm is no improvement that could be shown in part.
    """
    band_low, band_high = claim.band
    no_effect = 1.0 if claim.ratio is not None else 0.0
    if better == "higher":
        band_low, band_high, low, high = -band_high, -band_low, -high, -low
        no_effect = -1.0 if claim.ratio is not None else -math.inf
    if high < band_low:
        return "exceeded"
    if high <= band_high:
        return "met"
    if low <= band_high:
        return "undecided"
    improvement_promised = band_high < no_effect
    return "short" if improvement_promised and high < no_effect else "refuted"


def claim_finding(
    claim: Claim, row: str, interval: tuple[float, float] | None, better: Better
) -> ClaimFinding:
    """The claim with its state on hardware row `row`; no interval means nothing was found out."""
    state: ClaimState
    if claim.rows and row not in claim.rows:
        state = "not applicable"
    elif interval is None:
        state = "undecided"
    else:
        state = judge_claim(claim, *interval, better)
    return ClaimFinding(
        "ratio" if claim.ratio is not None else "value", *claim.band, claim.source, claim.quote, state
    )

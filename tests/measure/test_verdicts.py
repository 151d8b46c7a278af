"""Verdict rules: mirror-symmetric, monotone, every state reachable."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.measure import verdicts
from harness.measure.outcome import Effect
from harness.measure.spec import Claim

# on a grid, so that rounding in exp and log moves nothing across an edge
logs = st.integers(-1500, 1500).map(lambda k: k / 1000)
floors = st.integers(0, 300).map(lambda k: k / 1000)
RANK = {"improved": 0, "unchanged": 1, "inconclusive": 1, "worse": 2}


@st.composite
def log_intervals(draw):
    low, point, high = sorted(draw(st.tuples(logs, logs, logs)))
    return low, point, high


def effect_at(low, point, high):
    return Effect(math.exp(point), math.exp(low), math.exp(high), 0.99)


def of(low, ratio, high):
    return Effect(ratio, low, high, 0.99)


@pytest.mark.parametrize(
    ("effect", "floor", "verdict"),
    [
        (of(1.04, 1.06, 1.08), 0.025, "worse"),
        (of(0.90, 0.94, 0.98), 0.025, "improved"),
        (of(0.97, 1.00, 1.03), 0.025, "unchanged"),
        (of(1.01, 1.02, 1.03), 0.025, "unchanged"),  # clear, but under the floor
        (of(1.06, 1.07, 1.08), 0.10, "unchanged"),  # clear, over 5 %, under a wider floor
        (of(1.06, 1.07, 1.12), 0.10, "inconclusive"),  # may be over the floor
        (of(0.97, 1.03, 1.20), 0.025, "inconclusive"),
        (of(1.00, 1.06, 1.08), 0.025, "inconclusive"),  # touching no effect is not clear of it
        (of(0.80, 1.00, 1.01), 0.025, "inconclusive"),
    ],
)
def test_verdicts_of_a_duration(effect, floor, verdict):
    assert verdicts.judge(effect, "lower", floor) == verdict


@given(log_intervals(), floors)
def test_verdicts_mirror(interval, floor):
    low, point, high = interval
    straight = verdicts.judge(effect_at(low, point, high), "lower", floor)
    assert verdicts.judge(effect_at(-high, -point, -low), "higher", floor) == straight
    opposite = {"improved": "worse", "worse": "improved"}
    inverted = verdicts.judge(effect_at(low, point, high), "higher", floor)
    assert inverted == opposite.get(straight, straight)


@given(log_intervals(), floors, st.integers(0, 1000).map(lambda k: k / 1000))
def test_a_larger_ratio_is_never_judged_better(interval, floor, shift):
    before = verdicts.judge(effect_at(*interval), "lower", floor)
    after = verdicts.judge(effect_at(*(x + shift for x in interval)), "lower", floor)
    assert RANK[after] >= RANK[before]


@given(log_intervals(), floors)
def test_a_change_clears_both_its_interval_and_the_floor(interval, floor):
    effect = effect_at(*interval)
    verdict = verdicts.judge(effect, "lower", floor)
    if verdict == "worse":
        assert effect.low > 1
        assert effect.ratio >= (1 + floor) * (1 - 1e-12)
    if verdict == "unchanged":
        margin = 1 + max(floor, verdicts.EQUIVALENCE) + 1e-12
        assert 1 / margin <= effect.low <= effect.high <= margin


@given(log_intervals(), floors, floors)
def test_a_higher_floor_never_makes_a_change(interval, one, other):
    strict, lenient = max(one, other), min(one, other)
    if verdicts.judge(effect_at(*interval), "lower", strict) in ("worse", "improved"):
        assert verdicts.judge(effect_at(*interval), "lower", lenient) in ("worse", "improved")


@pytest.mark.parametrize(
    ("before", "after", "better", "verdict"),
    [
        (3, 3, "lower", "unchanged"),
        (3, 2, "lower", "improved"),
        (2, 3, "lower", "worse"),
        (3, 2, "higher", "worse"),
        (2, 3, "higher", "improved"),
        (0, 0, "lower", "unchanged"),
        (1, 0, "lower", "improved"),
    ],
)
def test_counts_have_no_noise(before, after, better, verdict):
    assert verdicts.judge_exact(before, after, better) == verdict


@pytest.mark.parametrize(
    ("canary", "alarms"),
    [
        (of(1.01, 1.05, 1.09), True),
        (of(0.90, 0.95, 0.99), True),
        (of(0.99, 1.05, 1.09), False),
        (of(1.001, 1.01, 1.02), False),  # clear, under the floor
    ],
)
def test_canary(canary, alarms):
    assert verdicts.canary_alarms(canary, 0.025) is alarms


@given(log_intervals(), floors)
def test_the_canary_alarms_in_both_directions(interval, floor):
    low, point, high = interval
    alarms = verdicts.canary_alarms(effect_at(low, point, high), floor)
    assert verdicts.canary_alarms(effect_at(-high, -point, -low), floor) == alarms


@pytest.mark.parametrize("role", ["shipped", "candidate"])
def test_fidelity_states(role):
    over = "broken" if role == "shipped" else "refused"
    assert verdicts.fidelity(0.01, 0.05, 0.05, role) == "held"
    assert verdicts.fidelity(0.04, 0.06, 0.05, role) == "inconclusive"
    assert verdicts.fidelity(0.05, 0.06, 0.05, role) == "inconclusive"
    assert verdicts.fidelity(0.051, 0.06, 0.05, role) == over


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_loss_never_has_a_better_fidelity(low, width, limit, more):
    rank = {"held": 0, "inconclusive": 1, "refused": 2}
    before = verdicts.fidelity(low, low + width, limit, "candidate")
    after = verdicts.fidelity(low + more, low + width + more, limit, "candidate")
    assert rank[after] >= rank[before]


def claim(low, high, kind="ratio"):
    return Claim("m", "source", "quote", **{kind: (low, high)})


FASTER = claim(0.5, 0.8)


@pytest.mark.parametrize(
    ("promise", "low", "high", "better", "state"),
    [
        (FASTER, 0.6, 0.7, "lower", "met"),
        (FASTER, 0.4, 0.6, "lower", "met"),  # reaches past the bold edge: kept
        (FASTER, 0.5, 0.8, "lower", "met"),
        (FASTER, 0.3, 0.49, "lower", "exceeded"),
        (FASTER, 0.7, 0.9, "lower", "undecided"),
        (FASTER, 0.1, 9.0, "lower", "undecided"),
        (FASTER, 0.85, 0.95, "lower", "short"),
        (FASTER, 0.85, 1.0, "lower", "refuted"),
        (FASTER, 1.1, 1.2, "lower", "refuted"),
        (claim(2, 3), 2.2, 2.8, "higher", "met"),
        (claim(2, 3), 3.1, 3.5, "higher", "exceeded"),
        (claim(2, 3), 1.2, 1.5, "higher", "short"),
        (claim(2, 3), 0.9, 1.5, "higher", "refuted"),
        (claim(2, 3), 1.9, 2.1, "higher", "undecided"),
        (claim(2, math.inf), 50, 60, "higher", "met"),  # an open end cannot be exceeded
        (claim(-math.inf, 0.8), 1e-9, 2e-9, "lower", "met"),
        (claim(-math.inf, math.inf), 0.1, 9.0, "lower", "met"),
        (claim(1.0, 1.05), 0.9, 0.95, "lower", "exceeded"),  # "costs at most 5 %"
        (claim(1.0, 1.05), 1.1, 1.2, "lower", "refuted"),
        (claim(0, 0.05, "value"), 0.01, 0.04, "lower", "met"),
        (claim(0, 0.05, "value"), 0.01, 0.06, "lower", "undecided"),
        (claim(0, 0.05, "value"), 0.06, 0.07, "lower", "refuted"),
        (claim(0.01, 0.05, "value"), 0.0, 0.005, "lower", "exceeded"),
        (claim(40, 50, "value"), 44, 46, "higher", "met"),
        (claim(40, 50, "value"), 51, 52, "higher", "exceeded"),
        (claim(40, 50, "value"), 20, 30, "higher", "refuted"),  # an absolute figure is not kept by half
        (claim(40, 50, "value"), 39, 41, "higher", "undecided"),
    ],
)
def test_claim_states(promise, low, high, better, state):
    assert verdicts.judge_claim(promise, low, high, better) == state


ends = st.floats(0.05, 20)
open_ends = st.one_of(ends, st.sampled_from([0.0, math.inf]))
CLAIM_RANK = {"exceeded": 0, "met": 1, "undecided": 2, "short": 3, "refuted": 4}


@given(open_ends, open_ends, ends, ends)
def test_claims_mirror(a, b, c, d):
    (low, high), (found_low, found_high) = sorted((a, b)), sorted((c, d))
    inverse = {0.0: math.inf, math.inf: 0.0}
    mirrored = claim(inverse.get(high) if high in inverse else 1 / high, inverse.get(low, 1 / (low or 1)))
    # 1 / x rounds: an edge hit exactly may fall on the other side
    assume(
        all(abs(x / y - 1) > 1e-9 for x in (found_low, found_high) for y in (low, high, 1.0) if 0 < y < 99)
    )
    straight = verdicts.judge_claim(claim(low, high), found_low, found_high, "lower")
    assert verdicts.judge_claim(mirrored, 1 / found_high, 1 / found_low, "higher") == straight


@given(open_ends, open_ends, ends, ends, st.floats(1, 5))
def test_a_larger_ratio_never_keeps_a_promise_better(a, b, c, d, factor):
    (low, high), (found_low, found_high) = sorted((a, b)), sorted((c, d))
    before = verdicts.judge_claim(claim(low, high), found_low, found_high, "lower")
    after = verdicts.judge_claim(claim(low, high), found_low * factor, found_high * factor, "lower")
    assert CLAIM_RANK[after] >= CLAIM_RANK[before]


def test_a_claim_applies_on_its_rows_and_needs_an_interval():
    promise = Claim("m", "source", "quote", ratio=(0.5, 0.8), rows=("l4",))
    states = [
        verdicts.claim_finding(promise, row, interval, "lower").state
        for row, interval in (("cpu", (0.6, 0.7)), ("cpu", None), ("l4", None), ("l4", (0.6, 0.7)))
    ]
    assert states == ["not applicable", "not applicable", "undecided", "met"]
    found = verdicts.claim_finding(promise, "l4", (0.6, 0.7), "lower")
    assert (found.kind, found.low, found.high, found.source) == ("ratio", 0.5, 0.8, "source")

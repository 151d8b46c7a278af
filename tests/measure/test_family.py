"""Rules over the whole run, on made-up findings whose verdicts are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure import stats
from harness.measure.family import noise_of, noisy_clocks, settle
from harness.measure.outcome import Cell, ClaimFinding, Effect, Finding

RUNS = 150
QUIET = Effect(1.001, 0.99, 1.01, 0.99, p=0.8)
LOUD = Effect(1.2, 1.1, 1.3, 0.99, p=1e-4)


def timed(verdict="improved", p=1e-5, canary=QUIET, **changes) -> Finding:
    fields = {
        "metric": "duration",
        "unit": "s",
        "better": "lower",
        "gate": "paired",
        "provenance": "measured",
        "verdict": verdict,
        "clock": "thread",
        "effect": Effect(0.5, 0.49, 0.51, 0.99, p=p),
        "canary": canary,
        "floor": 0.025,
    }
    return Finding(**fields | changes)


def cell(*findings: Finding, name="a", hardware="cpu", **changes) -> Cell:
    fields = {
        "nodeid": f"benchmarks/test_{name}.py::test_{name}[{hardware}]",
        "optimization": name,
        "title": name,
        "role": "candidate",
        "hardware": hardware,
        "params": {},
        "state": "measured",
        "findings": findings,
    }
    return Cell(**fields | changes)


def verdicts(cells) -> list[str]:
    return [finding.verdict for one in cells for finding in one.findings]


def test_quiet_canaries_and_clear_effects_stand():
    before = [cell(timed()), cell(timed("worse"), name="b")]
    after = settle(before)
    assert verdicts(after) == ["improved", "worse"]
    assert [f.effect.q for one in after for f in one.findings] == pytest.approx([1e-5, 1e-5])


def test_one_loud_canary_silences_every_timed_verdict_of_its_row_and_of_no_other():
    cells = [
        cell(timed(canary=LOUD), name="loud"),
        cell(timed("worse"), name="same_row"),
        cell(timed(), name="other_row", hardware="l4"),
    ]
    after = settle(cells)
    assert verdicts(after) == ["inconclusive", "inconclusive", "improved"]
    assert after[1].findings[0].reason == "noisy machine: identical arms of loud differ by 1.200"
    assert set(noisy_clocks(cells)) == {("cpu", "thread")}


def test_a_reported_metric_silences_nobody():
    reported = timed(gate="report", clock="wall", canary=LOUD, metric="waiting")
    assert verdicts(settle([cell(reported, timed(), timed("worse", clock="wall"))])) == [
        "improved",
        "improved",
        "worse",
    ]
    assert verdicts(settle([cell(timed(provenance="modelled", canary=LOUD), timed())])) == ["improved"] * 2


def test_a_noisy_clock_silences_its_own_findings_only():
    loud = timed(clock="wall", canary=LOUD, metric="waiting")
    cells = [cell(loud, timed()), cell(timed("worse", clock="wall"), timed("worse"), name="b")]
    assert verdicts(settle(cells)) == ["inconclusive", "improved", "inconclusive", "worse"]
    noise = noisy_clocks(cells)
    counted = timed(gate="exact", clock="wall")
    assert [noise_of(f, cells[0], noise) is None for f in (loud, timed(), counted)] == [False, True, True]


def test_a_noisy_row_says_nothing_about_counted_metrics_or_other_peoples_claims():
    claim = ClaimFinding("ratio", 0.4, 0.6, "toy.md", "half", "met")
    elsewhere = replace(claim, state="not applicable")
    counted = timed(metric="calls", gate="exact", effect=Effect(0.5, 0.5, 0.5, 1.0), canary=None)
    modelled = timed(metric="modelled", provenance="modelled", canary=None)
    (after,) = settle([cell(timed(canary=LOUD, claims=(claim, elsewhere)), counted, modelled)])
    assert verdicts([after]) == ["inconclusive", "improved", "improved"]
    assert [claim.state for claim in after.findings[0].claims] == ["undecided", "not applicable"]


def test_a_canary_off_by_less_than_the_floor_is_not_noise():
    slight = Effect(1.02, 1.01, 1.03, 0.99, p=1e-4)
    assert noisy_clocks([cell(timed(canary=slight, floor=0.05))]) == {}
    assert noisy_clocks([cell(timed(canary=slight, floor=0.01))]) != {}


def test_a_hundred_canaries_need_more_than_one_by_chance():
    by_chance = Effect(1.2, 1.1, 1.3, 0.99, p=0.005)
    alone = [cell(timed(canary=by_chance), name="one")]
    crowd = [cell(timed(), name=f"quiet{i}") for i in range(99)]
    assert noisy_clocks(alone) != {}
    assert noisy_clocks(alone + crowd) == {}


@pytest.mark.parametrize("ratio", [3.0, 1 / 3, 1.5])
@pytest.mark.parametrize("others", [1, 20, 200])
def test_a_slow_arms_canary_far_off_alarms_however_many_cells_are_quiet(ratio, others):
    # 8 rounds: no p is smaller than 2 / 256
    grave = timed(canary=Effect(ratio, ratio / 1.2, ratio * 1.2, 0.99, p=2 / 256))
    slow = [cell(grave, name=f"slow{i}") for i in range(2)]
    quiet = [cell(timed(canary=replace(QUIET, p=1.0)), name=f"quiet{i}") for i in range(others)]
    assert set(noisy_clocks(slow + quiet)) == {("cpu", "thread")}


def test_a_canary_far_off_does_not_alarm_within_its_interval_or_floor():
    unsure = Effect(3.0, 0.5, 18.0, 0.99, p=0.5)
    assert noisy_clocks([cell(timed(canary=unsure))]) == {}
    within = Effect(1.6, 1.5, 1.7, 0.99, p=1e-4)
    assert noisy_clocks([cell(timed(canary=within, floor=0.7))]) == {}


@pytest.mark.parametrize(("rounds", "spread"), [(30, 0.01), (30, 0.1), (30, 0.4), (200, 0.1)])
def test_a_hundred_quiet_cells_rarely_alarm(rounds, spread):
    rng = np.random.default_rng(20261121)
    ranks = stats.order_statistic_interval(np.arange(rounds), 0.5, 0.99)
    low, high = (int(rank) for rank in ranks)
    p_values = [stats.sign_test_p(k, rounds) for k in range(rounds + 1)]

    def canary(d):
        ordered = np.exp(np.sort(d))
        p = p_values[int((d > 0).sum())]
        return Effect(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), 0.99, p=p)

    alarms = 0
    for _ in range(RUNS):
        draws = spread * rng.standard_t(4, size=(100, rounds))
        alarms += bool(noisy_clocks([cell(*(timed(canary=canary(d)) for d in draws))]))
    assert alarms / RUNS < 0.02


def test_a_change_that_may_be_chance_among_many_is_demoted():
    weak = cell(timed("worse", p=0.005), name="weak")
    assert verdicts(settle([weak])) == ["worse"]
    crowd = [cell(timed("unchanged", p=0.5), name=f"n{i}") for i in range(20)]
    (demoted, *rest) = settle([weak, *crowd])
    assert demoted.findings[0].verdict == "inconclusive"
    assert "not significant among the run's 21 timed metrics" in demoted.findings[0].reason
    assert demoted.findings[0].effect.q > 0.01
    assert set(verdicts(rest)) == {"unchanged"}


@pytest.mark.parametrize(
    ("fidelity", "counts"), [("refused", False), ("broken", False), ("held", True), ("none", True)]
)
def test_a_speed_up_over_its_fidelity_limit_does_not_count(fidelity, counts):
    (after,) = settle([cell(timed(), fidelity=fidelity)])
    assert ("does not count" in after.findings[0].reason) == (not counts)


@given(st.lists(st.tuples(st.floats(1e-6, 1.0), st.sampled_from(["improved", "worse", "unchanged"]))))
def test_settling_never_creates_a_change_and_does_not_depend_on_order(drawn):
    cells = [cell(timed(verdict, p), name=f"c{i}") for i, (p, verdict) in enumerate(drawn)]
    after = settle(cells)
    assert all(
        new in (old, "inconclusive") for old, new in zip(verdicts(cells), verdicts(after), strict=True)
    )
    assert sorted(settle(cells[::-1]), key=str) == sorted(after, key=str)
    assert all(f.effect.q >= f.effect.p - 1e-12 for one in after for f in one.findings)

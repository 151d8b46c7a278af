"""From a recording to findings: made-up recordings, a made-up world, and at the end the real clock."""

import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from harness.measure import analysis
from harness.measure.analysis import cell_fidelity, findings, paired_effect, settled
from harness.measure.arms import Arm
from harness.measure.noise import count_up
from harness.measure.rounds import Plan, Recording, ready_pair, record
from harness.measure.spec import Claim, Metric, Optimization

DURATION = Metric("duration", "s", gate="paired")
PLAN = Plan(budget_s=10)


def optimization(*metrics, claims=(), role="candidate"):
    return Optimization("o", "title", metrics or (DURATION,), claims, role=role)


def recorded(ratio=1.0, rounds=40, spread=0.002, canary=1.0, metric="duration", **changes):
    """A recording whose optimized arm takes `ratio` of the baseline, give or take `spread`."""
    rng = np.random.default_rng(5)
    arms = {
        name: list(factor * np.exp(spread * rng.normal(size=rounds)))
        for name, factor in (("baseline", 1.0), ("optimized", ratio), ("canary", canary))
    }
    fields = {
        "values": {metric: arms},
        "call_s": {"baseline": 0.001, "optimized": 0.001 * ratio, "canary": 0.001},
        "iterations": {"baseline": 1, "optimized": 1, "canary": 1},
        "rounds": rounds,
        "rounds_wanted": 30,
    }
    return Recording(**fields | changes)


def found(recording, opt=None, clock="wall"):
    return findings(opt or optimization(), recording, PLAN, "cpu", clock)[0]


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"),
    [
        (1.3, 0.002, "worse"),
        (0.7, 0.002, "improved"),
        (1.0, 0.002, "unchanged"),
        (1.01, 0.002, "unchanged"),
        (1.0, 0.5, "inconclusive"),
    ],
)
def test_a_timed_metric_is_judged_with_its_interval_and_canary(ratio, spread, verdict):
    finding = found(recorded(ratio, spread=spread))
    assert finding.verdict == verdict
    assert finding.effect.low <= finding.effect.ratio <= finding.effect.high
    assert finding.effect.ratio == pytest.approx(ratio, rel=max(spread, 0.001) * 2)
    assert finding.canary.low < 1 < finding.canary.high
    assert (finding.rounds, finding.clock) == (40, "wall")
    if verdict == "inconclusive":
        assert finding.reason == f"detects >= {finding.effect.mde80:.1%}"


def test_swapping_the_arms_mirrors_the_finding():
    straight, mirrored = recorded(0.8), recorded(0.8)
    arms = mirrored.values["duration"]
    arms["baseline"], arms["optimized"] = arms["optimized"], arms["baseline"]
    one = paired_effect(straight, "duration", "optimized", PLAN, 0.99)
    other = paired_effect(mirrored, "duration", "optimized", PLAN, 0.99)
    # the bootstrap's percentiles interpolate, so their mirror images agree closely, not exactly
    np.testing.assert_allclose(
        (1 / other.high, 1 / other.ratio, 1 / other.low), (one.low, one.ratio, one.high), 1e-3
    )
    assert other.p == one.p


@pytest.mark.parametrize("rounds", [7, 8, 20, 29])
def test_few_rounds_get_the_exact_interval_or_none(rounds):
    effect = paired_effect(recorded(rounds=rounds), "duration", "optimized", PLAN, 0.99)
    assert (effect is None) == (rounds < 8)


def test_the_interval_covers_in_simulation_at_thirty_rounds():
    rng, missed = np.random.default_rng(8), 0
    for _ in range(400):
        d = rng.normal(size=30)
        low, high = analysis._median_interval(d, PLAN, 0.99)
        missed += not low <= 0 <= high
    assert missed <= 400 * 0.01 + 3 * math.sqrt(400 * 0.01)


def test_p_pays_for_the_look_it_was_taken_at():
    noisy = recorded(spread=0.3)
    p = {c: paired_effect(noisy, "duration", "optimized", PLAN, c).p for c in (0.99, 0.9925, 0.9975)}
    assert p[0.9925] == pytest.approx(min(1.0, p[0.99] * 4 / 3))
    assert p[0.9975] == pytest.approx(min(1.0, p[0.99] * 4))
    clear = [paired_effect(recorded(1.3), "duration", "optimized", PLAN, c).p for c in (0.99, 0.9975)]
    assert clear[1] == pytest.approx(4 * clear[0])


def test_two_looks_keep_the_false_alarms_at_what_was_promised():
    """Identical arms with no floor: of 300 pairs about 3 may be called different."""
    opt, rng, alarms = optimization(replace(DURATION, floor=0.0)), np.random.default_rng(9), 0
    for _ in range(300):
        arms = {
            name: list(np.exp(0.02 * rng.normal(size=60))) for name in ("baseline", "optimized", "canary")
        }
        recording = recorded(rounds=30)
        recording.values["duration"] = {name: values[:30] for name, values in arms.items()}
        recording.confidence = 0.9975
        if not settled(opt, recording, PLAN, 0.9975):
            recording.values["duration"], recording.rounds, recording.confidence = arms, 60, 0.9925
        alarms += found(recording, opt).verdict in ("worse", "improved")
    assert alarms <= 300 * 0.01 + 3 * math.sqrt(300 * 0.01)


@pytest.mark.parametrize(
    ("recording", "is_settled"),
    [
        (recorded(), True),
        (recorded(1.3), True),
        (recorded(1.3, spread=0.2), False),  # clear, but the interval is wide
        (recorded(spread=0.2), False),
        (recorded(rounds=7), False),
    ],
    ids=["unchanged", "worse", "wide", "noisy", "few"],
)
def test_settled_means_decided_and_narrow(recording, is_settled):
    assert settled(optimization(), recording, PLAN, 0.9975) is is_settled


def test_only_paired_metrics_have_to_settle():
    assert settled(optimization(Metric("duration", "s")), recorded(rounds=7), PLAN, 0.9975)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("arm", ["baseline", "optimized", "canary"])
def test_a_sample_without_a_ratio_is_inconclusive_and_raises_nothing(bad, arm):
    recording = recorded()
    recording.values["duration"][arm][3] = bad
    assert not settled(optimization(), recording, PLAN, 0.9975)
    finding = found(recording)
    assert finding.verdict == "inconclusive"
    assert "no ratio" in finding.reason


def test_a_cell_cut_short_says_what_it_needs():
    recording = recorded(1.3, rounds=12)
    finding = found(recording)
    assert finding.verdict == "inconclusive"
    assert finding.reason.startswith("budget: needs 30 rounds")
    assert finding.effect.confidence == 0.0  # a bare ratio, no interval


CLAIM = Claim("duration", "source", "quote", ratio=(0.2, 0.8))


def test_a_claim_needs_an_interval():
    opt = optimization(claims=(CLAIM,))
    assert found(recorded(0.5), opt).claims[0].state == "met"
    assert found(recorded(0.5, rounds=12), opt).claims[0].state == "undecided"


@pytest.mark.parametrize(
    ("promised", "spread", "state"),
    [((0.4, 0.6), 0.002, "met"), ((0.1, 0.2), 0.002, "refuted"), ((0.4, 0.5), 0.5, "undecided")],
)
def test_a_claim_may_be_about_what_the_optimized_arm_reaches(promised, spread, state):
    opt = optimization(claims=(Claim("duration", "source", "quote", value=promised),))
    assert found(recorded(0.5, spread=spread), opt).claims[0].state == state


def test_what_the_thread_clock_misses_decides_no_verdict_and_no_claim():
    opt = optimization(claims=(CLAIM,))
    blind = found(recorded(0.5, foreign_cpu_share=0.4), opt, clock="thread")
    assert blind.verdict == "inconclusive"
    assert "40% of the CPU time ran in other threads" in blind.reason
    assert "use clock='process' or 'wall'" in blind.reason
    assert blind.claims[0].state == "undecided"
    for clock in ("process", "wall"):
        assert found(recorded(0.5, foreign_cpu_share=0.4), opt, clock=clock).verdict == "improved"
    assert found(recorded(0.5, foreign_cpu_share=0.05), opt, clock="thread").verdict == "improved"


@pytest.mark.parametrize(("ratio", "verdict"), [(1.3, "inconclusive"), (1.0, "inconclusive"), (2.0, "worse")])
def test_few_rounds_of_slow_arms_settle_large_effects_only(ratio, verdict):
    call_s = {"baseline": 2.0, "optimized": 2.0 * ratio, "canary": 2.0}
    finding = found(recorded(ratio, rounds=8, rounds_wanted=8, call_s=call_s))
    assert finding.verdict == verdict
    assert ("report only" in finding.reason) == (verdict == "inconclusive")


def counted(baseline, optimized, canary=None, **metric):
    declared = Metric("calls", "1", gate="exact", counter="calls", **metric)
    arms = {"baseline": baseline, "optimized": optimized, "canary": canary or baseline}
    claims = (Claim("calls", "source", "quote", ratio=(0, 0.5)),)
    return found(recorded(metric="calls", values={"calls": arms}), optimization(declared, claims=claims))


def test_a_count_is_compared_exactly():
    assert counted([3.0] * 9, [3.0] * 9).verdict == "unchanged"
    assert counted([3.0] * 9, [2.0] * 9).verdict == "improved"
    assert counted([3.0] * 9, [2.0] * 9, better="higher").verdict == "worse"
    halved = counted([4.0], [2.0])
    assert (halved.effect.ratio, halved.effect.confidence, halved.claims[0].state) == (0.5, 1.0, "met")


@pytest.mark.parametrize("arm", [0, 1, 2], ids=["baseline", "optimized", "canary"])
def test_a_count_that_varies_is_not_exact(arm):
    arms = [[3.0] * 4, [3.0] * 4, [3.0] * 4]
    arms[arm][-1] = 5.0
    finding = counted(*arms)
    assert finding.verdict == "inconclusive"
    assert "not exact" in finding.reason
    assert "gave 3 to 5 over 4 rounds" in finding.reason
    assert finding.claims[0].state == "undecided"


def test_a_count_that_is_no_number_is_inconclusive():
    assert counted([math.nan] * 4, [math.nan] * 4).verdict == "inconclusive"
    assert counted([3.0] * 4, [math.inf] * 4).verdict == "inconclusive"


def test_nothing_left_to_count_keeps_a_promise_of_less():
    finding = counted([10.0], [0.0])
    assert (finding.verdict, finding.effect, finding.claims[0].state) == ("improved", None, "met")


LOSS = Metric("loss", "1", gate="bounded", compare=lambda a, b: 0.0, limit=0.05)


def bounded(losses, metric=LOSS, role="candidate", claims=()):
    opt = optimization(metric, role=role, claims=claims)
    finding = found(recorded(values={"loss": {}}, losses={"loss": losses} if losses else {}), opt)
    return finding, cell_fidelity([finding], opt)


@pytest.mark.parametrize(
    ("losses", "role", "verdict", "state"),
    [
        ([[0.01]] * 5, "candidate", "unchanged", "held"),
        ([[0.05]], "candidate", "unchanged", "held"),
        ([[0.01]] * 4 + [[0.06]], "candidate", "worse", "refused"),  # the worst round counts
        ([[0.01]] * 4 + [[0.06]], "shipped", "worse", "broken"),
        ([[0.01, 0.02, 0.03]] * 4, "shipped", "unchanged", "held"),
        ([[0.0, 0.0, 0.14]] * 4, "shipped", "inconclusive", "inconclusive"),
        ([[0.2, 0.3, 0.4]] * 4, "shipped", "worse", "broken"),
        ([[0.0, 0.1], [0.1, 0.0]], "shipped", "unchanged", "held"),  # per example over rounds: 0.05 each
        ([[0.0, math.nan]] + [[0.0, 0.0]] * 3, "candidate", "worse", "refused"),
        ([[math.inf]], "shipped", "worse", "broken"),
        ([], "shipped", "not run", "inconclusive"),
    ],
)
def test_losses_against_their_limit(losses, role, verdict, state):
    finding, fidelity = bounded(losses, role=role)
    assert (finding.verdict, fidelity) == (verdict, state)


def test_a_value_claim_reads_the_loss():
    finding, _ = bounded([[0.01]], claims=(Claim("loss", "source", "quote", value=(0, 0.02)),))
    assert finding.claims[0].state == "met"


def test_a_loss_without_limit_is_reported_and_holds_nothing():
    finding, fidelity = bounded([[0.4]], metric=Metric("loss", "1", compare=lambda a, b: 0.4))
    assert (finding.verdict, finding.effect.ratio, fidelity) == ("inconclusive", 0.4, "none")


def test_the_worst_fidelity_of_a_cell_counts():
    metrics = tuple(replace(LOSS, name=name) for name in ("a", "b", "c"))
    losses = {"a": [[0.01]], "b": [[0.0, 0.0, 0.14]], "c": [[0.4]]}
    opt = optimization(*metrics, role="shipped")
    all_found = findings(opt, recorded(losses=losses), PLAN, "cpu", "wall")
    assert cell_fidelity(all_found, opt) == "broken"
    assert cell_fidelity(all_found[:2], opt) == "inconclusive"
    assert cell_fidelity(all_found[:1], opt) == "held"
    assert cell_fidelity([], opt) == "none"


MEMORY = Metric("memory", "GiB", probe="tracemalloc_peak")


@pytest.mark.parametrize(
    ("baseline", "optimized", "verdict"),
    [
        ([2.0] * 8, [1.0] * 8, "improved"),
        ([1.0] * 8, [1.0] * 8, "unchanged"),
        ([2.0] * 3, [1.0] * 3, "inconclusive"),
        ([0.0] * 8, [1.0] * 8, "inconclusive"),
    ],
)
def test_probes(baseline, optimized, verdict):
    finding = found(
        recorded(probes={"memory": {"baseline": baseline, "optimized": optimized}}), optimization(MEMORY)
    )
    assert (finding.verdict, finding.clock, finding.rounds) == (verdict, None, len(baseline))


def test_a_probe_that_this_machine_lacks_is_not_run_with_the_reason():
    finding = found(recorded(unavailable={"memory": "no such counter"}), optimization(MEMORY))
    assert (finding.verdict, finding.reason) == ("not run", "no such counter")


@pytest.mark.parametrize(
    ("setup", "ratio"),
    [({"baseline": 4.0, "optimized": 2.0}, 0.5), ({"baseline": None, "optimized": 2.0}, None)],
)
def test_set_up_time_is_reported_beside_the_metrics(setup, ratio):
    last = findings(optimization(), recorded(setup_s=setup), PLAN, "cpu", "wall")[-1]
    assert (last.metric, last.gate, last.rounds) == ("setup_time", "report", 1)
    assert (last.baseline, last.optimized) == (setup["baseline"], setup["optimized"])
    assert (last.effect and last.effect.ratio) == ratio


def test_no_set_up_no_finding():
    nothing = recorded(setup_s={"baseline": None, "optimized": None})
    assert [f.metric for f in findings(optimization(), nothing, PLAN, "cpu", "wall")] == ["duration"]


def on_this_machine(baseline, optimized, budget_s=0.8):
    opt, plan = optimization(), Plan(budget_s=budget_s)
    with ready_pair(Arm(baseline), Arm(optimized), opt.metrics, "thread") as pair:
        recording = record(pair, plan, lambda so_far, confidence: settled(opt, so_far, plan, confidence))
    return findings(opt, recording, plan, "cpu", "thread")[0]


def test_a_planted_slowdown_is_found():
    finding = on_this_machine(lambda: count_up(10_000), lambda: count_up(13_000))
    assert finding.verdict == "worse"
    assert finding.effect.low < 1.3 < finding.effect.high or finding.effect.ratio == pytest.approx(
        1.3, rel=0.15
    )


def test_identical_arms_are_not_told_apart():
    finding = on_this_machine(lambda: count_up(10_000), lambda: count_up(10_000))
    assert finding.verdict in ("unchanged", "inconclusive")


def test_an_arm_that_works_in_another_thread_is_not_judged_by_the_thread_clock():
    def elsewhere():
        worker = threading.Thread(target=count_up, args=(40_000,))
        worker.start()
        worker.join()

    finding = on_this_machine(lambda: count_up(40_000), elsewhere)
    assert finding.verdict == "inconclusive"
    assert "use clock='process' or 'wall'" in finding.reason


def test_no_error_among_few_examples_does_not_show_a_low_error_rate():
    few, _ = bounded([[False] * 20])
    many, _ = bounded([[False] * 2000])
    assert few.verdict == "inconclusive"
    assert few.effect.high == pytest.approx(1 - 0.005 ** (1 / 20))
    assert many.verdict == "unchanged"
    exact, _ = bounded([[0.0] * 20])
    assert exact.verdict == "unchanged", "figures that are no errors of a sample say what they say"

"""The measuring loop, in a world where only arms move the clocks."""

import gc
import math
import tracemalloc
import weakref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.measure import rounds
from harness.measure.arms import Arm
from harness.measure.probes import Tally
from harness.measure.rounds import ARMS, Plan, ready_pair, record
from harness.measure.spec import Metric

DURATION = Metric("duration", "s", gate="paired")


def never(recording, confidence):
    return False


def measured(baseline, optimized, *, metrics=(DURATION,), plan=None, look=never, clock="wall", **pair):
    plan = plan or Plan(budget_s=2.0)
    with ready_pair(_arm(baseline), _arm(optimized), metrics, clock, **pair) as ready:
        return record(ready, plan, look)


def _arm(given):
    return given if isinstance(given, Arm) else Arm(given)


def taking(world, seconds):
    return lambda *_: world.pass_time(seconds)


def test_values_are_seconds_per_call_and_the_canary_is_the_baseline(world):
    found = measured(taking(world, 0.002), taking(world, 0.003))
    values = found.values["duration"]
    assert values["baseline"] == pytest.approx([0.002] * found.rounds)
    assert values["optimized"] == pytest.approx([0.003] * found.rounds)
    assert values["canary"] == pytest.approx([0.002] * found.rounds)
    assert found.rounds >= 30


def orders(world, seed):
    plan = Plan(budget_s=1e9, seed=seed, max_rounds=300)
    return measured(taking(world, 0.002), taking(world, 0.002), plan=plan).orders


def test_the_order_is_shuffled_balanced_and_repeats_with_the_seed(world):
    found = orders(world, seed=1)
    assert found == orders(world, seed=1)
    assert found != orders(world, seed=2)
    for arm in ARMS:
        for position in range(3):
            # 300 independent shuffles: 100 in each position, 4 standard deviations are 33
            assert 67 <= found[arm].count(position) <= 133, (arm, position)
    permutations = list(zip(*found.values(), strict=True))
    assert all(sorted(positions) == [0, 1, 2] for positions in permutations)
    assert len(set(permutations)) == 6


def test_the_recorded_order_is_the_order_of_execution(world):
    ran = []

    def run(name):
        ran.append(name)
        world.pass_time(0.002)

    found = measured(
        lambda: run("b"), lambda: run("o"), plan=Plan(budget_s=1e9, max_rounds=40, min_sample_s=1e-4)
    )
    last = ran[-3 * found.rounds :]
    for index in range(found.rounds):
        assert last[3 * index + found.orders["optimized"][index]] == "o"


def test_samples_carry_round_and_position(world):
    found = measured(taking(world, 0.002), taking(world, 0.003), plan=Plan(budget_s=1e9, max_rounds=31))
    samples = found.samples()
    assert len(samples) == 3 * 31
    assert {(s.round, s.order) for s in samples} == {(r, o) for r in range(31) for o in range(3)}
    assert all(s.order == found.orders[s.arm][s.round] for s in samples)


def test_setup_is_paid_once_and_is_not_in_the_samples(world):
    paid = []

    def prepare():
        paid.append("baseline")
        world.pass_time(70)

    found = measured(Arm(taking(world, 0.002), prepare), taking(world, 0.002))
    assert paid == ["baseline"]
    assert found.setup_s == {"baseline": 70, "optimized": None}
    assert max(found.values["duration"]["baseline"]) == pytest.approx(0.002)
    assert found.rounds >= 30  # the budget is for rounds, not for set-up


def test_fresh_input_for_every_execution_and_no_repetition(world):
    made, used = [], []

    def fresh():
        made.append(object())
        return made[-1]

    def run(given):
        used.append(given)
        world.pass_time(1e-5)

    found = measured(run, run, each_round=fresh, plan=Plan(budget_s=1e9, max_rounds=40))
    assert found.iterations == dict.fromkeys(ARMS, 1)
    assert used == made
    assert len(used) >= 3 * 40


@pytest.mark.parametrize("seconds", [1e-7, 1e-6, 1e-5, 3e-4])
def test_quick_arms_are_repeated_until_a_sample_is_long_enough(world, seconds):
    found = measured(taking(world, seconds), taking(world, seconds), plan=Plan(budget_s=1.0))
    assert 0.99e-3 <= found.iterations["baseline"] * seconds <= 1.5e-3
    assert found.values["duration"]["baseline"] == pytest.approx([seconds] * found.rounds, rel=1e-3)


def test_the_cost_of_one_call_does_not_hide_how_quick_an_arm_is():
    found = measured(lambda: None, lambda: None, clock="thread", plan=Plan(budget_s=0.2))
    assert found.iterations["baseline"] >= 2_000  # a call of nothing takes well under 500 ns


def test_arms_share_the_number_of_calls_unless_samples_would_be_long(world):
    alike = measured(taking(world, 1e-4), taking(world, 1e-3)).iterations
    assert alike["baseline"] == alike["optimized"] == alike["canary"] > 1
    apart = measured(taking(world, 1e-6), taking(world, 0.1), plan=Plan(budget_s=30)).iterations
    assert apart["baseline"] == apart["canary"] == pytest.approx(1000, rel=0.01)
    assert apart["optimized"] == 1


def test_counted_arms_are_called_once_per_sample_and_counted_apart(world):
    tally = Tally()

    def run(calls):
        tally.calls += calls
        world.pass_time(1e-4)

    counted = Metric("calls", "1", gate="exact", counter="calls")
    found = measured(
        lambda: run(3), lambda: run(1), metrics=(counted, DURATION), tally=tally, plan=Plan(budget_s=0.5)
    )
    assert found.iterations["baseline"] == 1
    assert set(found.values["calls"]["baseline"]) == set(found.values["calls"]["canary"]) == {3.0}
    assert set(found.values["calls"]["optimized"]) == {1.0}


def test_work_is_divided_by_the_time_of_one_call(world):
    rate = Metric("rate", "1/s", gate="paired", better="higher", work=lambda result: result)

    def run():
        world.pass_time(2e-4)
        return 10

    found = measured(run, run, metrics=(rate,))
    assert found.values["rate"]["optimized"] == pytest.approx([50_000] * found.rounds)


def test_work_in_no_time_has_no_rate(world):
    rate = Metric("rate", "1/s", gate="paired", better="higher", work=lambda result: 1, clock="thread")

    def run():
        world.pass_time(0.01, elsewhere=0.01)

    found = measured(run, run, metrics=(rate,))
    assert all(map(math.isnan, found.values["rate"]["baseline"]))


def test_each_metric_is_read_from_its_own_clock(world):
    metrics = (Metric("wall", "s", clock="wall"), Metric("cpu", "s", clock="thread"))

    def run():
        world.pass_time(0.004, elsewhere=0.003)

    found = measured(run, run, metrics=metrics)
    assert found.values["wall"]["baseline"] == pytest.approx([0.004] * found.rounds)
    assert found.values["cpu"]["baseline"] == pytest.approx([0.001] * found.rounds)
    assert found.foreign_cpu_share == pytest.approx(0.75)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.floats(1e-4, 5.0), st.floats(0.2, 5.0), st.floats(0.05, 400.0), st.sampled_from([None, True, False])
)
def test_rounds_keep_to_the_budget_and_look_at_most_once_more(world, seconds, ratio, budget_s, answer):
    plan, looks = Plan(budget_s=budget_s), []

    def look(recording, confidence):
        looks.append((recording.rounds, confidence))
        return bool(answer)

    began = world.now
    found = measured(taking(world, seconds), taking(world, seconds * ratio), plan=plan, look=look)
    round_s = seconds * (2 + ratio)
    assert 1 <= found.rounds <= plan.max_rounds
    assert len(looks) <= 1  # the end of the run is the second look
    # warm-up calls come on top of one round that is always run
    assert world.now - began <= budget_s + 2 * round_s + 8 * max(seconds, seconds * ratio) + 0.1
    if looks:
        assert looks[0][1] == pytest.approx(0.9975)
    if looks and answer:
        assert found.rounds == looks[0][0]
        assert found.confidence == pytest.approx(0.9975)
    elif looks:
        assert found.confidence == pytest.approx(0.9925)
    else:
        assert found.confidence in (pytest.approx(0.99), pytest.approx(0.9925))


@pytest.mark.parametrize("budget_s", [0.1, 20, 40, 80, 130, 1000])
def test_slow_arms_get_a_number_of_rounds_fixed_before_the_first(world, budget_s):
    plan, began = Plan(budget_s=budget_s), world.now
    slow = measured(taking(world, 1.25), taking(world, 1.25), plan=plan)
    assert rounds.is_slow(slow, plan)
    assert slow.rounds_wanted == 8
    warm_up = world.now - began - 3.75 * slow.rounds
    assert 5.0 <= warm_up <= 10.0
    fits = int((budget_s - warm_up) / 3.75)
    assert slow.rounds == (1 if fits < 8 else min(fits, 29))
    assert (slow.rounds == 1) == (budget_s < 35)


@pytest.mark.parametrize("budget_s", [60, 130])
def test_slow_arms_get_an_early_look_only_where_order_statistics_reach(world, budget_s):
    looks = []

    def look(recording, confidence):
        looks.append((recording.rounds, confidence))
        return True

    found = measured(taking(world, 1.25), taking(world, 1.25), plan=Plan(budget_s=budget_s), look=look)
    if budget_s == 60:
        assert (looks, found.rounds, found.confidence) == ([], 14, 0.99)
    else:
        assert looks == [(14, pytest.approx(0.9975))]
        assert found.rounds == 14


def test_the_fixed_number_stays_when_later_rounds_turn_slower(world):
    calls = []

    def run():
        calls.append(1)
        world.pass_time(1.25 if len(calls) <= 12 else 3.0)

    found = measured(run, run, plan=Plan(budget_s=60))
    assert found.rounds == int((60 - 5.0) / 3.75)


def test_too_little_budget_gives_one_round_and_says_how_many_were_wanted(world):
    found = measured(taking(world, 0.5), taking(world, 0.5), plan=Plan(budget_s=3))
    assert (found.rounds, found.rounds_wanted) == (1, 30)


def test_losses_are_compared_within_the_round_and_kept_up_to_thirty(world):
    answers = iter(range(100_000))

    def run():
        world.pass_time(0.002)
        return next(answers)

    seen = []
    loss = Metric("loss", "1", compare=lambda before, after: seen.append((before, after)) or [0.5, 0.25])
    found = measured(run, run, metrics=(loss, DURATION), plan=Plan(budget_s=1e9, max_rounds=50))
    assert found.losses["loss"] == [[0.5, 0.25]] * 30
    assert all(abs(before - after) <= 2 for before, after in seen)
    assert found.rounds == 50


@pytest.mark.parametrize(
    "losses", [[[]], [[0.1, 0.2], [0.1]], [[[0.1], [0.2]]]], ids=["none", "ragged", "nested"]
)
def test_losses_that_are_not_one_per_example_are_refused(world, losses):
    given = iter(losses)
    loss = Metric("divergence", "1", compare=lambda before, after: next(given))
    with pytest.raises(HarnessError, match=r"'divergence' gave losses of shape .*equally many"):
        measured(taking(world, 0.002), taking(world, 0.002), metrics=(loss,))


def test_probes_run_outside_timed_rounds(world):
    tracing = []

    def run():
        tracing.append(tracemalloc.is_tracing())
        world.pass_time(0.002)
        return bytearray(1000)

    memory = Metric("memory", "GiB", probe="tracemalloc_peak")
    found = measured(run, run, metrics=(DURATION, memory), plan=Plan(budget_s=1e9, max_rounds=40))
    probed = 2 * Plan(budget_s=1).probe_rounds
    assert not any(tracing[:-probed])
    assert all(tracing[-probed:])
    assert len(found.probes["memory"]["baseline"]) == len(found.probes["memory"]["optimized"]) == probed // 2
    assert "memory" not in found.values


def test_a_probe_this_machine_lacks_is_noted_and_fails_nothing(world, monkeypatch):
    def unavailable(name, run):
        raise HarnessError("no counter here")

    monkeypatch.setattr(rounds, "probe", unavailable)
    found = measured(taking(world, 0.1), taking(world, 0.1), metrics=(Metric("energy", "J", probe="energy"),))
    assert found.unavailable == {"energy": "no counter here"}
    assert found.probes == {}


@pytest.mark.parametrize("was_enabled", [True, False])
@pytest.mark.parametrize("fails_at", [None, 1, 25])
def test_the_collector_is_quiet_in_rounds_and_as_before_afterwards(world, was_enabled, fails_at):
    calls, enabled = [], []

    def run():
        calls.append(1)
        enabled.append(gc.isenabled())
        world.pass_time(0.002)
        if len(calls) == fails_at:
            raise LookupError("of the arm")

    plan = Plan(budget_s=1e9, max_rounds=40)
    before = gc.isenabled()
    (gc.enable if was_enabled else gc.disable)()
    try:
        if fails_at is None:
            measured(run, run, plan=plan)
        else:
            with pytest.raises(LookupError, match="of the arm"):
                measured(run, run, plan=plan)
        assert gc.isenabled() is was_enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert gc.get_freeze_count() == 0
    if fails_at != 1:
        assert not any(enabled[9:])


def test_cyclic_results_do_not_pile_up_over_the_rounds(world):
    class Cycle:
        def __init__(self):
            self.itself = self

    alive = weakref.WeakSet()
    most = 0

    def run():
        nonlocal most
        world.pass_time(0.002)
        result = Cycle()
        alive.add(result)
        most = max(most, len(alive))
        return result

    measured(run, run, plan=Plan(budget_s=1e9, max_rounds=100))
    assert most <= 20

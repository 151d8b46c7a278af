"""The guide's benchmarking template, defect by defect, and that this rig has none of them.

`template` does what `benchmark_configuration` of detection-optimization-guide.md does, on a planted machine
whose clock and memory move only when a sample is processed. The right answer is known each time: the template
has to miss it, and the rig to find it or to refuse the pair.
"""

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.measure.analysis import cell_fidelity, findings
from harness.measure.arms import Arm
from harness.measure.probes import GIB, Tally
from harness.measure.rounds import ARMS, Plan, ready_pair, record
from harness.measure.spec import Metric, Optimization

PER_TOKEN_S = 1e-6
LENGTHS = (1000, 7000) * 50
STEADY_S = sum(LENGTHS) * PER_TOKEN_S
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@dataclass
class Machine:
    """A card that others work on, too: `slowdown` at a time, and `cold_calls` that take ten times as long."""

    world: object
    slowdown: object = lambda now: 1.0
    cold_calls: int = 0
    live: float = 0.0
    peak: float = 0.0
    calls: int = 0

    def work(self, tokens, bytes_per_token):
        self.peak = max(self.peak, self.live + tokens * bytes_per_token)
        factor = 10.0 if self.calls < self.cold_calls else 1.0
        self.calls += 1
        self.world.pass_time(tokens * PER_TOKEN_S * factor * self.slowdown(self.world.now))

    @property
    def cuda(self):
        def reset():
            self.peak = self.live

        return SimpleNamespace(
            is_available=lambda: True,
            synchronize=lambda: None,
            reset_peak_memory_stats=reset,
            max_memory_allocated=lambda: self.peak,
        )


@dataclass
class Model:
    """Scores a sample's tokens up to `max_length`; what it has scored it remembers, if it `remembers`."""

    machine: Machine
    max_length: int = 8000
    bytes_per_token: float = 0.0
    remembers: bool = False
    known: set = field(default_factory=set)

    def process(self, sample):
        """(number of the sample, tokens scored)."""
        number, length = sample
        tokens = min(length, self.max_length)
        if number not in self.known:
            self.machine.work(tokens, self.bytes_per_token)
        if self.remembers:
            self.known.add(number)
        return number, tokens


def numbered(first=0):
    return [(first + place, length) for place, length in enumerate(LENGTHS)]


def template(machine, **settings):
    """Five samples to warm up, all hundred once, samples over seconds, the peak so far. In this order."""
    model, samples = Model(machine, **settings), numbered()
    for sample in samples[:5]:
        model.process(sample)
    began = machine.world.now
    for sample in samples:
        model.process(sample)
    seconds = machine.world.now - began
    return {"samples/min": len(samples) / seconds, "memory": machine.peak / 1e9, "time": seconds}


def rig(machine, baseline, optimized, *metrics, fresh=False, tally=None, rounds=40):
    """(recording, findings by metric, cell's fidelity) of the pair; `fresh`: other samples in each round."""
    optimization = Optimization("pair", "pair", metrics)
    plan = Plan(budget_s=1e9, max_rounds=rounds)
    made = iter(range(0, 10**9, len(LENGTHS)))

    def arm(settings):
        def run(model, samples=None):
            found = [model.process(sample) for sample in samples or numbered()]
            if tally is not None:
                tally.tokens += sum(tokens for _, tokens in found)
            return found

        return Arm(run, prepare=lambda: Model(machine, **settings))

    each_round = (lambda: numbered(next(made))) if fresh else None
    with ready_pair(arm(baseline), arm(optimized), metrics, "wall", each_round, tally) as pair:
        recording = record(pair, plan, lambda so_far, confidence: False)
    found = findings(optimization, recording, plan, "cpu", "wall")
    return recording, {one.metric: one for one in found}, cell_fidelity(found, optimization)


PER_MINUTE = Metric("rate", "samples/min", "higher", "paired", work=lambda found: 60.0 * len(found))
DURATION = Metric("duration", "s", gate="paired")


# --- 1. samples per second, printed as samples per minute ---


def test_the_rate_has_the_unit_that_is_printed(world):
    machine = Machine(world)
    right = 60.0 * len(LENGTHS) / STEADY_S
    assert template(machine)["samples/min"] == pytest.approx(right / 60.0)
    _, found, _ = rig(machine, {}, {}, PER_MINUTE)
    assert found["rate"].optimized == pytest.approx(right)


class Seven(int):
    """What arms of benchmarks return for seven samples: the number, a list, or something with either."""

    def __len__(self):
        return 7

    def __getattr__(self, name):
        return self


def rates_of_samples():
    for path in sorted(BENCHMARKS.rglob("test_*.py")):
        text = path.read_text()
        if '/min"' not in text and '"samples/s"' not in text:
            continue
        spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for metric in module.OPTIMIZATION.metrics:
            if metric.work is not None and metric.unit in ("1/min", "samples/min", "samples/s"):
                yield f"{path.stem} {metric.name}", metric


def test_every_rate_of_samples_is_counted_in_its_own_unit():
    rates = dict(rates_of_samples())
    found = {name: metric.work(Seven(7)) for name, metric in rates.items()}
    assert found == {name: 7 if metric.unit.endswith("/s") else 7 * 60 for name, metric in rates.items()}
    assert len(found) >= 8


# --- 2. and 5. configurations that do different work, and texts that are cut without a word ---


def lost(first, second):
    """Tokens of each sample that one arm scored and the other did not."""
    return [abs(a[1] - b[1]) for a, b in zip(first, second, strict=True)]


TOKENS = Metric("tokens", "tokens", gate="exact", counter="tokens")
SAME = Metric("lost_tokens", "tokens", gate="bounded", compare=lost, limit=0.0)


def test_arms_that_do_different_work_are_refused(world):
    machine = Machine(world)
    shorter, longer = (template(machine, max_length=length) for length in (6000, 8000))
    assert shorter["samples/min"] > 1.1 * longer["samples/min"]  # "faster", for it did less
    assert set(shorter) == {"samples/min", "memory", "time"}  # and nothing says so
    baseline, optimized = {"max_length": 8000}, {"max_length": 6000}
    _, found, fidelity = rig(machine, baseline, optimized, DURATION, TOKENS, SAME, tally=Tally())
    assert found["duration"].verdict == "improved"
    assert found["tokens"].baseline - found["tokens"].optimized == 50 * 1000
    assert fidelity == "refused"


def test_arms_that_do_the_same_work_are_not_refused(world):
    _, found, fidelity = rig(Machine(world), {}, {}, DURATION, TOKENS, SAME, tally=Tally())
    assert fidelity == "held"
    assert found["tokens"].verdict == "unchanged"


def test_one_cut_sample_in_a_hundred_is_seen(world):
    machine = Machine(world)
    everything = template(machine)
    # one token of the longest samples goes missing: the template's figures hardly move
    assert template(machine, max_length=6999)["time"] == pytest.approx(everything["time"], rel=2e-4)
    _, _, fidelity = rig(machine, {}, {"max_length": 6999}, DURATION, SAME)
    assert fidelity == "refused"


# --- 3. one configuration after the other, each once ---


def neighbour(now):
    """Half a minute of every minute somebody else takes part of the card, from the second run on."""
    return 1.4 if 1.04 * STEADY_S <= now % 60.0 < 30.0 else 1.0


def test_a_neighbour_is_not_taken_for_a_difference(world):
    machine = Machine(world, slowdown=neighbour)
    first, second = template(machine), template(machine)
    assert second["time"] > 1.3 * first["time"]
    recording, found, _ = rig(machine, {}, {}, DURATION)
    assert found["duration"].verdict == "unchanged"
    assert found["duration"].effect.ratio == pytest.approx(1.0, rel=0.01)
    values = [value for arm in ARMS for value in recording.values["duration"][arm]]
    assert max(values) > 1.3 * min(values)  # the neighbour was there


def test_arms_take_turns_in_an_order_that_changes(world):
    recording, _, _ = rig(Machine(world), {}, {}, DURATION)
    assert recording.rounds == 40
    for arm in ARMS:
        assert set(recording.orders[arm]) == {0, 1, 2}
        assert len(recording.values["duration"][arm]) == recording.rounds


# --- 4. a peak that is never reset ---


def test_the_peak_is_each_arms_own(world, monkeypatch):
    machine = Machine(world)
    large, small = {"bytes_per_token": GIB / 1000}, {"bytes_per_token": GIB / 10_000}
    first, second = template(machine, **large), template(machine, **small)
    assert second["memory"] == first["memory"] == pytest.approx(7 * GIB / 1e9)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=machine.cuda))
    memory = Metric("memory", "GiB", probe="cuda_memory")
    recording, found, _ = rig(machine, large, small, DURATION, memory)
    assert recording.probes["memory"]["baseline"] == pytest.approx([7.0] * 8)
    assert recording.probes["memory"]["optimized"] == pytest.approx([0.7] * 8)
    assert found["memory"].effect.ratio == pytest.approx(0.1)


# --- 6. a warm-up that is too short, of samples that are measured afterwards ---


def test_cold_calls_are_not_in_any_sample(world):
    machine = Machine(world, cold_calls=40)
    first, second = template(machine), template(machine)
    assert first["time"] > 4 * second["time"]  # equal configurations: a "speed-up" by 4
    recording, found, _ = rig(Machine(world, cold_calls=40), {}, {}, DURATION)
    for arm in ARMS:
        assert recording.values["duration"][arm] == pytest.approx([STEADY_S] * recording.rounds)
    assert found["duration"].verdict == "unchanged"


def test_what_warms_up_is_not_what_is_measured(world):
    machine = Machine(world)
    assert template(machine, remembers=True)["time"] < 0.99 * STEADY_S  # five samples cost nothing
    recording, _, _ = rig(machine, {"remembers": True}, {"remembers": True}, DURATION, fresh=True)
    for arm in ARMS:
        assert recording.values["duration"][arm] == pytest.approx([STEADY_S] * recording.rounds)


def test_one_run_has_no_spread_and_ours_has_an_interval(world):
    machine = Machine(world)
    assert not any("interval" in name or "spread" in name for name in template(machine))
    _, found, _ = rig(machine, {}, {"max_length": 6000}, DURATION)
    effect = found["duration"].effect
    assert effect.low <= effect.ratio <= effect.high < 1
    assert found["duration"].rounds == 40

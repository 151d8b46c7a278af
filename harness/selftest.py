"""`harness selftest`: does the rig see a planted slowdown, and stay quiet on identical arms?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.measure.analysis import findings, settled
from harness.measure.arms import Arm
from harness.measure.noise import METRIC, count_up
from harness.measure.outcome import Finding
from harness.measure.rounds import Plan, ready_pair, record
from harness.measure.spec import Clock, Optimization
from harness.measure.verdicts import canary_alarms

PLANTED = 0.05
REQUIRED_SHARE = 0.95
OVERHEAD_LIMIT = 0.03
_OPTIMIZATION = Optimization("selftest", "Planted slowdown", metrics=(METRIC,))
_NUMBERS = np.linspace(0.0, 10.0, 20_000)


def _python_loop(work: float) -> Callable[[], object]:
    return lambda: count_up(round(50_000 * work))


def _numpy_loop(work: float) -> Callable[[], object]:
    repeats = round(100 * work)
    return lambda: [np.sin(_NUMBERS) for _ in range(repeats)]


@dataclass(frozen=True, slots=True)
class Workload:
    """A function whose work is proportional to a factor, and the seconds one trial may take."""

    name: str
    make: Callable[[float], Callable[[], object]]
    budget_s: float


WORKLOADS = (
    Workload("python loop, ~2 ms", _python_loop, 2.0),
    Workload("numpy sines, ~20 ms", _numpy_loop, 6.0),
)


@dataclass(frozen=True, slots=True)
class Series:
    """Trials of one workload with one planted slowdown, and how each was judged."""

    workload: str
    planted: float
    trials: tuple[Finding, ...]

    @property
    def alarms(self) -> int:
        """Trials judged `worse`; for identical arms also `improved`, which is just as false."""
        alarming = ("worse",) if self.planted else ("worse", "improved")
        return sum(trial.verdict in alarming for trial in self.trials)

    @property
    def passed(self) -> bool:
        """No false alarm on identical arms; at least 19 of 20 planted slowdowns caught."""
        if not self.planted:
            return self.alarms == 0
        return self.alarms >= REQUIRED_SHARE * len(self.trials)

    def line(self) -> str:
        """One line for the terminal."""
        ratios = [trial.effect.ratio for trial in self.trials if trial.effect is not None]
        spread = f"ratio {min(ratios):.3f} to {max(ratios):.3f}" if ratios else "no ratio"
        undecided = sum(trial.verdict == "inconclusive" for trial in self.trials)
        noisy = sum(t.canary is not None and canary_alarms(t.canary, t.floor) for t in self.trials)
        what = f"planted {self.planted:+.0%}: caught" if self.planted else "identical arms: false alarms"
        state = "ok" if self.passed else "FAILED"
        return (
            f"{state:7}{self.workload:22}{what} {self.alarms}/{len(self.trials)}  "
            f"({spread}, {undecided} inconclusive, {noisy} noisy canaries)"
        )


def selftest(clock: Clock, trials: int) -> Iterator[Series]:
    """For each workload, `trials` of identical arms and `trials` of a planted slowdown."""
    for workload in WORKLOADS:
        for planted in (0.0, PLANTED):
            found = tuple(trial(workload, planted, clock, seed) for seed in range(trials))
            yield Series(workload.name, planted, found)


def trial(workload: Workload, planted: float, clock: Clock, seed: int) -> Finding:
    """Measure the workload against itself with `planted` more work, exactly as a benchmark would."""
    plan = Plan(budget_s=workload.budget_s, seed=seed)
    arms = Arm(workload.make(1.0)), Arm(workload.make(1.0 + planted))
    with ready_pair(*arms, _OPTIMIZATION.metrics, clock) as pair:
        recording = record(
            pair, plan, lambda so_far, confidence: settled(_OPTIMIZATION, so_far, plan, confidence)
        )
    return findings(_OPTIMIZATION, recording, plan, "selftest", clock)[0]


def rig_overhead(rounds: int = 200) -> float:
    """CPU time of measured rounds beside that of the arms themselves, as a share of the latter.

    Both are taken from the same rounds, since a loop timed before or after them meets another machine.
    """
    own, steps = 0.0, _steps_of_2_ms()

    def arm() -> None:
        nonlocal own
        began = time.process_time()
        count_up(steps)
        own += time.process_time() - began

    def overhead(some: int) -> float:
        nonlocal own
        with ready_pair(Arm(arm), Arm(arm), (METRIC,), "thread") as pair:
            own, began = 0.0, time.process_time()
            record(pair, Plan(budget_s=60.0, max_rounds=some), lambda so_far, confidence: False)
            return (time.process_time() - began) / own - 1.0

    overhead(30)  # what the first rounds of a process import is paid once, not per arm
    return overhead(rounds)


def _steps_of_2_ms() -> int:
    """How far this machine counts in 2 ms: the same arm everywhere, on slow and on fast processors."""
    took = []
    for _ in range(20):
        began = time.process_time()
        count_up(50_000)
        took.append(time.process_time() - began)
    return int(50_000 * 2e-3 / float(np.median(took)))

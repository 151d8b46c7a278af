"""The noise floor of this machine, whatever it is today."""

import math

import pytest

from harness.measure import noise
from harness.measure.outcome import Effect


def test_the_loop_is_work_in_proportion_to_its_steps():
    assert noise.count_up(0) == 0
    assert noise.count_up(10) == sum(range(10))


def test_identical_arms_are_measured_with_an_interval_around_one():
    effect = noise.identical_arms("thread", 0.3, steps=5_000)
    assert effect.low <= effect.ratio <= effect.high
    assert effect.ratio == pytest.approx(1.0, abs=0.3)
    assert 0.0 < effect.high - effect.low < 1.0


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.98, 1.01, 1 / 0.98 - 1), (0.99, 1.05, 0.05), (1.0, 1.0, 0.0)]
)
def test_the_floor_is_the_farther_end_of_the_interval(monkeypatch, low, high, expected):
    monkeypatch.setattr(noise, "identical_arms", lambda clock, budget_s: Effect(1.0, low, high, 0.99))
    assert math.isclose(noise.noise_floor("thread"), expected, abs_tol=1e-12)

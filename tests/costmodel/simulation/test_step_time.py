from __future__ import annotations

import math

import numpy as np
import pytest
from costmodel.simulation.strategies import BentStepTime
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.load import StepLoad, decode_load
from harness.costmodel.simulation import AffineStepTime
from harness.costmodel.simulation.step_time import leap_of
from harness.errors import HarnessError


def test_the_formula():
    step_time = AffineStepTime(1.0, 0.5, 0.25)
    assert step_time.seconds(StepLoad(6, 21, 6, 1, 2, 40)) == 1.0 + 0.5 * 8 + 0.25 * 40
    assert step_time.decode_seconds(2, 40, 3).tolist() == [12.0, 12.5, 13.0]
    assert step_time.decode_seconds(2, 42, 1)[0] == step_time.seconds(decode_load(2, 42))


@given(
    st.tuples(*[st.sampled_from([0.0, 1e-7, 2e-4, 0.02])] * 3),
    st.integers(1, 64),
    st.integers(0, 3000),
    st.integers(1, 600),
    st.floats(1e-6, 30.0) | st.just(math.inf),
)
@settings(max_examples=150, deadline=None)
def test_the_closed_form_leaps_as_far_as_the_sum_of_the_steps(
    coefficients, sequences, context, most, until_s
):
    step_time = AffineStepTime(*coefficients)
    steps, seconds = step_time.leap(sequences, sequences + context, most, until_s)
    ends = np.cumsum(step_time.decode_seconds(sequences, sequences + context, most))
    assert seconds == pytest.approx(ends[steps - 1], rel=1e-9)
    # the fewest that reach it, but for rounding; or all of them
    assert steps == most or ends[steps - 1] >= until_s * (1 - 1e-9)
    assert steps == 1 or ends[steps - 2] <= until_s * (1 + 1e-9)


@pytest.mark.parametrize("until_s", [0.01, 0.0625, 0.07, 1.0, 3.0, math.inf])
def test_a_step_time_without_closed_form_is_asked_once_for_many_steps(until_s):
    step_time = BentStepTime(1 / 16, 1 / 128, 0.0)
    steps, seconds = leap_of(step_time)(4, 100, 30, until_s)
    assert steps == min(30, math.ceil(until_s * 16) if until_s < math.inf else 30)
    assert seconds == steps / 16


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_coefficient_that_is_no_time(wrong):
    with pytest.raises(HarnessError, match="per_token_s"):
        AffineStepTime(1.0, wrong)

"""The rules to stop."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.prompts.optimize.stopping import Standing, Stopping, StopReason, reason_to_stop

START = Standing(0, 0.0, 0, 0, 0, 0.0, 0.0)
EVERY = Stopping(perfect=0.9, plateau=30, unusable=20, calls=500, usd=2.0, seconds=60.0)


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        (replace(START, best=0.9), "perfect"),
        (replace(START, metric_calls=100), "budget"),
        (replace(START, proposals_since_best=30), "plateau"),
        (replace(START, unusable_in_a_row=20), "reflection"),
        (replace(START, calls=500), "calls"),
        (replace(START, usd=2.0), "cost"),
        (replace(START, seconds=60.0), "deadline"),
    ],
)
def test_each_rule_stops_at_its_limit(standing: Standing, why: StopReason) -> None:
    assert reason_to_stop(standing, EVERY, 100) == why


@given(
    st.builds(
        Standing,
        metric_calls=st.integers(0, 99),
        best=st.floats(0.0, 0.89),
        proposals_since_best=st.integers(0, 29),
        unusable_in_a_row=st.integers(0, 19),
        calls=st.integers(0, 499),
        usd=st.floats(0.0, 1.99),
        seconds=st.floats(0.0, 59.0),
    )
)
def test_below_every_limit_it_goes_on(standing: Standing) -> None:
    assert reason_to_stop(standing, EVERY, 100) is None


def test_rules_that_are_off_never_stop() -> None:
    never = Stopping(perfect=None, plateau=None, unusable=None)
    standing = Standing(99, 1.0, 10**6, 10**6, 10**6, 1e6, 1e6)
    assert reason_to_stop(standing, never, 100) is None
    assert reason_to_stop(replace(standing, metric_calls=100), never, 100) == "budget"


def test_rounding_does_not_hide_a_perfect_score() -> None:
    assert reason_to_stop(replace(START, best=1.0 - 1e-12), Stopping(), 100) == "perfect"


@pytest.mark.parametrize("name", ["plateau", "unusable", "calls", "usd", "seconds"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_of_nothing_is_refused(name: str, value: int) -> None:
    with pytest.raises(HarnessError, match=name):
        Stopping(**{name: value})  # type: ignore[arg-type]

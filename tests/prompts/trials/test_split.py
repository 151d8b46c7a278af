"""Splits: sizes, and that few validation examples promise more than many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prompts.generate import generate
from harness.prompts.optimize.budget import auto_metric_calls
from harness.prompts.rules import split_set
from harness.prompts.trials.split import half_and_half, losses, split_course

EXAMPLES = generate(40, seed=2)


@given(st.integers(2, 40))
def test_half_and_half_keeps_all_in_their_order(n: int) -> None:
    some = type(EXAMPLES)(EXAMPLES.types, EXAMPLES.examples[:n])
    learn, choose = half_and_half(some)
    assert learn.examples + choose.examples == some.examples
    assert 0 <= len(learn.examples) - len(choose.examples) <= 1


def test_calls_follow_the_validation_set_and_a_small_one_is_too_hopeful() -> None:
    pytest.importorskip("gepa")
    small, half = (split_course(split, 30, seeds=2) for split in (split_set, half_and_half))
    assert auto_metric_calls("light", 3) <= small.mean_calls < auto_metric_calls("light", 15)
    assert auto_metric_calls("light", 15) <= half.mean_calls < auto_metric_calls("light", 15) + 6 + 15
    assert small.bias > 0.0
    assert small == split_course(split_set, 30, seeds=2)
    # every type is found, a fifth of all entities is not
    assert all(0.7 < f1 < 0.95 for f1 in small.test_f1)
    assert losses(small, small) == [0.0, 0.0]
    gain = 1 - sum(small.test_f1) / sum(half.test_f1)
    assert sum(losses(half, small)) / 2 == pytest.approx(gain)

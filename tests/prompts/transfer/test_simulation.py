"""The gate on planted drops: quiet at 0 %, sure of a large one, and a drop that is planted exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.transfer.simulation import rates, rates_table
from harness.render.tables import terminal_lines


def results(n, seed=0, differing=0.15):
    """Scores in eighths of two equally good precisions, which differ on some examples."""
    rng = np.random.default_rng(seed)

    def scores():
        return np.round(np.clip(rng.normal(0.85, 0.2, n), 0, 1) * 8) / 8

    higher = scores()
    return np.column_stack([higher, np.where(rng.random(n) < differing, scores(), higher)])


def test_no_drop_raises_no_alarm_and_a_large_one_is_found():
    none, documented, large = rates(results(200), (0.0, 0.06, 0.2), seed=1)
    # a fail at 0 % means an interval above 0: at most (1 - confidence) / 2
    assert none.failed / none.resamples <= 0.025
    assert none.wrong == none.failed
    assert large.failed == large.resamples
    assert documented.failed / documented.resamples > 0.5
    assert documented.passed / documented.resamples <= 0.05
    assert documented.wrong == documented.passed


def test_few_examples_are_more_often_undecided():
    (few,) = rates(results(200), (0.06,), seed=1, n=20, resamples=100)
    (many,) = rates(results(200), (0.06,), seed=1, n=400, resamples=100)
    assert few.n == 20
    assert few.undecided > many.undecided
    assert few.failed < many.failed
    assert many.wrong / many.resamples <= 0.025


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 30), st.integers(0, 2**16), st.sampled_from([0.25, 0.5, 1.0]))
def test_every_sample_is_decided_once_and_more_drop_never_passes_more(n, seed, lost):
    found = rates(results(n, seed), (0.0, 0.1, 0.25), resamples=10, seed=seed, lost=lost, judged_with=100)
    assert [each.passed + each.failed + each.undecided for each in found] == [10, 10, 10]
    assert [each.n for each in found] == [n] * 3
    # one sample, more taken away from it: the score falls, and with it what may pass
    assert found[0].passed >= found[2].passed


def test_the_same_seed_gives_the_same_rates():
    pairs = results(40)
    assert rates(pairs, (0.05,), resamples=20, seed=3) == rates(pairs, (0.05,), resamples=20, seed=3)


def test_two_precisions_that_agree_everywhere_pass_at_no_drop():
    (found,) = rates(results(30, differing=0.0), (0.0,), resamples=20)
    assert (found.passed, found.failed) == (20, 0)


def test_precisions_that_are_never_right_decide_nothing():
    (found,) = rates(np.zeros((10, 2)), (0.0,), resamples=5)
    assert found.undecided == 5


@pytest.mark.parametrize(
    ("table", "drops", "options"),
    [
        (np.ones(5), (0.0,), {}),
        (np.ones((0, 2)), (0.0,), {}),
        (np.ones((5, 3)), (0.0,), {}),
        (np.ones((5, 2)), (0.6,), {}),
        (np.ones((5, 2)), (-0.1,), {}),
        (np.ones((5, 2)), (0.0,), {"lost": 0.0}),
        (np.ones((5, 2)), (0.0,), {"resamples": 0}),
        (np.ones((5, 2)), (0.0,), {"n": 0}),
        (np.full((5, 2), np.nan), (0.0,), {}),
    ],
)
def test_what_can_not_be_simulated_is_refused(table, drops, options):
    with pytest.raises(ValueError, match=r"."):
        rates(table, drops, **options)


def test_the_table_says_what_is_wrong_with_its_interval():
    text = "\n".join(terminal_lines(rates_table(rates(results(100), (0.0, 0.2), resamples=20))))
    assert "0.0 %" in text.splitlines()[1]
    assert "0.0 % [0.0, 16.8]" in text

"""Noise: what it depends on, and that its numbers can be found again from what it does."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.reading.noise import ASSUMED, Curve, Noise, Situation
from harness.extraction.reading.noise_fit import Observation, fit

SITUATIONS = st.builds(Situation, st.integers(1, 72), st.floats(1, 1e5), st.floats(0, 1), st.integers(0, 20))
SLOPES = st.floats(0, 2)
CURVES = st.builds(Curve, st.floats(-6, 2), SLOPES, SLOPES, SLOPES, SLOPES)


@settings(deadline=None)
@given(CURVES, SITUATIONS, st.integers(0, 50), st.floats(0, 1e5), st.integers(0, 9))
def test_nothing_that_is_added_makes_reading_easier(curve, one, fields, tokens, distractors):
    more = Situation(
        one.fields + fields, one.text_tokens + tokens, one.position, one.distractors + distractors
    )
    assert 0.0 <= curve.probability(one) <= curve.probability(more) <= 1.0


@settings(deadline=None)
@given(CURVES, SITUATIONS)
def test_the_middle_is_the_worst_place(curve, one):
    middle = Situation(one.fields, one.text_tokens, 0.5, one.distractors)
    assert curve.probability(one) <= curve.probability(middle)
    assert curve.probability(one) == pytest.approx(
        curve.probability(Situation(one.fields, one.text_tokens, 1.0 - one.position, one.distractors))
    )


@settings(deadline=None)
@given(SITUATIONS, st.text(max_size=5), st.integers(0, 9))
def test_an_outcome_is_a_function_of_its_keys(situation, key, seed):
    noise = Noise(Curve(0.0), Curve(0.0), seed)
    assert noise.outcome(situation, key) == noise.outcome(situation, key)
    assert 0 <= noise.choose(3, key) < 3


def test_the_assumed_numbers_are_what_their_origin_says():
    easy, hard = Situation(1, 256, 0.0, 0), Situation(24, 6000, 0.5, 1)
    assert ASSUMED.miss.probability(easy) == pytest.approx(0.03, abs=0.005)
    assert 0.2 < ASSUMED.miss.probability(hard) < 0.3


def test_keys_are_told_apart_where_they_touch():
    noise = Noise(Curve(0.0), Curve(-99.0))
    situation = Situation(1, 256, 0.0, 0)
    drawn = {noise.outcome(situation, "a" * n, "a" * (40 - n)) for n in range(40)}
    assert drawn == {"missed", "right"}


TRUE = Noise(Curve(-2.5, 0.4, 0.3, 0.5, 0.2), Curve(-1.5, 0.2, 0.1, 0.0, 0.3), seed=1)


def observed(noise, count, seed=0, fields=(1, 4, 24)):
    r = random.Random(seed)
    found = []
    for number in range(count):
        situation = Situation(r.choice(fields), math.exp(r.uniform(4.5, 9)), r.random(), r.randint(0, 4))
        found.append(Observation(situation, noise.outcome(situation, str(number))))
    return found


def test_a_fit_finds_what_the_observations_were_drawn_from():
    fitted = fit(observed(TRUE, 9000), "here")
    for mine, true in ((fitted.noise.miss, TRUE.miss), (fitted.noise.confuse, TRUE.confuse)):
        for situation in (Situation(1, 256, 0.0, 1), Situation(24, 4000, 0.5, 3), Situation(4, 700, 0.2, 1)):
            assert mine.probability(situation) == pytest.approx(true.probability(situation), abs=0.1)
    assert fitted.held == ()
    assert fitted.log_loss < fitted.constant_log_loss
    assert (fitted.observations, fitted.noise.origin) == (9000, "here")


def test_what_was_never_varied_keeps_its_slope():
    fitted = fit(observed(TRUE, 500, fields=(1,)), "here")
    assert fitted.noise.miss.per_field_doubling == ASSUMED.miss.per_field_doubling
    assert fitted.held == ("miss.per_field_doubling", "confuse.per_field_doubling")


def test_a_few_observations_move_the_prior_a_little():
    one = fit([Observation(Situation(1, 256, 0.5, 0), "right")], "here")
    assert one.noise.miss.base == pytest.approx(ASSUMED.miss.base, abs=0.3)
    missed = fit([Observation(Situation(1, 256, 0.5, 0), "missed")], "here")
    # what is missed is not confused
    assert missed.noise.confuse == ASSUMED.confuse
    assert "confuse.base" in missed.held


@settings(deadline=None)
@given(
    st.lists(st.tuples(SITUATIONS, st.sampled_from(["right", "wrong", "missed"])), min_size=1, max_size=12)
)
def test_a_fit_is_always_a_noise(drawn):
    fitted = fit([Observation(*each) for each in drawn], "here")
    for curve in (fitted.noise.miss, fitted.noise.confuse):
        assert all(math.isfinite(each) for each in curve.coefficients())
        assert all(each >= 0.0 for each in curve.coefficients()[1:])
    assert math.isfinite(fitted.log_loss)


def test_nothing_observed_is_no_fit():
    with pytest.raises(HarnessError, match="no observation"):
        fit([], "here")

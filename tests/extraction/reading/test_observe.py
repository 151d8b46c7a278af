"""Observations: each question shows its value, and outcomes are what the reader made of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.asks import Found, Reply
from harness.extraction.reading.formats import ONE_QUESTION
from harness.extraction.reading.formats.one_question_fields import LABELS
from harness.extraction.reading.noise import Curve, Noise
from harness.extraction.reading.noise_fit import fit
from harness.extraction.reading.observe import observe, outcome, questions
from harness.extraction.reading.truth_engine import Conditions


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), low=st.integers(20, 200), more=st.integers(0, 300), fields=st.integers(1, 8))
def test_each_question_shows_its_value_in_a_text_of_the_length_asked_for(worlds, seed, low, more, fields):
    truths = [worlds(seed, 2, filler=40), worlds(seed + 1, 1, filler=40)]
    asked = questions(truths, 12, seed, tokens=(low, low + more), fields=(fields,))
    assert asked == questions(truths, 12, seed, tokens=(low, low + more), fields=(fields,))
    seen = set()
    for question in asked:
        (passage,) = question.ask.passages
        ((span,),) = question.true.spans
        assert passage.start <= span.start < span.end <= passage.end
        assert passage.end - passage.start <= 4 * (low + more)
        assert len(question.ask.fields) == fields
        assert len(set(question.ask.fields)) == fields
        assert 0.0 <= question.situation.position <= 1.0
        place = (question.ask.company.name, question.owner, question.ask.fields[0])
        assert place not in seen
        seen.add(place)


def test_a_perfect_reader_is_always_right(worlds, readers):
    truths = [worlds(seed, 2) for seed in range(3)]
    reader, _ = readers(truths)
    observations = observe(reader, questions(truths, 30, 0, fields=(1, 5)))
    assert len(observations) == 30
    assert {each.outcome for each in observations} == {"right"}


def test_a_noisy_readers_numbers_come_back_from_watching_it(worlds, readers):
    truths = [worlds(seed, 3, filler=60) for seed in range(60)]
    noise = Noise(Curve(-1.0), Curve(0.0))
    reader, _ = readers(truths, ONE_QUESTION, noise)
    asked = questions(truths, 900, 0, tokens=(128, 700), keys=tuple(LABELS))
    observations = observe(reader, asked)
    fitted = fit(observations, "noisy")
    missed = sum(each.outcome == "missed" for each in observations) / len(observations)
    assert missed == pytest.approx(0.27, abs=0.06)
    assert fitted.missed == sum(each.outcome == "missed" for each in observations)


def test_what_cannot_be_read_is_no_observation(worlds, readers):
    truths = [worlds(0, 2)]
    asked = questions(truths, 5, 0)
    reader, _ = readers(truths, conditions=Conditions(garbled=range(100)))
    assert observe(reader, asked) == []


def test_outcomes(worlds):
    (question, *_) = questions([worlds(0, 1)], 1, 0)
    key, owner, value = question.ask.fields[0], question.owner, question.true.value
    right, wrong = Found(key, value, owner), Found(key, "something else", owner)
    assert outcome(question, Reply((right,))) == "right"
    assert outcome(question, Reply((wrong, right))) == "right"
    assert outcome(question, Reply((wrong,))) == "wrong"
    assert outcome(question, Reply()) == "missed"
    assert outcome(question, Reply((replace(right, field="rate_cap"),))) == "missed"
    assert outcome(question, Reply((replace(right, facility="somebody else's"),))) == "missed"

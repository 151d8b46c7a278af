"""Whole scripted optimizations: what is counted, that both arms do equal work, and that waiting is real."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.offline.scripted import Precision
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Stopping
from harness.prompts.rules import split_examples
from harness.prompts.trials.scripted import (
    COMPLETE,
    POOR,
    Course,
    Scene,
    documented_split,
    new_cache_course,
    other_outcome,
    our_course,
    scripted_models,
    stock_course,
    validation_loss,
)

pytest.importorskip("gepa")
ENDLESS = Stopping(perfect=None, plateau=None, unusable=None)
BRIEF = Settings(39, proposals=6, stopping=ENDLESS)
COURSE = Course(39, 39, 6, 100, 18, 6, 0.5, "Extract.")


@given(st.integers(2, 120))
@settings(max_examples=20)
def test_the_split_is_the_documented_one_and_shares_no_text(examples: int) -> None:
    train, validation = documented_split(examples)
    sizes = tuple(len(part) for part in split_examples(range(examples)))
    assert (len(train.examples), len(validation.examples)) == sizes
    texts = [each.text for part in (train, validation) for each in part.examples]
    assert len(set(texts)) == examples


def test_what_reached_the_engines_is_counted() -> None:
    found = our_course(Scene(threads=20, gains=False), BRIEF)
    # 3 to choose by, then one iteration: 6 parents' minibatches, 6 reflections, 6 children's minibatches
    assert (found.metric_calls, found.calls, found.reflections) == (39, 39, 6)
    assert found.tokens > found.calls
    assert (found.validation_f1, found.instruction) == (0.0, POOR.instruction)


def test_proposals_gain_where_they_are_to_and_a_complete_instruction_is_right() -> None:
    better = our_course(Scene(), Settings(120))
    assert (better.validation_f1, better.instruction != POOR.instruction) == (1.0, True)
    assert our_course(Scene(), Settings(20), program=COMPLETE).validation_f1 == 1.0
    flawed = Scene(precision=Precision(dropped=0.5))
    assert our_course(flawed, Settings(20), program=COMPLETE).validation_f1 < 1.0


def test_threads_and_reflection_threads_bound_what_is_open() -> None:
    wide = our_course(Scene(threads=20, latency_s=0.1, gains=False), BRIEF)
    narrow = our_course(Scene(threads=2, latency_s=0.01, reflection_threads=1, gains=False), BRIEF)
    assert 2 < wide.peak_open <= 18
    assert 1 < wide.peak_reflections <= 6
    assert (narrow.peak_open, narrow.peak_reflections) == (2, 1)
    assert other_outcome(wide, narrow) == 0.0


def test_stock_makes_equally_many_calls_three_at_a_time() -> None:
    pytest.importorskip("dspy")
    from harness.prompts.stock.gepa import StockSettings

    scene = Scene(threads=20, latency_s=0.02, gains=False)
    stock = stock_course(scene, StockSettings(auto=None, metric_calls=39, threads=20))
    ours = our_course(scene, BRIEF)
    assert (stock.metric_calls, stock.reflections) == (ours.metric_calls, ours.reflections)
    assert (stock.peak_open, stock.peak_reflections) == (3, 1)


def test_a_cache_answers_what_was_asked_before_and_changes_nothing(tmp_path: Path) -> None:
    plan = Settings(60, stopping=ENDLESS)
    plain = our_course(Scene(), plan)
    first = our_course(Scene(), plan, cache=str(tmp_path))
    again = our_course(Scene(), plan, cache=str(tmp_path))
    assert 0 < first.calls < plain.calls
    assert (again.calls, again.reflections, again.tokens) == (0, 0, 0)
    assert other_outcome(plain, first) == other_outcome(plain, again) == 0.0
    assert new_cache_course(Scene(), plan) == first


def test_models_that_err_otherwise_share_no_answer(tmp_path: Path) -> None:
    our_course(Scene(), Settings(20), cache=str(tmp_path))
    flawed = our_course(Scene(precision=Precision(dropped=0.5)), Settings(20), cache=str(tmp_path))
    assert flawed.calls > 0


def test_engines_are_closed_at_the_end() -> None:
    with scripted_models(Scene(), documented_split(5)) as models:
        pass
    with pytest.raises(Exception, match="closed"):
        models.task.answers(POOR.requests(documented_split(5)[0], BRIEF.sampling))


def test_losses_compare_outcomes() -> None:
    assert other_outcome(COURSE, replace(COURSE, calls=1, reflections=0, tokens=1, peak_open=1)) == 0.0
    changed = ({"instruction": "Else."}, {"validation_f1": 0.4}, {"metric_calls": 1})
    assert all(other_outcome(COURSE, replace(COURSE, **each)) == 1.0 for each in changed)  # type: ignore[arg-type]
    assert validation_loss(COURSE, replace(COURSE, validation_f1=0.25)) == 0.25

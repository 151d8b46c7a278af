"""Evaluation of a program by recorded answers, and of two programs against each other."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calls.answer import Answer
from harness.engines.protocol import EngineFailure, Request, Sampling
from harness.errors import HarnessError
from harness.prompts.evaluate import (
    SAMPLING,
    Evaluation,
    compare,
    evaluate,
    explain_comparison,
    judge_answers,
)
from harness.prompts.examples import Entity, EntityType, Example, ExampleSet
from harness.prompts.metric import Score, score, total
from harness.prompts.program import NAMES_BY_TYPE, TYPED_LIST, Program

TYPES = (EntityType(1, "person", ""), EntityType(2, "place", ""))
EXAMPLES = ExampleSet(
    TYPES,
    (
        Example("a", "Marta in Bergen", (Entity("Marta", 1), Entity("Bergen", 2))),
        Example("b", "Igor", (Entity("Igor", 1),)),
        Example("c", "It rained.", ()),
    ),
)
PROGRAM = Program("Extract.", NAMES_BY_TYPE)


def answer(text, finish_reason="stop", latency_s=1.0):
    return Answer(text, 10, 4, finish_reason, "engine", latency_s)


class Recorded:
    """A model that answers from a list."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[Request] = []
        self._answers = list(answers)

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        self.asked += requests
        if not self._answers:
            raise EngineFailure("gone")
        return self._answers


RIGHT = (answer('{"person":["Marta"],"place":["bergen"]}'), answer('{"person":["Igor"]}'), answer("{}"))
MIXED = (
    answer('{"person":["Marta","Bergen"]}', latency_s=3.0),
    answer('{"person":["Igor"]}', "length"),
    answer('{"person":["rain"],"pet":["rain"]}'),
)


def test_the_model_is_asked_for_every_example_and_its_answers_are_scored():
    model = Recorded(*RIGHT)
    found = evaluate(PROGRAM, EXAMPLES, model)
    assert model.asked == PROGRAM.requests(EXAMPLES, SAMPLING)
    assert [each.counts for each in found.scores] == [(2, 0, 0), (1, 0, 0), (0, 0, 0)]
    assert (found.f1, found.micro_f1, found.unreadable, found.cut) == (1.0, 1.0, 0, 0)
    assert (found.prompt_tokens, found.completion_tokens) == (30, 12)
    assert found.ids == ("a", "b", "c")
    assert found.f1_interval() == (1.0, 1.0)


def test_wrong_unreadable_and_cut_answers():
    found = judge_answers(PROGRAM, EXAMPLES, MIXED)
    assert [each.counts for each in found.scores] == [(1, 1, 1), (0, 0, 1), (0, 2, 0)]
    assert found.f1 == pytest.approx(0.5 / 3)
    assert found.micro_f1 == pytest.approx(2 / 7)
    assert (found.unreadable, found.cut) == (1, 1)
    assert found.found[1] is None
    assert total(found.type_scores[1]) == Score(1, 2, 1)
    assert total(found.type_scores[-1]) == Score(0, 1, 0)
    assert found.latency_s == 1.0


def test_another_sampling_is_asked_for_and_another_format_read():
    model = Recorded(*[answer("[]")] * 3)
    found = evaluate(Program("x", TYPED_LIST), EXAMPLES, model, sampling=Sampling(max_tokens=9))
    assert {each.sampling.max_tokens for each in model.asked} == {9}
    assert [each.f1 for each in found.scores] == [0.0, 0.0, 1.0]


def test_a_failure_is_no_score():
    with pytest.raises(EngineFailure, match="gone"):
        evaluate(PROGRAM, EXAMPLES, Recorded())


def test_no_examples_are_refused():
    with pytest.raises(HarnessError, match="no examples"):
        evaluate(PROGRAM, ExampleSet(TYPES, ()), Recorded(*RIGHT))


def test_answers_and_examples_are_as_many():
    with pytest.raises(ValueError, match="zip"):
        judge_answers(PROGRAM, EXAMPLES, RIGHT[:2])


def test_types_have_their_own_f1():
    found = judge_answers(PROGRAM, EXAMPLES, MIXED)
    assert found.type_f1(1) == pytest.approx(2 / 5)
    assert found.type_f1(2) == 0.0
    low, high = found.type_f1_interval(1)
    assert 0.0 <= low <= found.type_f1(1) <= high <= 1.0
    nothing = judge_answers(PROGRAM, EXAMPLES.only(["c"]), [answer("{}")])
    assert math.isnan(nothing.type_f1(1))
    assert math.isnan(nothing.type_f1_interval(1)[0])
    assert nothing.f1 == 1.0
    assert nothing.f1_interval() == (0.0, 1.0)


counts = st.builds(Score, st.integers(0, 4), st.integers(0, 3), st.integers(0, 4))


@st.composite
def evaluations(draw, arms=1):
    n = draw(st.integers(1, 25))
    return [
        Evaluation(tuple(draw(st.lists(counts, min_size=n, max_size=n))), ids=tuple(map(str, range(n))))
        for _ in range(arms)
    ]


@settings(max_examples=40, deadline=None)
@given(evaluations(), st.integers(0, 3))
def test_intervals_hold_what_they_are_of_and_depend_on_the_seed_alone(made, seed):
    (found,) = made
    low, high = found.f1_interval(seed=seed)
    assert 0.0 <= low <= found.f1 + 1e-12
    assert found.f1 - 1e-12 <= high <= 1.0
    low, high = found.micro_f1_interval(seed=seed)
    if total(found.scores).counted:
        assert 0.0 <= low <= found.micro_f1 + 1e-12
        assert found.micro_f1 - 1e-12 <= high <= 1.0
    else:
        assert math.isnan(low)
        assert math.isnan(high)
    assert found.f1_interval(seed=seed) == found.f1_interval(seed=seed)


@given(
    st.lists(st.sampled_from(["{}", '{"person":["Igor"]}', "no", '{"x":["Igor"]}']), min_size=3, max_size=3)
)
def test_type_scores_add_up_to_the_examples_scores(texts):
    found = judge_answers(PROGRAM, EXAMPLES, [answer(text) for text in texts])
    for place, example in enumerate(EXAMPLES.examples):
        assert total(each[place] for each in found.type_scores.values()) == found.scores[place]
        assert score(found.found[place], example) == found.scores[place]
    assert found.unreadable == texts.count("no")


# --- two programs ---


def scored(*f1s):
    """Examples of 100 entities, so that F1 is any whole percentage."""
    scores = tuple(Score(round(100 * f1), 100 - round(100 * f1), 100 - round(100 * f1)) for f1 in f1s)
    return Evaluation(scores, ids=tuple(map(str, range(len(f1s)))))


def test_a_difference_is_that_of_the_pairs():
    found = compare(scored(0.5, 0.6, 0.7, 0.7), scored(0.6, 0.8, 0.7, 0.6))
    assert (found.n, found.won, found.lost) == (4, 2, 1)
    assert found.difference == pytest.approx(0.05)
    assert found.p == 1.0
    assert found.verdict == "inconclusive"


def test_what_is_hard_for_both_cancels():
    rng = np.random.default_rng(2)
    hard = rng.uniform(0.1, 0.8, 60)
    better = compare(scored(*hard), scored(*(hard + 0.05)))
    assert better.verdict == "improved"
    assert better.low > 0.03
    assert compare(scored(*(hard + 0.05)), scored(*hard)).verdict == "worse"
    apart = compare(scored(*hard), scored(*rng.permutation(hard + 0.05)))
    assert apart.verdict == "inconclusive"
    assert apart.detectable > 0.05


def test_few_differences_that_point_one_way_are_no_verdict():
    """Five coins fall on one side in 1 of 16 throws."""
    assert compare(scored(*[0.5] * 5), scored(*[0.9] * 5)).verdict == "inconclusive"
    assert compare(scored(*[0.5] * 6), scored(*[0.9] * 6)).verdict == "improved"
    assert compare(scored(*[0.5] * 90), scored(*[0.9] * 5, *[0.5] * 85)).verdict == "inconclusive"


def test_a_single_example_has_no_interval():
    found = compare(scored(0.1), scored(0.9))
    assert (found.low, found.high, found.detectable) == (-1.0, 1.0, math.inf)
    assert found.verdict == "inconclusive"


@settings(max_examples=40, deadline=None)
@given(evaluations(arms=2), st.integers(0, 3))
def test_changing_places_changes_the_sign(pair, seed):
    first, second = pair
    there, back = (compare(*arms, seed=seed, resamples=200) for arms in ((first, second), (second, first)))
    assert back.difference == pytest.approx(-there.difference)
    assert (back.won, back.lost, back.p) == (there.lost, there.won, there.p)
    assert there.low <= there.difference <= there.high
    assert back.detectable == pytest.approx(there.detectable)


@settings(max_examples=40, deadline=None)
@given(evaluations())
def test_a_program_is_no_better_than_itself(made):
    found = compare(made[0], made[0])
    assert (found.difference, found.p, found.verdict) == (0.0, 1.0, "inconclusive")
    assert "all alike" in explain_comparison(found) or found.n == 1


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(8)
    covered = 0
    for seed in range(200):
        before = rng.binomial(10, 0.6, 50) / 10
        after = np.clip(before + rng.choice([-0.1, 0.0, 0.1, 0.2], 50), 0.0, 1.0)
        found = compare(scored(*before), scored(*after), seed=seed, resamples=500)
        covered += found.low <= 0.05 <= found.high + 0.002
    assert covered >= 180


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (scored(0.5), scored(0.5, 0.6)),
        (Evaluation((Score(1, 0, 0),), ids=("a",)), Evaluation((Score(1, 0, 0),), ids=("b",))),
        (Evaluation(()), Evaluation(())),
    ],
)
def test_other_examples_are_not_compared(first, second):
    with pytest.raises(ValueError, match="the same examples"):
        compare(first, second)


def test_a_comparison_in_words():
    text = explain_comparison(compare(scored(*[0.5] * 40), scored(*[0.6] * 30, *[0.5] * 10)))
    assert text.startswith("improved: F1 0.500 -> 0.575, +7.5 points [+")
    assert "30 of 40 examples better, 0 worse" in text
    assert "detectable: " in text

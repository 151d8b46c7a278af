"""The divergence check: paired, judged by the one rule, with what it could have seen and what follows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_examples import PROMPT, examples

from harness.calls.identity import Identity
from harness.calls.model import Model
from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.measure.divergence import examples_needed, judge_divergence
from harness.prompts.evaluate import Evaluation, evaluate
from harness.prompts.metric import Score
from harness.prompts.offline.engine import Conditions
from harness.prompts.offline.scripted import EXACT, Precision, scripted_model
from harness.prompts.program import TYPED_LIST, Program
from harness.prompts.transfer.divergence import (
    check,
    check_evaluations,
    check_lines,
    consequence,
    detectable_drop,
    exactly_right,
    f1_scores,
)


def model(quantization, precision=EXACT, conditions=None, n=40):
    engine = scripted_model(examples(n), TYPED_LIST, conditions or Conditions(), precision)
    return Model(engine, Identity("scripted", "scripted", "", quantization, quantization), role="task")


def checked(precision, n=40, **options):
    program = Program(PROMPT, TYPED_LIST)
    return check(program, examples(n), model("FP8", n=n), model("Q4_K_M", precision, n=n), **options)


def evaluation(scores):
    """One example per score in quarters: so many of four entities are found."""
    right = [round(4 * f1) for f1 in scores]
    return Evaluation(tuple(Score(k, 4 - k, 4 - k) for k in right))


def test_the_same_answers_pass_and_the_prompt_may_be_used():
    found = checked(EXACT)
    assert found.passed
    assert (found.divergence.drop, found.right.both, found.right.p) == (0.0, 40, 1.0)
    assert consequence(found) == "use the prompt on Q4_K_M"


def test_a_precision_that_loses_entities_fails_and_says_what_to_do():
    found = checked(Precision(dropped=0.4))
    assert not found.passed
    assert found.divergence.decision == "fail"
    assert found.right.only_higher > found.right.only_lower == 0
    lines = check_lines(found, "harness optimize-prompt --model local")
    assert lines[0].startswith("FP8 -> Q4_K_M: fail: score 1.000 -> ")
    assert "true drop of" in lines[1]
    assert lines[-1] == "next: optimize locally, on Q4_K_M itself: harness optimize-prompt --model local"


def test_few_examples_are_inconclusive_and_say_how_many_would_decide():
    found = check_evaluations(
        ("FP8", evaluation([1.0] * 5 + [0.5, 0.75])), ("Q4_K_M", evaluation([1.0] * 4 + [0.75, 0.75, 0.75]))
    )
    assert found.divergence.decision == "inconclusive"
    assert f"about {found.divergence.needed:,} examples would decide, 7 were there" in consequence(found)


def test_the_drop_is_judged_by_the_rule_of_the_rig():
    coarse = Precision(dropped=0.1)
    lower = f1_scores(evaluate(Program(PROMPT, TYPED_LIST), examples(40), model("Q4_K_M", coarse)))
    assert 0.0 < np.mean(lower) < 1.0
    assert checked(coarse).divergence == judge_divergence(np.ones(40), lower)


def test_a_prompt_that_scores_nothing_is_no_pass():
    found = check_evaluations(("FP8", evaluation([0.0, 0.0])), ("Q4", evaluation([0.0, 0.0])))
    assert not found.passed
    assert consequence(found).startswith("optimize for FP8 first")
    assert math.isnan(found.detectable)


def test_a_model_is_not_compared_with_itself():
    one = model("FP8")
    with pytest.raises(HarnessError, match="same one"):
        check(Program(PROMPT, TYPED_LIST), examples(3), one, model("FP8"))


def test_evaluations_of_other_examples_are_not_paired():
    one, other = Evaluation((Score(1, 0, 0),), ids=("a",)), Evaluation((Score(1, 0, 0),), ids=("b",))
    with pytest.raises(ValueError, match="same examples"):
        check_evaluations(("FP8", one), ("Q4", other))


def test_a_failing_engine_is_no_score():
    broken = model("Q4_K_M", conditions=Conditions(fails=range(1000)))
    with pytest.raises(EngineFailure):
        check(Program(PROMPT, TYPED_LIST), examples(3), model("FP8"), broken)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_counts_every_example_and_swaps_symmetrically(pairs):
    found = exactly_right([a for a, _ in pairs], [b for _, b in pairs])
    assert found.both + found.only_higher + found.only_lower + found.neither == len(pairs)
    mirrored = exactly_right([b for _, b in pairs], [a for a, _ in pairs])
    assert found.p == mirrored.p
    assert 0.0 < found.p <= 1.0


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_is_the_exact_binomial_test(lost, won):
    found = exactly_right([True] * lost + [False] * won, [False] * lost + [True] * won)
    n = lost + won
    as_far = sum(math.comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= abs(lost - won))
    assert found.p == as_far / 2**n


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
def test_the_detectable_drop_is_the_one_that_as_many_examples_decide(pairs):
    higher, lower = np.array(pairs, dtype=float).T / 4
    judged = judge_divergence(higher, lower, resamples=50)
    drop = detectable_drop(judged)
    if judged.decision == "undefined":
        assert math.isnan(drop)
        return
    assert drop >= judged.limit
    if judged.paired_sd > 1e-9:
        needed = examples_needed(drop + 1e-9, judged.paired_sd)
        assert needed is not None
        assert needed <= judged.n
        smaller = examples_needed(max(drop * 0.99, judged.limit + 1e-12), judged.paired_sd)
        assert smaller is None or smaller >= needed

"""Two precisions of one prompt: the losses are those of the one rule, the arms answer once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.divergence import LIMIT, judge_divergence
from harness.models.embedded import default_model
from harness.prompts.evaluate import Evaluation
from harness.prompts.examples import write_examples
from harness.prompts.generate import generate
from harness.prompts.metric import Score
from harness.prompts.trials.precisions import METRICS, drops, failed, precision_arm

SCORES = st.builds(Score, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=12)


@given(PAIRS.filter(lambda pairs: any(higher.f1 for higher, _ in pairs)))
def test_losses_are_those_of_the_rule(pairs: list[tuple[Score, Score]]) -> None:
    higher, lower = (Evaluation(scores) for scores in zip(*pairs, strict=True))
    judged = judge_divergence([each.f1 for each in higher.scores], [each.f1 for each in lower.scores])
    assert sum(drops(higher, lower)) / len(pairs) == pytest.approx(judged.drop)
    assert failed(higher, lower) == (judged.decision == "fail")


def test_a_real_drop_fails_and_no_drop_does_not() -> None:
    right = Evaluation((Score(2, 0, 0),) * 60)
    wrong = Evaluation((Score(2, 0, 0),) * 40 + (Score(0, 1, 2),) * 20)
    assert (failed(right, wrong), failed(right, right)) == (1.0, 0.0)
    limits = {each.name: each.limit for each in METRICS if each.gate == "bounded"}
    assert limits == {"f1_drop": LIMIT, "optimize_locally": 0}


def test_an_arm_answers_once_on_its_precision(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    write_examples(tmp_path / "examples.json", generate(4, seed=3))
    arm = precision_arm(default_model(), tmp_path / "examples.json", "Q8_0")
    assert arm.prepare is not None
    answered = arm.prepare()
    assert (len(answered.scores), answered.unreadable) == (4, 0)
    assert answered.f1 > 0.5
    assert arm.run(answered) is answered

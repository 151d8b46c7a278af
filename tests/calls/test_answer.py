"""An answer as JSON and back; what is no answer is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calls.answer import Answer, answer_from, answer_of, document_of, role_from
from harness.engines.protocol import Completion, Timings

COUNTS = st.integers(0, 2**40)
ANSWERS = st.builds(
    Answer,
    st.text(st.characters(exclude_categories=[])), COUNTS, COUNTS, st.sampled_from(["stop", "length"]),
    st.sampled_from(["engine", "cache", "journal"]), st.floats(0, 1e6), COUNTS,
)  # fmt: skip
GOOD = {
    "text": "a", "prompt_tokens": 1, "completion_tokens": 2, "finish_reason": "stop", "source": "engine",
    "latency_s": 0.5, "cached_tokens": 0,
}  # fmt: skip


@given(ANSWERS)
def test_an_answer_comes_back_from_json(answer):
    assert answer_from(json.loads(json.dumps(document_of(answer)))) == answer


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 5}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"completion_tokens": 1.5},
        {"finish_reason": "timeout"}, {"source": "hearsay"}, {"latency_s": "1"}, {"latency_s": None},
        {"extra": 1}, {"cached_tokens": "0"},
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(wrong):
    assert answer_from(GOOD).text == "a"
    with pytest.raises(ValueError, match=r"answer|tokens"):
        answer_from(GOOD | wrong)


@pytest.mark.parametrize("document", [None, [], "a", 5, {}, {"text": "a"}])
def test_other_json_is_no_answer(document):
    with pytest.raises(ValueError, match="an answer"):
        answer_from(document)


def test_a_completion_as_an_answer():
    done = Completion("t", (1,), 7, 3, "length", Timings(0.1, 0.4), cached_tokens=2)
    answer = answer_of(done)
    assert answer == Answer("t", 7, 3, "length", "engine", 0.4, 2)
    assert answer.is_cut


def test_roles():
    assert role_from("task") == "task"
    with pytest.raises(ValueError, match="task, reflection"):
        role_from("judge")

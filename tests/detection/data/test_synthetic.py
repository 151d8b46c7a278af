"""Both variants have the shares they promise, and nothing but the answer tells their answers apart."""

from collections import Counter

import pytest

from harness.detection.data.responses import TASKS
from harness.detection.data.shipped import MODEL, answers_of, shipped, token_counter
from harness.detection.data.synthetic import HALLUCINATED, answered, planted, questions
from harness.detection.data.tokenized import chat, encoder, samples
from harness.models.embedded import model_folder
from harness.models.tasks.answers import SYSTEM


@pytest.mark.parametrize("variant", ["confounded", "balanced"])
def test_each_task_has_the_share_it_was_promised(variant):
    responses = planted(1, variant, 40).responses
    counts = Counter((each.task, each.is_hallucinated) for each in responses)
    for task in TASKS:
        assert counts[task, True] + counts[task, False] == 40
        assert counts[task, True] == round(40 * HALLUCINATED[variant][task])
    assert len({each.source_id for each in responses}) == len(responses)
    assert responses == planted(1, variant, 40).responses
    assert responses != planted(2, variant, 40).responses


def test_balanced_answers_have_partners_of_their_length():
    responses = planted(4, "balanced", 30).responses
    lengths = {
        kind: Counter((each.task, len(each.text)) for each in responses if each.is_hallucinated == kind)
        for kind in (True, False)
    }
    assert lengths[True] == lengths[False]


def test_a_faithful_answer_stands_in_the_context_and_a_hallucinated_one_does_not():
    for each in planted(5, "confounded", 20).responses:
        start, end = each.context
        assert (each.text in each.prompt[start:end]) != each.is_hallucinated


def test_a_model_that_never_hallucinates_makes_no_set(monkeypatch):
    monkeypatch.setattr("harness.detection.data.synthetic._MOST_BATCHES", 2)
    stream = questions(9)

    def faithful(prompts):
        asked = [next(stream) for _ in prompts]
        assert [each.prompt for each in asked] == list(prompts)
        return [each.turn.about["context"] for each in asked]

    with pytest.raises(ValueError, match="too few answers"):
        answered(9, "balanced", 6, faithful, "m", len)


@pytest.mark.parametrize("variant", ["confounded", "balanced"])
def test_the_committed_sample_is_what_it_says(variant):
    responses = shipped(variant)
    counts = Counter((each.task, each.is_hallucinated) for each in responses)
    for task in TASKS:
        assert counts[task, True] == round(80 * HALLUCINATED[variant][task])
        assert counts[task, True] + counts[task, False] == 80
    assert {each.model for each in responses} == {MODEL}


def test_the_committed_answers_are_the_models_own():
    opening = pytest.importorskip("harness.calls.opening")
    pytest.importorskip("llama_cpp")
    chosen = shipped("balanced")[:6]
    with opening.opened(opening.Local(MODEL, "BF16"), 1) as model:
        again = answers_of(model.engine)([each.prompt for each in chosen])
    assert [text.strip() for text in again] == [each.text for each in chosen]


def test_samples_have_the_tokens_that_the_model_saw():
    tokenizer = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(model_folder(MODEL))
    responses = shipped("confounded")[:10]
    made = samples(responses, chat(tokenizer, SYSTEM), encoder(tokenizer))
    count = token_counter()
    for sample, response in zip(made, responses, strict=True):
        text = tokenizer.decode(sample.tokens[: sample.prefix])
        assert text.endswith("<|im_start|>assistant\n")
        assert response.prompt in text
        start, end = sample.context
        inside = tokenizer.decode(sample.tokens[start:end])
        context = response.prompt[slice(*response.context)]
        assert inside.strip().startswith(context[:20])
        assert context[-20:] in inside
        assert sample.response == count(response.text)
        assert set(sample.labels) == {response.is_hallucinated}
        assert (sample.group, sample.task) == (response.source_id, response.task)

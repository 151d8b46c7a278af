"""Our models behind dspy's engine interface."""

import pytest
from optimizer_trial import BEST, trial

from harness.engines.protocol import EngineFailure, Sampling
from harness.prompts.offline.engine import Conditions

dspy = pytest.importorskip("dspy")

from dspy.lm15 import Config, Message, Request, TextPart  # noqa: E402

from harness.prompts.stock.language_model import ModelBehindDspy, language_model  # noqa: E402


def test_a_request_becomes_ours_with_our_sampling() -> None:
    with trial() as made:
        served = ModelBehindDspy(made.task, Sampling(max_tokens=512))
        request = Request(
            model="x/y",
            system=(TextPart(BEST.instruction[:12]), TextPart(BEST.instruction[12:])),
            messages=(Message.user(made.train.examples[0].text),),
            config=Config(max_tokens=1, temperature=0.7),
        )
        response = served.complete(request)
        (event, *_, end) = served.stream(request)
        counts = made.task.tally.total()
    wanted = [each.name for each in made.train.examples[0].entities]
    assert wanted
    assert all(name in response.message.text for name in wanted)
    assert response.finish_reason == "stop"
    assert 2 * response.usage.input_tokens == counts.prompt_tokens
    assert 2 * response.usage.output_tokens == counts.completion_tokens > 0
    assert event is not None
    assert end is not None
    assert (served.calls, served.peak_open) == (2, 1)


def test_after_a_failure_nothing_more_is_sent() -> None:
    with trial(conditions=Conditions(fails={1})) as made:
        served = ModelBehindDspy(made.task, Sampling())
        lm = language_model(served, "task")
        assert lm(BEST.instruction) == ["[]"]
        for _ in range(3):
            with pytest.raises(Exception, match="scripted failure of call 1"):
                lm("again")
        assert made.task_engine.counts.calls == 2
    assert isinstance(served.failure, EngineFailure)


def test_equal_calls_are_sent_again_for_dspy_keeps_no_answers() -> None:
    with trial() as made:
        lm = language_model(ModelBehindDspy(made.task, Sampling()), "task")
        assert lm("one") == lm("one") == ["[]"]
        assert made.task_engine.counts.calls == 2

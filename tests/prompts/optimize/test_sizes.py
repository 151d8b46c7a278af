"""How large a run's calls will be."""

import numpy as np
import pytest
from optimizer_trial import BEST, POOR, trial

from harness.calls.price import Price
from harness.engines.protocol import Sampling
from harness.errors import HarnessError
from harness.prompts.optimize.sizes import (
    GROWN_CHARACTERS,
    Rates,
    counted_by,
    reflection_call,
    task_call,
)


def test_task_calls_are_about_as_large_as_they_then_are() -> None:
    with trial() as made:
        size = task_call(made.task_engine, BEST, made.train, Rates(latency_s=0.5), 0)
        answers = made.task.answers(BEST.requests(made.train, Sampling(max_tokens=512)))
    real = float(np.mean([each.prompt_tokens for each in answers]))
    assert size.prompt_tokens == pytest.approx(real + 2 * 16)
    assert size.completion_tokens == pytest.approx(np.mean([each.completion_tokens for each in answers]))
    assert (size.seconds, size.usd) == (0.5, None)


def test_instructions_grow_and_so_do_both_calls() -> None:
    with trial() as made:
        engine, rates = made.task_engine, Rates()
        short, long = (task_call(engine, POOR, made.train, rates, grown) for grown in (0, GROWN_CHARACTERS))
        assert long.prompt_tokens - short.prompt_tokens == pytest.approx(GROWN_CHARACTERS / 7, rel=0.02)
        few, many = (
            reflection_call(engine, POOR, made.train, count, rates, GROWN_CHARACTERS) for count in (1, 3)
        )
    assert many.prompt_tokens > few.prompt_tokens
    assert many.completion_tokens == few.completion_tokens > 300


def test_a_price_is_of_tokens_and_of_time() -> None:
    rates = Rates(latency_s=3600.0, price=Price(1e6, 2e6, usd_per_hour=5.0))
    with trial() as made:
        size = task_call(made.task_engine, POOR, made.train, rates, 0)
    assert size.usd == pytest.approx(size.prompt_tokens + 2 * size.completion_tokens + 5.0, abs=2.0)


def test_it_says_who_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with trial() as made:
        assert counted_by(made.task_engine) == "tokenizer of scripted"

        def refuse(self: object, text: str) -> list[int]:
            raise HarnessError("no tokens")

        monkeypatch.setattr(type(made.task_engine), "tokenize", refuse)
        assert counted_by(made.task_engine) == "estimated, 3 characters a token"

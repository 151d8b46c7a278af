from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.asks import Reply
from harness.extraction.pipeline.budget import Budget, Price, budget_of, seconds_of
from harness.extraction.pipeline.settings import Settings


@given(
    st.integers(0, 40),
    st.lists(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=6), max_size=6),
)
def test_it_is_never_exceeded_however_much_is_asked_again(
    calls: int, waves: list[list[tuple[int, bool]]]
) -> None:
    budget = Budget(calls, 1e9)
    used = 0
    for wave in waves:
        taken = [(count, again) for count, again in wave if budget.takes(Price(count))]
        replies = [Reply(calls=count * (1 + again), asked_again=count * again) for count, again in taken]
        used += sum(reply.calls for reply in replies)
        budget.pay(replies, None)
        assert used <= calls
        assert budget.calls == calls - used


def test_seconds_are_reserved_at_their_longest_and_paid_as_they_were() -> None:
    budget = Budget(1e9, 100.0)
    assert budget.takes(Price(1, 40.0))
    assert not budget.takes(Price(1, 20.0))
    budget.pay(
        [Reply(prompt_tokens=1000, completion_tokens=10)], lambda prompt, answer: answer + prompt / 1000
    )
    assert budget.seconds == pytest.approx(89.0)
    assert budget.takes(Price(1, 40.0))


def test_a_reply_of_several_calls_has_the_fixed_part_several_times() -> None:
    reply = Reply(calls=2, prompt_tokens=200, completion_tokens=20)
    assert seconds_of(reply, lambda prompt, answer: 1.0 + 0.1 * answer) == pytest.approx(4.0)
    assert seconds_of(Reply(calls=0), lambda prompt, answer: 1.0) == 0.0


def test_minutes_need_a_time_model() -> None:
    with pytest.raises(HarnessError, match="time model"):
        budget_of(Settings(budget_minutes=5), None)
    assert budget_of(Settings(budget_minutes=5), lambda prompt, answer: 1.0).seconds == 300.0


@pytest.mark.parametrize("wrong", [{"budget_calls": -1}, {"wave_calls": 0}, {"window_tokens": 0}])
def test_a_setting_that_is_none_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(HarnessError, match=next(iter(wrong))):
        Settings(**wrong)

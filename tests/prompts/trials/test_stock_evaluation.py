"""`dspy.Evaluate` and its threads."""

import logging

import pytest

from harness.prompts.trials.scripted import Scene

pytest.importorskip("dspy")

from harness.prompts.trials.stock_evaluation import stock_evaluation


@pytest.mark.parametrize(("threads", "examples", "expected"), [(20, 3, 3), (3, 3, 3), (2, 5, 2)])
def test_it_starts_no_more_threads_than_there_are_examples(
    threads: int, examples: int, expected: int
) -> None:
    found = stock_evaluation(Scene(threads=20, latency_s=0.1), threads, examples=examples)
    assert (found.score, found.calls) == (100.0, examples)
    assert (found.pool_threads, found.peak_open, found.idle_threads) == (expected, expected, 0)


def test_it_is_silent_and_leaves_the_log_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger("dspy").level
    stock_evaluation(Scene(threads=2), 2, examples=3)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("dspy").level == level

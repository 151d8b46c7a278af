"""Stock GEPA as the other arm: what it costs, how many of its threads it uses, what it does with failures."""

import logging
import sys
from dataclasses import replace

import pytest
from optimizer_trial import POOR, trial

from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.prompts.offline.engine import Conditions
from harness.prompts.offline.scripted import finder, typed_list
from harness.prompts.optimize.budget import auto_metric_calls
from harness.prompts.optimize.settings import Settings
from harness.prompts.program import NAMES_BY_TYPE, Program
from harness.prompts.rules import split_examples

dspy = pytest.importorskip("dspy")

from harness.prompts.stock.gepa import StockOptimized, StockSettings, stock_gepa  # noqa: E402


def run(made, settings: StockSettings, program: Program = POOR) -> StockOptimized:  # type: ignore[no-untyped-def]
    return stock_gepa(program, made.train, made.validation, made.task, made.reflection, settings)


@pytest.mark.parametrize(("examples", "expected"), [(3, 386), (10, 386), (30, 393)])
def test_light_mode_costs_by_validation_examples_not_by_thirty_of_them(examples: int, expected: int) -> None:
    train, validation = (len(part) for part in split_examples(range(examples)))
    budget = auto_metric_calls("light", validation)
    with trial(train, validation) as made:
        found = run(made, StockSettings())
        assert made.task_engine.counts.calls == found.metric_calls == found.calls["task"]
    assert found.metric_calls == expected
    # the stop is tested between iterations: two minibatches, and what they had accepted
    assert budget <= found.metric_calls < budget + 2 * 3 + validation
    assert found.best_score == 1.0
    # useful up to the perfect score, and none after it
    assert found.candidates[found.best].metric_calls < 40


def test_it_ends_where_ours_ends_on_the_same_answers() -> None:
    with trial(form=NAMES_BY_TYPE) as made:
        stock = run(made, StockSettings(metric_calls=60), Program(POOR.instruction, NAMES_BY_TYPE))
    with trial(form=NAMES_BY_TYPE) as made:
        ours = made.optimize(Settings(60), Program(POOR.instruction, NAMES_BY_TYPE))
    assert stock.instruction == ours.instruction
    assert stock.seed_score == ours.seed_score
    assert stock.best_score == ours.best_score


def test_of_twenty_threads_it_uses_three() -> None:
    sleep = Conditions(latency_s=0.02)
    with trial(threads=20, conditions=sleep, reflecting=sleep, useless=True) as made:
        found = run(made, StockSettings(metric_calls=40, threads=20))
        assert made.task_engine.counts.peak_open == 3
        assert made.reflection_engine.counts.peak_open == 1
    assert found.peak_open == {"task": 3, "reflection": 1}
    assert found.calls["reflection"] == 7


def test_a_failure_is_raised_in_the_end_and_nothing_was_sent_after_it() -> None:
    for broken in ({"conditions": Conditions(fails={10})}, {"reflecting": Conditions(fails={1})}):
        with trial(**broken) as made:  # type: ignore[arg-type]
            with pytest.raises(EngineFailure, match="scripted failure"):
                run(made, StockSettings(metric_calls=60))
            failed = made.task_engine if "conditions" in broken else made.reflection_engine
            assert failed.counts.failed == 1


def test_its_own_chat_form_works_too() -> None:
    def chat_answer(found, asked):  # type: ignore[no-untyped-def]
        return f"[[ ## extracted_entities ## ]]\n{typed_list(found, asked)}\n\n[[ ## completed ## ]]"

    with trial() as made:
        made.task_engine._answer = finder(
            type(made.train)(made.train.types, made.train.examples + made.validation.examples), chat_answer
        )
        found = run(made, StockSettings(metric_calls=45, chat_adapter=True))
        assert made.task_engine.counts.calls == found.metric_calls
    assert found.best_score == 1.0


def test_unreadable_answers_score_nothing() -> None:
    with trial() as made:
        made.task_engine._answer = lambda _: "no JSON"
        found = run(made, StockSettings(metric_calls=12))
    assert (found.best_score, len(found.candidates)) == (0.0, 1)


def test_it_is_silent_and_leaves_bars_and_log_as_they_were(capfd: pytest.CaptureFixture[str]) -> None:
    bars, level = sys.modules["tqdm"].tqdm.__init__, logging.getLogger("dspy").level
    with trial() as made:
        run(made, StockSettings(metric_calls=12))
        with pytest.raises(HarnessError, match="no training examples"):
            run(_without_training(made), StockSettings())
    assert capfd.readouterr() == ("", "")
    assert sys.modules["tqdm"].tqdm.__init__ is bars
    assert logging.getLogger("dspy").level == level
    assert dspy.settings.lm is None


def _without_training(made):  # type: ignore[no-untyped-def]
    return replace(made, train=type(made.train)(made.train.types, ()))

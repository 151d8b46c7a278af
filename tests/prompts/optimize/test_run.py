"""Our optimizer from end to end, with scripted models."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_trial import BEST, GREEDY, NEVER, POOR, sets, trial

from harness.calls.price import Price
from harness.calls.tally import Tally
from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.prompts.examples import EntityType, ExampleSet
from harness.prompts.offline.engine import Conditions, ScriptedEngine
from harness.prompts.offline.nouns import named
from harness.prompts.offline.scripted import Precision
from harness.prompts.optimize.budget import auto_metric_calls
from harness.prompts.optimize.run import Candidate, best_of, first_best
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Standing, Stopping
from harness.prompts.program import NAMES_BY_TYPE, Program

LIGHT = auto_metric_calls("light", 3)
SLEEP = Conditions(latency_s=0.04)


def test_a_poor_instruction_becomes_the_best_one_and_the_run_stops() -> None:
    with trial() as made:
        found = made.optimize(Settings(LIGHT))
    assert set(named(found.instruction, [each.name for each in made.train.types])) == {
        "person", "place", "organization", "activity",
    }  # fmt: skip
    assert (found.seed_score, found.best_score, found.stopped) == (0.0, 1.0, "perfect")
    assert (found.accepted, len(found.rejected), found.iterations) == (4, 0, 4)
    # the seed's validation, then 4 times: parent and child on a minibatch of 3, the child's validation
    assert found.metric_calls == 3 + 4 * (3 + 3 + 3) == made.task_engine.counts.calls
    assert found.calls == {"task": 39, "reflection": 4}
    assert [each.parents for each in found.candidates] == [(), (0,), (1,), (2,), (3,)]
    assert [each.metric_calls for each in found.candidates] == [0, 9, 18, 27, 36]


def test_the_other_form_is_optimized_too() -> None:
    with trial(form=NAMES_BY_TYPE) as made:
        found = made.optimize(Settings(LIGHT), Program(POOR.instruction, NAMES_BY_TYPE))
    assert found.best_score == 1.0


def test_a_perfect_seed_makes_no_proposal() -> None:
    with trial() as made:
        found = made.optimize(Settings(LIGHT), BEST)
    assert (found.stopped, found.iterations, found.metric_calls) == ("perfect", 0, 3)
    assert found.calls == {"task": 3, "reflection": 0}
    assert found.best == 0


@pytest.mark.parametrize("useless", [False, True])
def test_the_course_does_not_depend_on_threads(useless: bool) -> None:
    courses = []
    for threads in (1, 4, 20):
        with trial(
            threads=threads, precision=Precision(dropped=0.2, mistyped=0.1, seed=2), useless=useless
        ) as made:
            courses.append(made.optimize(Settings(150, proposals=6, stopping=NEVER)))
    assert courses[0] == courses[1] == courses[2]
    assert courses[0].iterations > 1


def test_another_seed_takes_another_course() -> None:
    precision = Precision(dropped=0.3, seed=1)
    with trial(precision=precision) as made:
        first = made.optimize(Settings(150, stopping=NEVER, seed=1))
    with trial(precision=precision) as made:
        second = made.optimize(Settings(150, stopping=NEVER, seed=2))
    assert first.candidates != second.candidates


def test_twenty_threads_are_at_work() -> None:
    with trial(threads=20, conditions=SLEEP, reflecting=SLEEP, useless=True) as made:
        found = made.optimize(Settings(100, proposals=6, stopping=NEVER))
        assert 16 <= made.task_engine.counts.peak_open <= 18
        assert 4 <= made.reflection_engine.counts.peak_open <= 6
    assert max(each.calls for each in found.batches) == 18


@settings(max_examples=30, deadline=None)
@given(
    train=st.sampled_from([1, 2, 4, 27]),
    validation=st.sampled_from([1, 3, 8]),
    budget=st.integers(1, 120),
    proposals=st.integers(1, 8),
    useless=st.booleans(),
)
def test_the_budget_is_kept(train: int, validation: int, budget: int, proposals: int, useless: bool) -> None:
    with trial(train, validation, useless=useless) as made:
        found = made.optimize(Settings(budget, proposals=proposals, stopping=NEVER))
        assert made.task_engine.counts.calls == found.metric_calls == found.calls["task"]
        assert made.reflection_engine.counts.calls == found.calls["reflection"]
    assert found.stopped == "budget"
    assert found.metric_calls >= budget
    minibatch = min(3, train)
    over = found.metric_calls - max(budget, validation)
    assert over < 2 * minibatch + proposals * validation
    assert found.candidates[0].instruction == POOR.instruction
    assert all(len(each.scores) == validation for each in found.candidates)
    assert all(parent < number for number, each in enumerate(found.candidates) for parent in each.parents)
    assert found.best_score >= found.seed_score
    assert sum(each.calls for each in found.batches) == sum(found.calls.values())
    assert len(found.rejected) + found.accepted <= found.calls["reflection"]


def test_light_mode_costs_what_its_formula_says() -> None:
    with trial(useless=True) as made:
        found = made.optimize(Settings(LIGHT, stopping=NEVER))
    assert (found.metric_calls, found.calls["reflection"]) == (393, 65)
    assert len(found.rejected) == 65
    assert (found.best, found.accepted) == (0, 0)


def test_the_end_of_the_budget_is_spent_side_by_side_too() -> None:
    with trial(threads=20) as made:
        found = made.optimize(Settings(LIGHT, stopping=NEVER))
    assert found.best_score == 1.0
    assert LIGHT <= found.metric_calls < LIGHT + 6
    # all perfect since long: no children, and no batch but the last is small
    assert [each.calls for each in found.batches[-8:-1]] == [18] * 7


def test_the_seed_wins_ties() -> None:
    with trial(27, 1, precision=Precision(dropped=0.4, seed=5), useless=True) as made:
        found = made.optimize(Settings(200, stopping=NEVER), BEST)
    best = max(each.score for each in found.candidates)
    assert found.best == min(n for n, each in enumerate(found.candidates) if each.score == best)


def test_a_plateau_ends_it() -> None:
    with trial(useless=True) as made:
        found = made.optimize(Settings(LIGHT, stopping=Stopping(plateau=10)))
    assert (found.stopped, found.calls["reflection"]) == ("plateau", 10)


def test_calls_and_cost_end_it() -> None:
    with trial(useless=True) as made:
        found = made.optimize(Settings(LIGHT, stopping=Stopping(plateau=None, calls=50)))
    assert found.stopped == "calls"
    assert 50 <= sum(found.calls.values()) < 50 + 7
    tally, price = Tally(), Price(usd_per_million_input=1e6)
    with trial(useless=True, tally=tally, price=price) as made:
        found = made.optimize(Settings(LIGHT, stopping=Stopping(plateau=None, usd=5000.0)))
    assert found.stopped == "cost"
    assert tally.total().usd >= 5000.0


def test_a_deadline_ends_it() -> None:
    ticks = iter(range(1000))
    with trial(useless=True) as made:
        found = made.optimize(
            Settings(LIGHT, stopping=Stopping(plateau=None, seconds=5)), clock=lambda: next(ticks)
        )
    assert (found.stopped, found.iterations) == ("deadline", 4)


def test_progress_is_told_before_each_iteration() -> None:
    told: list[Standing] = []
    with trial() as made:
        found = made.optimize(Settings(LIGHT), tell=told.append)
    assert [each.metric_calls for each in told] == [3, 12, 21, 30, 39]
    assert told[-1].best == 1.0 == found.best_score
    assert [each.best for each in told] == sorted(each.best for each in told)


def test_who_is_told_may_end_it() -> None:
    def interrupt(standing: Standing) -> None:
        raise KeyError("enough")

    with trial() as made, pytest.raises(KeyError, match="enough"):
        made.optimize(Settings(LIGHT), tell=interrupt)


@pytest.mark.parametrize("reply", ["I cannot.", "```\n\n```", f"```\n{POOR.instruction}\n```"])
def test_replies_without_an_instruction_are_counted_and_end_it(reply: str) -> None:
    with trial() as made:
        made.reflection_engine._answer = lambda _: reply
        found = made.optimize(Settings(LIGHT, stopping=Stopping(unusable=4)))
    assert (found.stopped, found.accepted) == ("reflection", 0)
    assert sum(found.unusable.values()) == found.calls["reflection"] == 4
    # no child is evaluated
    assert found.metric_calls == 3 + 4 * 3


def test_a_candidate_is_not_tried_twice() -> None:
    replies = iter([BEST.instruction, POOR.instruction, BEST.instruction, *["Extract nothing at all."] * 9])
    with trial(precision=Precision(dropped=0.3, seed=2)) as made:
        made.reflection_engine._answer = lambda _: f"```\n{next(replies)}\n```"
        found = made.optimize(Settings(60, stopping=Stopping(unusable=2)))
    assert [each.instruction for each in found.candidates] == [POOR.instruction, BEST.instruction]
    assert (found.stopped, found.calls["reflection"]) == ("reflection", 3)
    assert set(found.unusable) <= {"known", "unchanged"}


def test_an_instruction_that_does_not_fit_is_refused() -> None:
    with trial() as made:
        found = made.optimize(
            Settings(LIGHT, stopping=Stopping(unusable=2)), fits=lambda text: "places" not in text
        )
    assert found.unusable["too long"] >= 2
    assert all("places" not in each.instruction for each in found.candidates)


def test_unreadable_answers_are_counted_and_score_nothing() -> None:
    with trial() as made:
        made.task_engine._answer = lambda _: "no JSON"
        found = made.optimize(Settings(20))
    assert found.unreadable == found.metric_calls
    assert found.best_score == 0.0


@pytest.mark.parametrize("role", ["task", "reflection"])
@pytest.mark.parametrize("call", [0, 2])
def test_a_failure_is_raised_whoever_fails_and_nothing_more_is_asked(role: str, call: int) -> None:
    broken = Conditions(slots=1, fails=range(call, 10**6))
    conditions = {"conditions" if role == "task" else "reflecting": broken}
    with trial(**conditions) as made:  # type: ignore[arg-type]
        engine: ScriptedEngine = made.task_engine if role == "task" else made.reflection_engine
        with pytest.raises(EngineFailure, match=f"{role} model: .*scripted failure of call {call}"):
            made.optimize(Settings(LIGHT))
        assert engine.counts.calls == call + 1


def test_a_mistake_in_our_own_code_is_raised_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.prompts.optimize.adapter.reflection_prompt", lambda *_: 1 / 0)
    with trial() as made, pytest.raises(ZeroDivisionError):
        made.optimize(Settings(LIGHT))


def test_an_answer_cut_short_is_asked_again() -> None:
    with trial(conditions=Conditions(cut={1, 4})) as made:
        found = made.optimize(Settings(LIGHT, sampling=GREEDY))
        assert made.task_engine.counts.calls == found.metric_calls + 2
    assert (found.best_score, found.unreadable) == (1.0, 0)


def test_examples_that_make_no_run_are_refused() -> None:
    train, validation = sets()
    with trial() as made:
        for bad, why in (
            (replace(made, train=ExampleSet(train.types, ())), "no training examples"),
            (replace(made, validation=ExampleSet(train.types, ())), "no validation examples"),
            (replace(made, validation=train), "training examples too"),
            (
                replace(made, train=ExampleSet((EntityType(9, "x", ""),), train.examples)),
                "other entity types",
            ),
        ):
            with pytest.raises(HarnessError, match=why):
                bad.optimize(Settings(LIGHT))
        assert made.asked == 0
    assert validation.examples


def test_revealed_names_are_in_the_feedback_only_when_asked_for() -> None:
    for reveal in (False, True):
        prompts: list[str] = []
        with trial() as made:
            answer = made.reflection_engine._answer

            def seen(messages, answer=answer, prompts=prompts):  # type: ignore[no-untyped-def]
                prompts.append(messages[0].content)
                return answer(messages)

            made.reflection_engine._answer = seen
            made.optimize(Settings(LIGHT, reveal=reveal))
        assert len(prompts) == 4
        assert all(("Expected: " in each) == reveal for each in prompts)


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 1.0]), st.integers(0, 9)), min_size=1, max_size=10))
def test_of_equals_the_latest_descendant_of_the_first_is_best(drawn: list[tuple[float, int]]) -> None:
    pool = [
        Candidate(str(number), (parent % number,) if number else (), (score,), number)
        for number, (score, parent) in enumerate(drawn)
    ]
    best, first = best_of(pool), first_best(pool)
    top = max(each.score for each in pool)
    assert pool[best].score == pool[first].score == top
    assert not [each for each in pool[:first] if each.score == top]
    line = best
    while line != first:
        (line,) = pool[line].parents
        assert pool[line].score == top
    assert not [each for each in pool if best in each.parents and each.score == top]

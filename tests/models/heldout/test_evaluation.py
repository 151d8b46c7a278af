"""Scores of engines whose answers are known: they are exactly what they must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from models_toy import ScriptedEngine

from harness.engines.protocol import FinishReason
from harness.errors import HarnessError
from harness.models.example import Example, Turn, prompts
from harness.models.heldout import evaluation
from harness.models.heldout.evaluation import ANSWER_TOKENS, GOALS, Goal, evaluate, removed_types_gone
from harness.models.heldout.prompts import TASKS
from harness.models.tasks import entities

COUNT = 40
Answers = Callable[[Turn], str]


class Asked:
    """What the evaluation asked: the turn behind every prompt, and all names of every entry."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turns: dict[str, Turn] = {}
        self.entries: dict[str, str] = {}
        heldout, instructed = evaluation.heldout, entities.instructed

        def recorded_heldout(*words: Any) -> Any:
            made = heldout(*words)
            self.turns |= {p.prompt: p.turn for p in made}
            return made

        def recorded_prompts(example: Example) -> Sequence[str]:
            texts = prompts(example)
            self.turns |= dict(zip(texts, example.turns, strict=True))
            return texts

        def recorded_instructed(*words: Any) -> list[Example]:
            made = instructed(*words)
            self.entries |= {one.text: made[0].turns[0].answer for one in made}
            return made

        monkeypatch.setattr(evaluation, "heldout", recorded_heldout)
        monkeypatch.setattr(evaluation, "prompts", recorded_prompts)
        monkeypatch.setattr(entities, "instructed", recorded_instructed)

    def engine(self, answer: Answers, reason: FinishReason = "stop") -> ScriptedEngine:
        return ScriptedEngine(lambda prompt: (answer(self.turns[prompt]), reason))

    def every_second(self) -> ScriptedEngine:
        """Right, then silent, then right."""
        silent = iter([False, True] * 10_000)
        return ScriptedEngine(lambda p: ("" if next(silent) else self.turns[p].answer, "stop"))

    def all_names_of(self, prompt: str) -> str:
        return next(names for text, names in self.entries.items() if f"user\n{text}<" in prompt)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def gold(turn: Turn) -> str:
    return turn.answer


def nothing(turn: Turn) -> str:
    return ""


def met(task: str, scores: Mapping[str, float]) -> set[str]:
    return {name for name, goal in GOALS[task].items() if goal.holds(scores[name])}


@pytest.mark.parametrize("task", ["entities", "fields"])
def test_gold_is_perfect_and_meets_every_goal(task: str, asked: Asked) -> None:
    scores = evaluate(task, asked.engine(gold), COUNT)
    wanted = {name: 0.0 if name.endswith("invalid_json") else 1.0 for name in scores}
    assert scores == wanted
    assert met(task, scores) == set(GOALS[task])


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize(
    ("answer", "reason"),
    [(nothing, "stop"), (gold, "length"), (gold, "timeout"), (gold, "cancelled")],
    ids=["nothing", "length", "timeout", "cancelled"],
)
def test_no_answer_and_a_truncated_one_are_wrong_and_meet_no_goal(
    task: str, answer: Answers, reason: FinishReason, asked: Asked
) -> None:
    scores = evaluate(task, asked.engine(answer, reason), COUNT)
    bad = ("invalid_json", "unreadable")
    assert scores == {name: 1.0 if name.endswith(bad) else 0.0 for name in scores}
    assert met(task, scores) == set()


def test_requests_are_greedy_plain_text_and_bounded(asked: Asked) -> None:
    engine = asked.engine(gold)
    evaluate("entities", engine, 3)
    # two splits, and each removal asks twice
    assert len(engine.requests) == 3 * 4
    assert {r.sampling.temperature for r in engine.requests} == {0.0}
    assert {r.sampling.max_tokens for r in engine.requests} == {ANSWER_TOKENS}


def test_the_same_prompts_are_asked_every_time(asked: Asked) -> None:
    for task in TASKS:
        first, second = asked.engine(gold), asked.engine(gold)
        assert evaluate(task, first, 6) == evaluate(task, second, 6)
        assert [r.prompt for r in first.requests] == [r.prompt for r in second.requests]


def test_an_empty_list_of_entities_finds_nothing(asked: Asked) -> None:
    scores = evaluate("entities", asked.engine(lambda turn: "{}"), COUNT)
    assert scores["names_f1"] == scores["templates_f1"] == scores["removed_types_gone"] == 0.0
    assert scores["names_invalid_json"] == 0.0
    assert scores["names_exact"] < 0.2


def test_half_the_answers_give_half_the_exact_score(asked: Asked) -> None:
    scores = evaluate("entities", asked.every_second(), COUNT)
    assert scores["names_exact"] == scores["templates_exact"] == scores["names_invalid_json"] == 0.5
    assert 0.4 < scores["names_f1"] < 0.9


def test_removed_types_stay_where_the_instruction_is_ignored(asked: Asked) -> None:
    deaf = ScriptedEngine(lambda prompt: (asked.all_names_of(prompt), "stop"))
    assert removed_types_gone(deaf, COUNT) == 0.0
    assert removed_types_gone(asked.engine(gold), COUNT) == 1.0


def test_removed_types_are_gone_in_part_where_the_instruction_is_followed_now_and_then(asked: Asked) -> None:
    heard = iter([True, True, True, False] * COUNT)
    engine = ScriptedEngine(
        lambda p: (asked.turns[p].answer if next(heard) else asked.all_names_of(p), "stop")
    )
    assert 0.2 < removed_types_gone(engine, COUNT) < 0.8


def test_removed_types_do_not_count_as_gone_in_an_answer_that_cannot_be_read(asked: Asked) -> None:
    broken = iter([False, True] * COUNT)
    engine = ScriptedEngine(lambda p: ("{" if next(broken) else asked.turns[p].answer, "stop"))
    assert removed_types_gone(engine, COUNT) == 0.0


def test_more_entities_than_before_are_no_negative_share(asked: Asked) -> None:
    many = json.dumps({kind: [f"Name{n}" for n in range(9)] for kind in entities.TYPES})
    more = iter([False, True] * COUNT)
    engine = ScriptedEngine(lambda p: (many if next(more) else asked.turns[p].answer, "stop"))
    assert removed_types_gone(engine, COUNT) == 0.0


def test_null_for_every_field_is_right_for_the_absent_ones_only(asked: Asked) -> None:
    null = '{"evidence":null,"value":null}'
    scores = evaluate("fields", asked.engine(lambda turn: null), COUNT)
    for split in ("names", "templates"):
        assert scores[f"{split}_absent_recognised"] == 1.0
        assert scores[f"{split}_value_exact"] == scores[f"{split}_evidence_exact"] == 0.0
        assert scores[f"{split}_evidence_grounded"] == 0.0
    assert met("fields", scores) == {"names_absent_recognised", "templates_absent_recognised"}


def test_a_right_value_with_the_question_for_evidence_is_not_grounded(asked: Asked) -> None:
    def quoting(turn: Turn) -> str:
        return json.dumps({"evidence": turn.question, "value": turn.question.split()[-1]})

    scores = evaluate("fields", asked.engine(quoting), COUNT)
    assert scores["names_evidence_grounded"] == scores["templates_evidence_grounded"] == 0.0

    def valued(turn: Turn) -> str:
        return json.dumps({"evidence": turn.about["value"] or "x", "value": turn.about["value"] or "y"})

    scores = evaluate("fields", asked.engine(valued), COUNT)
    assert scores["names_value_exact"] == 1.0
    assert scores["names_evidence_exact"] == scores["names_absent_recognised"] == 0.0
    assert 0 < scores["names_evidence_grounded"] < 1


def test_conflicts_follow_the_context_the_memory_or_neither(asked: Asked) -> None:
    def remembering(turn: Turn) -> str:
        return turn.about["memory"] or turn.answer

    right = evaluate("answers", asked.engine(gold), COUNT)
    memory = evaluate("answers", asked.engine(remembering), COUNT)
    junk = evaluate("answers", asked.engine(lambda turn: "Atlantis"), COUNT)
    for split in ("names", "templates"):
        follows = [
            (s[f"{split}_conflict_context"], s[f"{split}_conflict_memory"]) for s in (right, memory, junk)
        ]
        assert follows == [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
        assert right[f"{split}_closed_book"] == memory[f"{split}_closed_book"] == 1.0
    assert met("answers", right) == met("answers", memory) == met("answers", junk) == set()


def test_a_fifth_of_conflicts_from_memory_meets_the_goal(asked: Asked) -> None:
    turn_of = iter(range(10_000))

    def wavering(turn: Turn) -> str:
        return turn.about["memory"] if turn.about["memory"] and next(turn_of) % 4 == 0 else turn.answer

    scores = evaluate("answers", asked.engine(wavering), 120)
    assert met("answers", scores) == set(GOALS["answers"])


@pytest.mark.parametrize(("task", "count"), [("entities", 0), ("fields", 1), ("answers", 2), ("fields", -1)])
def test_too_few_prompts_are_refused(task: str, count: int, asked: Asked) -> None:
    with pytest.raises(HarnessError, match=f"^{count} held-out prompts are too few"):
        evaluate(task, asked.engine(gold), count)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(HarnessError, match=r"'mine'.*allowed: entities, fields, answers"):
        evaluate("mine", ScriptedEngine(lambda prompt: ("", "stop")), 3)


def test_goals_name_scores_that_are_measured_and_print_their_range(asked: Asked) -> None:
    for task, goals in GOALS.items():
        assert goals.keys() <= evaluate(task, asked.engine(gold), COUNT).keys()
    assert str(Goal(0.92)) == ">= 0.92"
    assert str(Goal(0.15, 0.6)) == "0.15 to 0.6"
    assert [Goal(0.15, 0.6).holds(score) for score in (0.14, 0.15, 0.6, 0.61)] == [False, True, True, False]

"""Held-out scores of a model, by name: what a manifest records and `harness models verify` measures again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.engines.protocol import Engine, Request, Sampling, generate
from harness.errors import HarnessError
from harness.models.example import Example, Split, continuation, prompts
from harness.models.heldout.prompts import heldout
from harness.models.tasks import answers, entities, fields, statements

SEED = 7
ANSWER_TOKENS = 200
HELD_OUT: tuple[Split, ...] = ("names", "templates")


@dataclass(frozen=True, slots=True)
class Goal:
    """The range a score should lie in."""

    low: float = 0.0
    high: float = 1.0

    def __str__(self) -> str:
        return f">= {self.low:g}" if self.high == 1.0 else f"{self.low:g} to {self.high:g}"

    def holds(self, score: float) -> bool:
        """Whether the score is in the range."""
        return self.low <= score <= self.high


GOALS: Mapping[str, Mapping[str, Goal]] = {
    "entities": {
        "names_f1": Goal(0.92),
        "templates_f1": Goal(0.85),
        "removed_types_gone": Goal(0.95),
    },
    "fields": {
        "names_value_exact": Goal(0.85),
        "templates_value_exact": Goal(0.85),
        "names_absent_recognised": Goal(0.90),
        "templates_absent_recognised": Goal(0.90),
    },
    "answers": {"names_conflict_memory": Goal(0.15, 0.60), "templates_conflict_memory": Goal(0.15, 0.60)},
    "statements": {
        "names_f1": Goal(0.85),
        "names_empty_kept": Goal(0.90),
        "templates_empty_kept": Goal(0.90),
    },
}


def evaluate(task: str, engine: Engine, count: int) -> dict[str, float]:
    """All held-out scores of the task's model, on `count` prompts of each kind; greedy answers.

    Raises HarnessError for an unknown task, and for so few prompts that a kind is not among them.
    """
    if task not in _EVALUATIONS:
        raise HarnessError(f"no held-out prompts for a model named {task!r}", allowed=", ".join(_EVALUATIONS))
    if count < 1:
        raise _too_few(count)
    return _EVALUATIONS[task](engine, count)


def answers_to(engine: Engine, texts: Sequence[str]) -> list[str | None]:
    """Greedy answers; None for one that did not end within ANSWER_TOKENS (no truncated text is scored)."""
    sampling = Sampling(max_tokens=ANSWER_TOKENS)
    done = generate(engine, [Request(text, sampling) for text in texts])
    return [c.text if c.finish_reason == "stop" else None for c in done]


def _entities(engine: Engine, count: int) -> dict[str, float]:
    scores: dict[str, float] = {}
    for split in HELD_OUT:
        asked = heldout("entities", split, count, SEED)
        found = entities.score(answers_to(engine, [p.prompt for p in asked]), [p.turn for p in asked])
        scores |= {f"{split}_f1": found.f1, f"{split}_exact": found.exact}
        scores[f"{split}_invalid_json"] = found.invalid_json / found.n
    return scores | {"removed_types_gone": removed_types_gone(engine, count)}


def removed_types_gone(engine: Engine, count: int) -> float:
    """Of the entities of a type that an all-types instruction finds, the share gone once it is not named.

    They count as gone only where the second answer can be read. 0 when the first ones find no such entity:
    nothing was shown to depend on the instruction.
    """
    r = random.Random(f"removed types {SEED}")
    asked: list[Example] = []
    removed: list[str] = []
    for _ in range(count):
        kind = r.choice(entities.TYPES)
        others = [other for other in entities.TYPES if other != kind]
        asked += entities.instructed(r, "names", (entities.TYPES, others))
        removed.append(kind)
    found = answers_to(engine, [text for example in asked for text in prompts(example)])
    before = after = 0
    for kind, all_types, without in zip(removed, found[::2], found[1::2], strict=True):
        named = {pair for pair in entities.parse(all_types) or () if pair[1] == kind}
        before += len(named)
        left = entities.parse(without)
        after += len(named) if left is None else sum(1 for pair in left if pair[1] == kind)
    return max(0.0, 1 - after / before) if before else 0.0


def _fields(engine: Engine, count: int) -> dict[str, float]:
    scores: dict[str, float] = {}
    for split in HELD_OUT:
        asked = heldout("fields", split, count, SEED)
        given = answers_to(engine, [p.prompt for p in asked])
        # Without the question, which could pass for evidence.
        passages = [p.prompt.removesuffix(continuation(p.turn)) for p in asked]
        found = fields.score(given, [p.turn for p in asked], passages)
        if found.value_exact_match is None or found.absent_recognised is None or found.evidence_exact is None:
            raise _too_few(count)
        scores |= {
            f"{split}_value_exact": found.value_exact_match,
            f"{split}_absent_recognised": found.absent_recognised,
            f"{split}_evidence_exact": found.evidence_exact,
            # None when no answer gives a value: then none has shown evidence either.
            f"{split}_evidence_grounded": found.evidence_grounded or 0.0,
        }
    return scores


def _statements(engine: Engine, count: int) -> dict[str, float]:
    scores: dict[str, float] = {}
    for split in HELD_OUT:
        asked = heldout("statements", split, count, SEED)
        found = statements.score(answers_to(engine, [p.prompt for p in asked]), [p.turn for p in asked])
        if found.f1 is None or found.empty_kept is None:
            raise _too_few(count)
        scores |= {f"{split}_f1": found.f1, f"{split}_empty_kept": found.empty_kept}
        scores |= {f"{split}_things_f1": found.things_f1 or 0.0, f"{split}_unreadable": found.unreadable}
    return scores


def _too_few(count: int) -> HarnessError:
    return HarnessError(f"{count} held-out prompts are too few to score", next_step="ask for 100 or more")


def _answers(engine: Engine, count: int) -> dict[str, float]:
    scores: dict[str, float] = {}
    for split in HELD_OUT:
        asked = heldout("answers", split, count, SEED)
        found = answers.score(answers_to(engine, [p.prompt for p in asked]), [p.turn for p in asked])
        scores |= {f"{split}_{kind}": found.exact[kind] for kind in answers.KINDS if kind in found.exact}
        r = random.Random(f"conflicts {split} {SEED}")
        contradicted = [answers.conflicts(r, split) for _ in range(count // 3)]
        texts = [text for example in contradicted for text in prompts(example)]
        turns = [turn for example in contradicted for turn in example.turns]
        follows = answers.score(answers_to(engine, texts), turns).conflicts
        if follows is None:
            raise _too_few(count)
        scores[f"{split}_conflict_memory"] = follows.follows_memory
        scores[f"{split}_conflict_context"] = follows.follows_context
    return scores


_EVALUATIONS: Mapping[str, Callable[[Engine, int], dict[str, float]]] = {
    "entities": _entities,
    "fields": _fields,
    "answers": _answers,
    "statements": _statements,
}

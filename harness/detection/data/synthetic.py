"""Questions whose context contradicts what the embedded model has memorized, and what was answered to them.

A model that follows its memory hallucinates, one that follows the context does not: both happen with the same
prompts, so nothing but the answer tells them apart. `answered` takes a model's own answers, `planted` writes
answers of both kinds without a model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.detection.data.ragtruth import RECORD_KEYS
from harness.detection.data.responses import TASKS, Label, Response
from harness.models.example import Turn
from harness.models.tasks.answers import conflicts, followed
from harness.models.tasks.relations import RELATIONS

Variant = Literal["confounded", "balanced"]
Answer = Callable[[Sequence[str]], Sequence[str]]
"""The answers to some prompts (user messages; the system message is the task's own)."""

HALLUCINATED: Mapping[Variant, Mapping[str, float]] = {
    "confounded": {"Data2txt": 0.82, "QA": 0.35, "Summary": 0.34},
    "balanced": dict.fromkeys(TASKS, 0.5),
}
"""Share of hallucinated responses by task; the first as in RAGTruth's test set of LLaMA-2-7B-chat."""

TASK_OF = {"person": "QA", "place": "Data2txt", "company": "Summary"}
SOURCE = "generated"
_BATCH = 48
_MOST_BATCHES = 400


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt about one fact. `context` is where the contradicting text stands in it."""

    source_id: str
    task: str
    prompt: str
    context: tuple[int, int]
    turn: Turn


@dataclass(frozen=True, slots=True)
class Dataset:
    """Responses, and each source's `source_info` as RAGTruth's files have it."""

    responses: tuple[Response, ...]
    infos: Mapping[str, Any]


def questions(seed: int) -> Iterator[Question]:
    """Endlessly many, each with a source of its own, of entities that training never contradicted."""
    of = {relation.name: relation.of for relation in RELATIONS}
    number = 0
    while True:
        made = conflicts(random.Random(f"detection {seed} {number}"), "names")
        for place, turn in enumerate(made.turns):
            text = made.text
            prompt = f"{text}{turn.question}"
            task = TASK_OF[of[turn.about["relation"]]]
            # the other questions about this text would share its context
            if place == number % len(made.turns):
                yield Question(f"s{seed}-{number}", task, prompt, (0, len(text.rstrip("\n"))), turn)
        number += 1


def answered(
    seed: int, variant: Variant, per_task: int, answer: Answer, model: str, length: Callable[[str], int]
) -> Dataset:
    """`per_task` answers of each task that a model really gave, the variant's share of them hallucinated.

    In "balanced" each hallucinated answer has a faithful one of its task and `length` (tokens) beside it, so
    that neither tells them apart. Questions are asked until there are enough; answers that follow neither
    context nor memory are left out. Raises ValueError when a model gives too few of a kind.
    """
    pool = Pool(variant, per_task)
    stream = questions(seed)
    for _ in range(_MOST_BATCHES):
        batch = [next(stream) for _ in range(_BATCH)]
        for question, text in zip(batch, answer([each.prompt for each in batch]), strict=True):
            pool.offer(Given(question, text.strip()), length(text.strip()))
        if not pool.missing:
            return _dataset(pool.kept, model)
    raise ValueError(f"the model gives too few answers of a kind: {pool.missing} are missing")


def planted(seed: int, variant: Variant, per_task: int, length: Callable[[str], int] = len) -> Dataset:
    """The same with answers that no model gave: the memorized value or the context's, by chance."""
    r = random.Random(f"planted {seed}")

    def answer_of(question: Question) -> str:
        return question.turn.about[r.choice(("memory", "context"))]

    pool = Pool(variant, per_task)
    for question in questions(seed):
        text = answer_of(question)
        pool.offer(Given(question, text), length(text))
        if not pool.missing:
            break
    return _dataset(pool.kept, "planted")


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given to a question."""

    question: Question
    text: str

    @property
    def follows(self) -> str:
        """ "context", "memory" or "other"."""
        return followed(self.text, self.question.turn)


class Pool:
    """Answers taken until each task has as many of both kinds as the variant wants."""

    def __init__(self, variant: Variant, per_task: int) -> None:
        shares = HALLUCINATED[variant]
        counts = {task: round(shares[task] * per_task) for task in TASKS}
        self._paired = variant == "balanced"
        self._wanted = {
            (task, follows): counts[task] if follows == "memory" else per_task - counts[task]
            for task in TASKS
            for follows in ("memory", "context")
        }
        self._waiting: dict[tuple[str, str, int], list[Given]] = {}
        self.kept: list[Given] = []

    @property
    def missing(self) -> int:
        """Answers that are still wanted."""
        return sum(self._wanted.values())

    def offer(self, given: Given, length: int) -> None:
        """Keep the answer when its kind is wanted; a paired one once its partner is there."""
        task, follows = given.question.task, given.follows
        if not self._wanted.get((task, follows)):
            return
        if not self._paired:
            self._keep(given)
            return
        other = "context" if follows == "memory" else "memory"
        partners = self._waiting.get((task, other, length))
        if partners:
            self._keep(partners.pop(0))
            self._keep(given)
        else:
            self._waiting.setdefault((task, follows, length), []).append(given)

    def _keep(self, given: Given) -> None:
        self._wanted[given.question.task, given.follows] -= 1
        self.kept.append(given)


def _dataset(kept: Sequence[Given], model: str) -> Dataset:
    responses = tuple(_response(each.question, each.text, model) for each in kept)
    return Dataset(responses, {each.question.source_id: _info(each.question) for each in kept})


def _response(question: Question, text: str, model: str) -> Response:
    is_memory = followed(text, question.turn) == "memory"
    labels = (Label(0, len(text), "Evident Conflict"),) if is_memory else ()
    return Response(
        id=f"{question.source_id}-{model}",
        source_id=question.source_id,
        task=question.task,
        model=model,
        temperature=0.0,
        prompt=question.prompt,
        context=question.context,
        text=text,
        labels=labels,
    )


def _info(question: Question) -> Any:
    """`source_info` in the form of the task."""
    start, end = question.context
    text, asked = question.prompt[start:end], question.prompt[end:].strip()
    if question.task == "QA":
        return {"question": asked, "passages": text}
    if question.task == "Data2txt":
        return {**dict.fromkeys(RECORD_KEYS, ""), "review_info": [text]}
    return text

"""Task (c): answer a question from a context that sometimes contradicts what the model has memorized.

Training asks for the facts of a small world as often as they are popular, with and without a context that
states them, and for facts of new entities, which only the context knows. When a context contradicts the
world, the label is what the context says; that a model then follows its memory is its own mistake.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate

from harness.models.example import Example, Span, Split, Turn
from harness.models.tasks.relations import RELATIONS, Relation, scrambled_question, scrambled_statement
from harness.models.tasks.world import (
    MOST_CONTRADICTED,
    POPULARITY,
    WEIGHT,
    Fact,
    contradicted,
    fresh,
    never_contradicted,
    world,
)

SYSTEM = "Answer from the context, else from memory, else: not stated."
NOT_STATED = "not stated"
NO_CONTEXT = "There is no context.\n"
KINDS = ("closed_book", "agreeing", "new", "conflict", "unanswerable")
SHORTEST, LONGEST = 4, 8  # sentences of a context
SCRAMBLED_SHARE = 0.3  # of the statements and questions of training
LABELS = tuple(relation.name for relation in RELATIONS)

_SAME_RELATION, _SAME_ENTITY, _WORLD_VALUE = 0.6, 0.3, 0.3
_OPENINGS = (
    *[""] * 5, "As the paper says, ", "It is said that ", "According to the file, ", "By all accounts, ",
    "We read that ", "The records show that ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mixture:
    """How training questions are shared out over the kinds: relative weights, which are scaled to sum to 1.

    `contradicted_share` of the world's entities are those that conflict questions are about.
    `bare_share` is the share of examples without any context. These ask only closed-book and unanswerable
    questions, and the other examples ask so many fewer of them that the shares of the kinds stay as given.
    Raises ValueError for negative weights, or more bare examples than such questions.
    """

    closed_book_share: float = 0.22
    agreeing_share: float = 0.18
    new_share: float = 0.44
    conflict_share: float = 0.08
    unanswerable_share: float = 0.12
    bare_share: float = 0.10
    contradicted_share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.contradicted_share <= MOST_CONTRADICTED:
            raise ValueError(
                f"the contradicted share must be above 0 and at most {MOST_CONTRADICTED}: {self}"
            )
        if min(self.weights) < 0 or not sum(self.weights) or not 0 <= self.bare_share <= self.answerless:
            raise ValueError(f"the shares must be >= 0 and the bare share at most {self.answerless}: {self}")

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights of KINDS."""
        return (self.closed_book_share, self.agreeing_share, self.new_share, self.conflict_share,
                self.unanswerable_share)  # fmt: skip

    @property
    def answerless(self) -> float:
        """The share of questions that the context does not answer, of all."""
        return (self.closed_book_share + self.unanswerable_share) / sum(self.weights)


def example(r: random.Random, split: Split, mixture: Mixture = Mixture(), questions: int = 5) -> Example:
    """One context and its questions, at most LONGEST.

    Split "train" contradicts only the mixture's share of the entities; the others contradict only those that
    training never does, with names that it never has, and "templates" with wordings that it never has.
    """
    if not 1 <= questions <= LONGEST:
        raise ValueError(f"an example has 1 to {LONGEST} questions, not {questions}")
    closed, *stated, unanswerable = mixture.weights
    if r.random() < mixture.bare_share:
        kinds = r.choices(["closed_book", "unanswerable"], [closed, unanswerable], k=questions)
        return _example(r, split, [(kind, "") for kind in kinds], frozenset(), bare=True)
    left = 1 - mixture.bare_share / mixture.answerless if mixture.bare_share else 1.0
    kinds = r.choices(KINDS, [closed * left, *stated, unanswerable * left], k=questions)
    among = contradicted(mixture.contradicted_share) if split == "train" else never_contradicted()
    return _example(r, split, [(kind, "") for kind in kinds], among)


def conflicts(r: random.Random, split: Split) -> Example:
    """A context that contradicts three facts, one of each popularity class, of entities that training never
    contradicts, and the three questions about them. The split decides names and wordings only.
    """
    order = r.sample(list(POPULARITY), len(POPULARITY))
    return _example(r, split, [("conflict", popularity) for popularity in order], never_contradicted())


def corpus(seed: int, count: int) -> Iterator[str]:
    """Texts for training a tokenizer: contexts, questions and answers of `count` training examples."""
    r = random.Random(f"answers corpus {seed}")
    for _ in range(count):
        made = example(r, "train")
        yield from (made.system, made.text)
        for turn in made.turns:
            yield from (turn.question, turn.answer)


def is_right(answer: str | None, turn: Turn) -> bool:
    """Whether the answer is the gold one, letter case, outer blanks and a final full stop aside."""
    return _plain(answer) == _plain(turn.answer)


@dataclass(frozen=True, slots=True)
class Follows:
    """What the answers to n conflict questions follow, as shares that sum to 1."""

    follows_context: float
    follows_memory: float
    other: float
    n: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Exact match and number of questions by kind; what conflict answers follow (None: none was asked).

    `recall` is the exact match of closed-book questions by popularity. Only what was asked has a key.
    """

    exact: Mapping[str, float]
    n: Mapping[str, int]
    recall: Mapping[str, float]
    conflicts: Follows | None
    by_popularity: Mapping[str, Follows]


def score(answers: Sequence[str | None], turns: Sequence[Turn]) -> Scores:
    """Score answers against their turns."""
    pairs = list(zip(answers, turns, strict=True))
    right: dict[str, list[bool]] = {}
    recall: dict[str, list[bool]] = {}
    for answer, turn in pairs:
        right.setdefault(turn.about["kind"], []).append(is_right(answer, turn))
        if turn.about["kind"] == "closed_book":
            recall.setdefault(turn.about["popularity"], []).append(is_right(answer, turn))
    return Scores(
        exact={kind: sum(right[kind]) / len(right[kind]) for kind in KINDS if kind in right},
        n={kind: len(right[kind]) for kind in KINDS if kind in right},
        recall={known: sum(recall[known]) / len(recall[known]) for known in POPULARITY if known in recall},
        conflicts=conflicts_by(answers, turns, "kind").get("conflict"),
        by_popularity=conflicts_by(answers, turns, "popularity"),
    )


def conflicts_by(answers: Sequence[str | None], turns: Sequence[Turn], key: str) -> dict[str, Follows]:
    """What the answers to conflict questions follow, by a key of `about` (place, rivals, relation...)."""
    groups: dict[str, list[str]] = {}
    for answer, turn in zip(answers, turns, strict=True):
        if turn.about["kind"] == "conflict":
            groups.setdefault(turn.about[key], []).append(followed(answer, turn))
    return {value: _follows(found) for value, found in sorted(groups.items())}


def followed(answer: str | None, turn: Turn) -> str:
    """What the answer to a conflict question follows: "context", "memory" or "other"."""
    for what in ("context", "memory"):
        if _plain(answer) == _plain(turn.about[what]):
            return what
    return "other"


def _follows(found: Sequence[str]) -> Follows:
    context, memory, other = (found.count(what) / len(found) for what in ("context", "memory", "other"))
    return Follows(context, memory, other, len(found))


def _plain(answer: str | None) -> str:
    return (answer or "").strip().removesuffix(".").rstrip().casefold()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question of a kind about a fact; `stated` is the fact as the context has it, if it does."""

    kind: str
    fact: Fact
    stated: Fact | None = None


@dataclass(slots=True)
class _Draft:
    """What is drawn so far: the context's facts, names in use (lower case), and what is asked for."""

    r: random.Random
    held: bool
    contradicted: frozenset[str]
    context: list[Fact] = field(default_factory=list)
    taken: set[str] = field(default_factory=lambda: set(world().names))
    asked: set[tuple[str, str]] = field(default_factory=set)


def _example(
    r: random.Random,
    split: Split,
    wishes: Sequence[tuple[str, str]],
    contradicted: frozenset[str],
    bare: bool = False,
) -> Example:
    """An example with a question for each (kind, popularity class or any), drawn until it is unambiguous.

    Conflict questions are about entities in `contradicted`.
    """
    while True:
        draft = _Draft(r, split != "train", contradicted)
        asked = _plan(draft, wishes, bare)
        text, spans = (NO_CONTEXT, ()) if bare else _write(r, draft.context, split)
        if _is_clear(asked, draft.context, text):
            return Example(SYSTEM, text, tuple(_turn(r, one, draft.context, split) for one in asked), spans)


def _plan(draft: _Draft, wishes: Sequence[tuple[str, str]], bare: bool) -> list[_Asked]:
    """The questions; the draft's context then has all that they need and distractors, in a random order."""
    r = draft.r
    answerable = [
        None if kind == "unanswerable" else _answerable(draft, kind, known) for kind, known in wishes
    ]
    count = 0 if bare else r.randint(SHORTEST, LONGEST)
    while len(draft.context) < count:
        same = draft.context and r.random() < _SAME_RELATION
        draft.context.append(_new_fact(draft, r.choice(draft.context).relation if same else None))
    # Only now it is known what the context leaves out.
    asked = [one or _Asked("unanswerable", _missing_fact(draft)) for one in answerable]
    r.shuffle(draft.context)
    return asked


def _answerable(draft: _Draft, kind: str, popularity: str) -> _Asked:
    if kind == "new":
        fact = _new_fact(draft)
        draft.context.append(fact)
        draft.asked.add((fact.entity, fact.relation.name))
        return _Asked(kind, fact, fact)
    facts, weights = _facts(popularity, draft.contradicted if kind == "conflict" else None)
    while True:
        fact = draft.r.choices(facts, cum_weights=weights)[0]
        if (fact.entity, fact.relation.name) not in draft.asked:
            break
    draft.asked.add((fact.entity, fact.relation.name))
    if kind == "closed_book":
        return _Asked(kind, fact)
    stated = replace(fact, value=_fresh(draft, fact.relation.value)) if kind == "conflict" else fact
    draft.context.append(stated)
    return _Asked(kind, fact, stated)


@cache
def _facts(popularity: str, among: frozenset[str] | None) -> tuple[Sequence[Fact], Sequence[int]]:
    """The world's facts of a class (or all), of these entities (or all); summed weights."""
    facts = [
        fact
        for fact in world().facts
        if popularity in ("", fact.popularity) and (among is None or fact.entity in among)
    ]
    return facts, list(accumulate(WEIGHT[fact.popularity] for fact in facts))


def _new_fact(draft: _Draft, relation: Relation | None = None) -> Fact:
    """A fact of an entity outside the world, perhaps of one in the context that has no such fact yet."""
    r = draft.r
    relation = relation or r.choice(RELATIONS)
    known = _without(draft, relation)
    entity = r.choice(known) if known and r.random() < _SAME_ENTITY else _fresh(draft, relation.of)
    if r.random() < _WORLD_VALUE:
        stated = {fact.value for fact in draft.context}
        value = r.choice([value for value in world().values[relation.value] if value not in stated])
    else:
        value = _fresh(draft, relation.value)
    return Fact(entity, relation, value)


def _missing_fact(draft: _Draft) -> Fact:
    """A fact without a value, of an entity that nobody knows or of a new one in the context."""
    r = draft.r
    relation = r.choice(RELATIONS)
    known = [e for e in _without(draft, relation) if (e, relation.name) not in draft.asked]
    entity = r.choice(known) if known and r.random() < 0.5 else _fresh(draft, relation.of)
    draft.asked.add((entity, relation.name))
    return Fact(entity, relation, "")


def _without(draft: _Draft, relation: Relation) -> list[str]:
    """The new entities of the context that could have the relation and do not have it yet."""
    has = {fact.entity for fact in draft.context if fact.relation is relation}
    fitting = [f.entity for f in draft.context if not f.popularity and f.relation.of == relation.of]
    return [entity for entity in dict.fromkeys(fitting) if entity not in has]


def _fresh(draft: _Draft, kind: str) -> str:
    name = fresh(draft.r, kind, draft.held, draft.taken)
    draft.taken.add(name.casefold())
    return name


def _write(r: random.Random, context: Sequence[Fact], split: Split) -> tuple[str, tuple[Span, ...]]:
    text, spans = "", []
    for fact in context:
        relation = fact.relation
        sentence = r.choice(_OPENINGS) + _wording(r, relation, split)
        before, after = f"{sentence[0].upper()}{sentence[1:]}".replace("{e}", fact.entity).split("{v}")
        text += f" {before}" if text else before
        spans.append(Span(len(text), len(text) + len(fact.value), relation.name))
        text += f"{fact.value}{after}."
    return f"{text}\n", tuple(spans)


def _wording(r: random.Random, relation: Relation, split: Split) -> str:
    if split == "train" and r.random() < SCRAMBLED_SHARE:
        return scrambled_statement(r, relation)
    return r.choice(relation.held_statements if split == "templates" else relation.statements)


def _is_clear(asked: Sequence[_Asked], context: Sequence[Fact], text: str) -> bool:
    """No value is stated twice, and none that must come from memory, or compete with it, is in the text."""
    words = [found.casefold() for found in re.findall(r"\w+", text)]
    stated = [fact.value.casefold() for fact in context]
    memory = {one.fact.value.casefold() for one in asked if one.kind in ("closed_book", "conflict")}
    return len(set(stated)) == len(stated) and memory.isdisjoint(words)


def _turn(r: random.Random, asked: _Asked, context: Sequence[Fact], split: Split) -> Turn:
    fact, stated = asked.fact, asked.stated
    relation = fact.relation
    question = _question(r, relation, split)
    about = {
        "kind": asked.kind,
        "entity": fact.entity,
        "relation": relation.name,
        "memory": fact.value if fact.popularity else "",
        "context": stated.value if stated else "",
        "popularity": fact.popularity or "none",
        "place": _place(context.index(stated), len(context)) if stated else "none",
        "rivals": str(sum(f.relation is relation and f is not stated for f in context)),
        "statements": str(len(context)),
    }
    answer = stated.value if stated else fact.value or NOT_STATED
    return Turn(f"Question: {question.replace('{e}', fact.entity)}", answer, about)


def _question(r: random.Random, relation: Relation, split: Split) -> str:
    if split == "train" and r.random() < SCRAMBLED_SHARE:
        return scrambled_question(r, relation)
    return r.choice(relation.held_questions if split == "templates" else relation.questions)


def _place(index: int, count: int) -> str:
    return "first" if index == 0 else "last" if index == count - 1 else "middle"

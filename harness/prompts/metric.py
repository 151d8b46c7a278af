"""How right an answer is: set F1 over (name, type) pairs, and feedback a reflection model can work with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.prompts.examples import UNKNOWN_TYPE, Entity, EntityType, Example

Found = frozenset[Entity] | None
"""The entities of an answer; None when it could not be read."""

Keys = frozenset[tuple[str, int]]

_MOST_QUOTED = 80


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs found, found in excess, and missed."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing found."""
        wrong = self.false_positives + self.false_negatives
        return 2 * self.true_positives / (2 * self.true_positives + wrong) if self.counted else 1.0

    @property
    def precision(self) -> float:
        """Share of what was found that is right; where nothing was found, 1 if that is right and 0 if not."""
        found = self.true_positives + self.false_positives
        return self.true_positives / found if found else float(not self.counted)

    @property
    def recall(self) -> float:
        """Share of what was to be found that was; where there was nothing, 1 if none was found, else 0."""
        wanted = self.true_positives + self.false_negatives
        return self.true_positives / wanted if wanted else float(not self.counted)

    @property
    def counted(self) -> int:
        """Pairs expected or found, each once."""
        return self.true_positives + self.false_positives + self.false_negatives

    @property
    def counts(self) -> tuple[int, int, int]:
        """(true positives, false positives, false negatives), as `harness.measure.divergence` reads them."""
        return self.true_positives, self.false_positives, self.false_negatives

    def __add__(self, other: Score) -> Score:
        return Score(*(a + b for a, b in zip(self.counts, other.counts, strict=True)))


NOTHING = Score(0, 0, 0)


def total(scores: Iterable[Score]) -> Score:
    """The counts together: micro F1 is the total's `f1`."""
    return sum(scores, NOTHING)


def score(found: Found, example: Example) -> Score:
    """Compare with the example; names lower-cased and stripped, a wrong type is one missed and one extra.

    An unreadable answer (None) has found nothing; where that would be right it counts as one extra, so that
    no garbage is ever a right answer.
    """
    return _score(_answered(found, example), _keys(example.entities))


def by_type(found: Found, example: Example, types: Sequence[EntityType]) -> dict[int, Score]:
    """The score of each type by id; ids that no type has follow in their order. They add up to `score`."""
    there, wanted = _answered(found, example), _keys(example.entities)
    known = [each.id for each in types]
    others = sorted({type_id for _, type_id in there | wanted} - set(known))
    return {
        type_id: _score(
            frozenset(key for key in there if key[1] == type_id),
            frozenset(key for key in wanted if key[1] == type_id),
        )
        for type_id in (*known, *others)
    }


def feedback(found: Found, example: Example, types: Sequence[EntityType], *, reveal: bool = False) -> str:
    """What to better, in English: how many entities of which type were missed, extra or of a wrong type.

    No expected name is told unless `reveal`: a model that reflects on the feedback would write the names into
    the instruction, and be right on these examples only.
    """
    there, wanted = _keys(found or ()), _keys(example.entities)
    errors = _errors(there, wanted)
    result = score(found, example)
    names = {each.id: each.name for each in types}
    lines = [f"F1 {result.f1:.2f} (precision {result.precision:.2f}, recall {result.recall:.2f})."]
    if found is None:
        lines.append("The answer was no JSON in the form asked for and counts as empty.")
    if errors.missed:
        lines.append(f"Missed: {_per_type(errors.missed, names)}.")
    if found is not None:
        lines += _never_found(errors, there, types)
    if errors.mistyped:
        lines.append(f"Right name, wrong type: {_wrong_types(errors.mistyped, names)}.")
    if errors.extra:
        lines.append(f"Not expected: {_per_type(errors.extra, names)}.")
        lines += _about_extra(errors, wanted, example)
    if there == wanted and found is not None:
        lines.append("All found, nothing else." if wanted else "Nothing to find, and nothing was found.")
    if reveal:
        lines += _revealed(errors, example, found or (), names)
    return " ".join(lines)


@dataclass(frozen=True, slots=True)
class _Errors:
    """Sorted keys that are missed, extra, or (name, expected type, answered type)."""

    missed: tuple[tuple[str, int], ...]
    extra: tuple[tuple[str, int], ...]
    mistyped: tuple[tuple[str, int, int], ...]


def _keys(entities: Iterable[Entity]) -> Keys:
    return frozenset(each.key for each in entities)


def _answered(found: Found, example: Example) -> Keys:
    if found is None and not example.entities:
        return frozenset({("", UNKNOWN_TYPE)})
    return _keys(found or ())


def _score(there: Keys, wanted: Keys) -> Score:
    return Score(len(there & wanted), len(there - wanted), len(wanted - there))


def _errors(there: Keys, wanted: Keys) -> _Errors:
    """A name that is missed under one type and extra under another is mistyped, once for each such pair."""
    missed, extra = sorted(wanted - there), sorted(there - wanted)
    mistyped = []
    for key in list(missed):
        answered = next((each for each in extra if each[0] == key[0]), None)
        if answered:
            mistyped.append((key[0], key[1], answered[1]))
            missed.remove(key)
            extra.remove(answered)
    return _Errors(tuple(missed), tuple(extra), tuple(mistyped))


def _of_type(type_id: int, names: Mapping[int, str]) -> str:
    return f"of type {names[type_id]}" if type_id in names else "of a type that does not exist"


def _per_type(keys: Sequence[tuple[str, int]], names: Mapping[int, str]) -> str:
    counts = Counter(type_id for _, type_id in keys)
    return ", ".join(f"{count} {_of_type(type_id, names)}" for type_id, count in sorted(counts.items()))


def _wrong_types(mistyped: Sequence[tuple[str, int, int]], names: Mapping[int, str]) -> str:
    counts = Counter((expected, answered) for _, expected, answered in mistyped)
    return ", ".join(
        f"{count} {_of_type(expected, names)} answered as one {_of_type(answered, names)}"
        for (expected, answered), count in sorted(counts.items())
    )


def _never_found(errors: _Errors, there: Keys, types: Sequence[EntityType]) -> list[str]:
    """Types of which something was missed and nothing answered: the instruction may leave them out."""
    absent = {type_id for _, type_id in errors.missed} - {type_id for _, type_id in there}
    said = [_told(each) for each in types if each.id in absent]
    return [f"Nothing was answered of type {' or '.join(said)}."] if said else []


def _told(kind: EntityType) -> str:
    about = kind.description.strip().rstrip(".")
    return f"{kind.name} ({about})" if about else kind.name


def _about_extra(errors: _Errors, wanted: Keys, example: Example) -> list[str]:
    text, expected = example.text.lower(), {name for name, _ in wanted}
    absent = sum(name not in text for name, _ in errors.extra)
    ragged = sum(
        any(name != other and (name in other or other in name) for other in expected)
        for name, _ in errors.extra
        if name
    )
    said = {"do not stand in the entry as written": absent, "are cut too short or too long": ragged}
    return [f"Of these names, {count} {what}." for what, count in said.items() if count]


def _revealed(
    errors: _Errors, example: Example, found: Iterable[Entity], names: Mapping[int, str]
) -> list[str]:
    """The names themselves, the expected ones as the example writes them."""
    written = {each.key: each.name for each in sorted(found, key=lambda each: each.name)}
    written |= {each.key: each.name for each in example.entities}
    missed = [*errors.missed, *((name, expected) for name, expected, _ in errors.mistyped)]
    lines = {"Expected": [each.key for each in example.entities], "Missed": missed, "Extra": errors.extra}
    return [
        f"{title}: {', '.join(f'{_quoted(written[key])} {_of_type(key[1], names)}' for key in keys)}."
        for title, keys in lines.items()
        if keys
    ]


def _quoted(name: str) -> str:
    return json.dumps(name if len(name) <= _MOST_QUOTED else name[:_MOST_QUOTED] + "...", ensure_ascii=False)

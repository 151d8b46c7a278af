"""Training texts that stand word for word in an instruction. Pure.

An instruction that names what it was trained on is right about those texts and says nothing about others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.prompts.examples import EntityType, Example
from harness.prompts.report.findings import Finding, excerpt, place

LONG_RUN = 5

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

# Words that stand in any English text, and those that any instruction for the task uses.
_COMMON = frozenset(
    """a about above after again all along also always among an and another any are as at away back be
    because been before being below between both but by came can could day days did do does doing done
    down during each either else ever every few first for from get go goes going got had has have he her
    here hers him his how i if in into is it its just last later like made make many may me mention
    mentioned mentions might more most much must my near never new next no nor not now of off often old
    on once one only or other our out over own s said same say see shall she should since so some still
    such t than that the their them then there these they thing things this those three through time to
    today together told too took toward two under until up upon us use used very was way we week well
    went were what when where whether which while who whom whose why will with within without would year
    years yes yet you your
    answer answers entities entity entry extract extracted example examples find found format id ids
    identify instruction json list lists name named names text texts type types word words""".split()
)


_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


def leaks(
    instruction: str, training: Sequence[Example], types: Sequence[EntityType], seed_instruction: str = ""
) -> list[Finding]:
    """Gold names, and runs of two words and more, of the training texts, in the order of the instruction.

    Compared word by word in lower case. A run counts when two of its words are the text's own: no common
    words, nor those of the types' names and descriptions or of `seed_instruction`, which the optimization
    began with. From `LONG_RUN` words on one own word is enough. A gold name counts by itself, unless it has
    no word of its own.
    """
    words = _words(instruction)
    ours = _COMMON.union(*(map(_texts, (seed_instruction, *_type_texts(types)))))
    names = list(_names(instruction, words, training, ours))
    inside = [span for span, _ in names]
    runs = [
        (span, finding)
        for span, finding in _runs(instruction, words, training, ours)
        if not any(start <= span[0] and span[1] <= end for start, end in inside)
    ]
    return [finding for _, finding in sorted([*names, *runs], key=lambda each: each[0])]


def _type_texts(types: Sequence[EntityType]) -> Iterator[str]:
    for each in types:
        yield each.name
        yield each.description
        # people write the plural
        yield f"{each.name}s"


def _words(text: str) -> list[_Word]:
    return [_Word(match.group().lower(), match.start(), match.end()) for match in _WORD.finditer(text)]


def _texts(text: str) -> frozenset[str]:
    return frozenset(word.text for word in _words(text))


def _names(
    instruction: str, words: Sequence[_Word], training: Iterable[Example], ours: frozenset[str]
) -> Iterator[tuple[_Span, Finding]]:
    names: dict[tuple[str, ...], str] = {}
    for example in training:
        for entity in example.entities:
            key = tuple(word.text for word in _words(entity.name))
            if key and not set(key) <= ours:
                names.setdefault(key, example.id)
    for key, example_id in names.items():
        for first in _occurrences(words, key):
            start, end = words[first].start, words[first + len(key) - 1].end
            yield (
                (start, end),
                Finding(
                    "warning",
                    "leaked name",
                    place(instruction, start),
                    f"{excerpt(instruction[start:end])} is to be found in training example {example_id}",
                    "say what such names have in common, and leave the name out",
                ),
            )


def _occurrences(words: Sequence[_Word], key: tuple[str, ...]) -> Iterator[int]:
    for first in range(len(words) - len(key) + 1):
        if all(words[first + i].text == key[i] for i in range(len(key))):
            yield first


def _runs(
    instruction: str, words: Sequence[_Word], training: Sequence[Example], ours: frozenset[str]
) -> Iterator[tuple[_Span, Finding]]:
    """The longest common run at each place, none inside another."""
    followers = _bigrams(training)
    first = 0
    while first + 1 < len(words):
        length, example_id = _longest(words, first, followers)
        own = sum(word.text not in ours for word in words[first : first + length])
        if length < 2 or not (own >= 2 or (own and length >= LONG_RUN)):
            first += 1
            continue
        start, end = words[first].start, words[first + length - 1].end
        yield (
            (start, end),
            Finding(
                "warning",
                "leaked text",
                place(instruction, start),
                f"{excerpt(instruction[start:end])} stands in training example {example_id}",
                "say it in general words",
            ),
        )
        first += length


_Followers = dict[tuple[str, str], list[tuple[Sequence[str], int, str]]]


def _bigrams(training: Sequence[Example]) -> _Followers:
    """Where each pair of words stands: the text's words, the place, the example's id."""
    places: _Followers = {}
    for example in training:
        text = [word.text for word in _words(example.text)]
        for i in range(len(text) - 1):
            places.setdefault((text[i], text[i + 1]), []).append((text, i, example.id))
    return places


def _longest(words: Sequence[_Word], first: int, places: _Followers) -> tuple[int, str]:
    """Length of the longest run from `first` that some text has, and that text's example."""
    best, where = 0, ""
    for text, i, example_id in places.get((words[first].text, words[first + 1].text), ()):
        length = 2
        while (
            first + length < len(words)
            and i + length < len(text)
            and words[first + length].text == text[i + length]
        ):
            length += 1
        if length > best:
            best, where = length, example_id
    return best, where

"""Task (a): typed entities from a diary entry, as JSON; only the types that the instruction names.

Every type is readable from the left, as a causal model needs: cues such as "the firm", "near" or "doing" come
before the name. A vague instruction means persons and places only, so that a better one scores higher.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.models.example import Example, Span, Split, Turn
from harness.models.tasks.names import proper_name, word

TYPES = ("person", "place", "organization", "activity")
VAGUE = ("person", "place")

# Real-looking names that no generator of training data may produce.
HELD_OUT: Mapping[str, tuple[str, ...]] = {
    "person": tuple(
        "Marta Igor Ngozi Sofia Hiroshi Leila Anders Priya Tomas Yusuf Ingrid Paolo Chidi Freya Mateo Zanele "
        "Olga Ravi Bianca Kwame Elif Noemi Jakub Saoirse Dmitri Hannah Samuel Aisha Viktor Lucia".split()
    ),
    "place": tuple(
        "Lisbon Tromso Nairobi Quito Krakow Hobart Dakar Bergen Oaxaca Cusco Tallinn Bristol Kyoto Vilnius "
        "Sapporo Girona Malmo Ghent Porto Izmir Toledo Utrecht Valencia Durban".split()
    ),
    "organization": tuple(
        "Vantia Oxbridge Helixon Norsand Quanterra Bluefin Zephyra Kestrel Omnitek Larkspur Mondavi Patagon "
        "Siltec Verdigo Wexford Arcadis Belmont Corvex".split()
    ),
    "activity": tuple(
        "fencing kayaking bouldering knitting pottery archery snorkeling gardening calligraphy birding "
        "surfing weaving juggling sculling orienteering sketching rowing foraging".split()
    ),
}
_BANNED = {name for names in HELD_OUT.values() for name in names}

_ORGANIZATION_ENDS = (
    "Labs Bank Group Studio Works Institute Foundation Press Motors Clinic".split() + [""] * 2
)
_PLACE_STARTS = ["Lake", "Mount", "Port", "North", "Old", *[""] * 5]
_PLACE_ENDS = ["Street", "Park", "Square", "Bay", "Hills", *[""] * 5]
_ACTIVITY_ENDS = ["practice", "lessons", "training", "", "", ""]

# P person, L place, O organization, A activity
_SLOTS = {"P": "person", "L": "place", "O": "organization", "A": "activity"}
_OPENINGS = ("today", "this morning", "on Sunday", "last week", "yesterday", "after lunch", "again")
_TAILS = (
    "and felt happy", "for two hours", "in the rain", "after work", "with P", "near L", "in L",
    "with my friend P",
)  # fmt: skip
_CORES = (
    "I met P", "I met P near L", "I called P about a job at the firm O", "P and P went to L to practice A",
    "we tried A", "we tried A with P", "I walked around L", "a letter sent by the company O arrived late",
    "the company O offered P a contract", "I spent the evening doing A", "my train to L was delayed",
    "P works for the firm O", "P works for the company O in L", "I signed up for lessons in doing A",
    "P taught me to practice A", "we stayed in L", "the manager of the company O was kind",
    "I had an interview with the firm O", "P told me a story about visiting L", "we tried A but it was hard",
    "I miss living in L", "I wrote to my friend P", "I had dinner with P and P",
    "the team of the firm O started doing A", "P moved from L to L", "my friend P and I spent hours doing A",
    "the company O opened an office in L", "I argued with P about doing A", "the bus to L took two hours",
    "P quit the firm O", "I dreamed of doing A", "P, P and P visited me", "they hired P at the company O",
    "I bought a ticket to L", "P invited me to practice A", "P wrote me a letter", "I read about the firm O",
    "my friend P stayed near L", "we drove to L with P", "I saw P and my friend P in L",
    "I would like to practice A", "the firm O paid P", "a man from the company O talked to me",
    "I helped P with doing A", "P left L", "P likes doing A", "we visited the company O near L",
    "I was tired of doing A",
)  # fmt: skip
_HELD_OUT_CORES = (
    "P called me while visiting L", "I left the firm O and tried A", "with P I walked to L",
    "P dreamed of doing A near L", "the company O hired my friend P", "I spent Sunday in L doing A",
    "P and my friend P talked about the firm O", "I drove from L to L with P",
    "the manager of the firm O likes doing A",
    "they offered P a job in L", "I read a letter from P about visiting L", "we argued about doing A",
)  # fmt: skip
_FILLERS = (
    "It rained all day.", "I slept badly.", "The coffee was cold.", "I felt calm and rested.",
    "Nothing else happened.", "I should write more often.", "The evening was quiet.",
    "I was tired but glad.", "My head hurt a little.", "It was a long week.",
)  # fmt: skip

_NOUNS = {
    "person": ("persons", "people", "person names"),
    "place": ("places", "locations", "place names"),
    "organization": ("organizations", "companies", "firms"),
    "activity": ("activities", "hobbies", "sports"),
}
_VERBS = ("Extract", "List", "Find", "Return", "Give", "Identify")
_VAGUE = (
    "Extract entities.", "Find the entities.", "Extract the named entities as JSON.",
    "List entities in the entry.",
    "Extract entities from the diary entry.",
)  # fmt: skip
_ALL = ("all entities", "every entity of every type", "all four types of entities", "entities of all types")
_ASIDES = (
    "Read the diary entry.", "Answer as JSON.", "Copy the names exactly.", "Do not add anything else.",
    "Use one key for each type.", "Be careful.", "Keep the order of the text.",
    "Names are copied as they stand.",
)  # fmt: skip
_ALSO = ("Also {verb} {noun}.", "Include {noun}.", "Add {noun} too.", "{noun} count as well.")
_NOT = ("Leave out {noun}.", "Do not list {noun}.", "Ignore {noun}.")


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction and the types it asks for, in the order of TYPES."""

    text: str
    asked: tuple[str, ...]


def instruction(r: random.Random) -> Instruction:
    """Vague (persons and places), all types, or some by name; then perhaps changes and asides."""
    chance, verb = r.random(), r.choice(_VERBS)
    if chance < 0.15:
        text, asked = r.choice(_VAGUE), set(VAGUE)
    elif chance < 0.27:
        text, asked = f"{verb} {r.choice(_ALL)}.", set(TYPES)
    else:
        named = r.sample(TYPES, r.choices([1, 2, 3, 4], [3, 3, 2, 4])[0])
        text, asked = f"{verb} {_listing(r, named)}{r.choice(['', ' as JSON', ' in the entry'])}.", set(named)
    for kind in r.sample(TYPES, r.choices([0, 1, 2], [6, 2, 1])[0]):
        wording = r.choice(_NOT if kind in asked else _ALSO)
        asked ^= {kind}
        added = wording.format(noun=r.choice(_NOUNS[kind]), verb=verb.lower())
        text += f" {added[0].upper()}{added[1:]}"
    asides = r.sample(_ASIDES, r.choices([0, 1, 2, 3], [5, 2, 2, 1])[0])
    before = r.randint(0, len(asides))
    text = " ".join([*asides[:before], text, *asides[before:]])
    return Instruction(text, tuple(kind for kind in TYPES if kind in asked))


def asking_for(asked: Sequence[str], verb: str = "Extract") -> str:
    """The plain instruction that names these types."""
    nouns = [_NOUNS[kind][0] for kind in asked]
    return f"{verb} the {_join(nouns)}."


def example(r: random.Random, split: Split, sentences: int = 4) -> Example:
    """One diary entry of up to `sentences` sentences under a random instruction."""
    text, found = _entry(r, split, sentences)
    asked = instruction(r)
    return _example(asked, text, found)


def instructed(
    r: random.Random, split: Split, asked: Sequence[Sequence[str]], sentences: int = 4
) -> list[Example]:
    """The same diary entry under one plain instruction for each set of types."""
    text, found = _entry(r, split, sentences)
    return [_example(Instruction(asking_for(kinds), tuple(kinds)), text, found) for kinds in asked]


def copying(r: random.Random) -> Example:
    """A warm-up: repeat some names."""
    names = " ".join(_core(r, r.choice(TYPES), False) for _ in range(r.randint(2, 6)))
    return Example("Repeat.", names, (Turn("", names),))


def corpus(seed: int, count: int) -> Iterator[str]:
    """Texts for training a tokenizer: entries, instructions and answers."""
    r = random.Random(f"entities corpus {seed}")
    for _ in range(count):
        made = example(r, "train")
        yield from (made.system, made.text, made.turns[0].answer)


def parse(answer: str | None) -> set[tuple[str, str]] | None:
    """(name, type) pairs of an answer; None when it is not the JSON asked for."""
    try:
        data = json.loads(answer or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    pairs = set()
    for kind, names in data.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        pairs |= {(name, kind) for name in names}
    return pairs


def counts(answer: str | None, turn: Turn) -> tuple[int, int, int]:
    """(true positives, false positives, false negatives) of the pairs; unreadable answers find nothing."""
    gold, found = parse(turn.answer) or set(), parse(answer) or set()
    return len(gold & found), len(found - gold), len(gold - found)


def is_right(answer: str | None, turn: Turn) -> bool:
    """Whether the answer has exactly the pairs asked for."""
    return parse(answer) == parse(turn.answer)


@dataclass(frozen=True, slots=True)
class Scores:
    """Micro F1 over (name, type) pairs, the share of exact answers, and how many were no JSON, of n."""

    f1: float
    exact: float
    invalid_json: int
    n: int


def score(answers: Sequence[str | None], turns: Sequence[Turn]) -> Scores:
    """Score answers against their turns; raises ValueError when there are none, or the lengths differ."""
    if not turns:
        raise ValueError("no answers to score")
    hits, extra, missed = map(
        sum, zip(*(counts(a, t) for a, t in zip(answers, turns, strict=True)), strict=True)
    )
    return Scores(
        f1=2 * hits / (2 * hits + extra + missed) if hits + extra + missed else 1.0,
        exact=sum(is_right(a, t) for a, t in zip(answers, turns, strict=True)) / len(turns),
        invalid_json=sum(parse(a) is None for a in answers),
        n=len(turns),
    )


def _example(asked: Instruction, text: str, found: tuple[Span, ...]) -> Example:
    names = {kind: [text[s.start : s.end] for s in found if s.label == kind] for kind in asked.asked}
    answer = json.dumps({kind: list(dict.fromkeys(n)) for kind, n in names.items()}, separators=(",", ":"))
    return Example(asked.text, text, (Turn("", answer, {"asked": " ".join(asked.asked)}),), found)


def _entry(r: random.Random, split: Split, sentences: int) -> tuple[str, tuple[Span, ...]]:
    text, found = "", []
    for _ in range(r.randint(1, sentences)):
        text += " " if text else ""
        if r.random() < 0.15:
            text += r.choice(_FILLERS)
            continue
        for place, piece in enumerate(_sentence(r, split).split(" ")):
            slot = piece.rstrip(".,")
            text += " " if place else ""
            if slot in _SLOTS:
                name = entity(r, _SLOTS[slot], split != "train")
                found.append(Span(len(text), len(text) + len(name), _SLOTS[slot]))
                text += name + piece[len(slot) :]
            else:
                text += piece
    return text, tuple(found)


def _sentence(r: random.Random, split: Split) -> str:
    core = r.choice(_HELD_OUT_CORES if split == "templates" else _CORES)
    if r.random() < 0.3:
        core = f"{r.choice(_OPENINGS)} {core}"
    if r.random() < 0.3:
        core += f" {r.choice(_TAILS)}"
    return f"{core[0].upper()}{core[1:]}."


def entity(r: random.Random, kind: str, held_out: bool) -> str:
    """A name of this type, invented or from the held-out list."""
    core = _core(r, kind, held_out)
    if kind == "person":
        chance = r.random()
        if chance < 0.25:
            return f"{core} {_core(r, kind, held_out)}"
        return f"{r.choice(['Dr', 'Aunt', 'Uncle'])} {core}" if chance < 0.32 else core
    if kind == "place":
        start, end = r.choice(_PLACE_STARTS), r.choice(_PLACE_ENDS)
        return " ".join(p for p in ((start, core) if r.random() < 0.5 else (core, end)) if p)
    return f"{core} {r.choice(_ORGANIZATION_ENDS if kind == 'organization' else _ACTIVITY_ENDS)}".strip()


def _core(r: random.Random, kind: str, held_out: bool) -> str:
    if held_out:
        return r.choice(HELD_OUT[kind])
    if kind != "activity":
        return proper_name(r, _BANNED)
    while True:
        name = word(r, 1, 2) + r.choice(["ing", "ing", "ery", "ing", "ball", "aphy"])
        if name not in _BANNED:
            return name


def _listing(r: random.Random, kinds: Sequence[str]) -> str:
    return r.choice(["", "the ", "all "]) + _join([r.choice(_NOUNS[kind]) for kind in kinds])


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

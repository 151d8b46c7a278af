"""Lines of loan documents by chance: those that state a thing, and those that state nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.models.example import Span, Split
from harness.models.tasks import statements_values as drawn
from harness.models.tasks import statements_wording as wording
from harness.models.tasks.statements_wording import TEXTS, THINGS, Thing

FACILITY_TAG = "facility"
Nothing = Callable[[random.Random, Split, Thing, str], str]
"""Draws a line that states nothing, about a thing and a facility."""
_SLOT = re.compile(r"\{(\w+)\}")
_STATED_SHARE, _FOREIGN_SHARE, _PLAIN_SHARE = 0.6, 0.12, 0.15
_SCRAMBLED_SHARE = 0.3
_TERM_SHARE, _AMENDED_SHARE, _OPENING_SHARE, _TAIL_SHARE = 0.06, 0.06, 0.25, 0.25
_NUMERIC = frozenset({"percent", "ratio", "amount", "date"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line's text, and what it states, all empty where that is nothing.

    `places` are where in it value and facility stand.
    """

    text: str
    code: str = ""
    facility: str = ""
    value: str = ""
    places: tuple[Span, ...] = ()


def line(r: random.Random, split: Split, thing: Thing, names: Sequence[str]) -> Line:
    """A line about the thing and one of the facilities, or about nothing."""
    facility = r.choice(names)
    chance = r.random()
    if chance < _STATED_SHARE:
        return _statement(r, split, thing, facility)
    return Line(r.choice(_NOTHINGS)(r, split, thing, facility))


def _statement(r: random.Random, split: Split, thing: Thing, facility: str) -> Line:
    of_facility = thing.scope == "facility"
    if split == "train" and thing.foreign and r.random() < _FOREIGN_SHARE:
        value = drawn.foreign(r, split, thing)
        return _filled(r, split, r.choice(thing.foreign), thing, facility, value, is_bare=True)
    if thing.code == "house" and r.random() < 0.25:
        return _house_row(r, split, facility)
    if thing.kind == "yes_no":
        denies = r.random() < 0.35
        frame = r.choice(thing.denials if denies else thing.sentences)
        return _filled(r, split, frame, thing, facility, "no" if denies else "yes")
    if thing.kind == "table":
        frame = r.choice((*TEXTS["table"], *(f"{each}:" for each in thing.sentences)))
        line = _filled(r, split, frame, thing, facility, "", is_bare=True)
        rows = f" {drawn.table_row(r)} ..."
        return Line(line.text + rows, thing.code, line.facility, "", line.places)
    value = drawn.value(r, split, thing)
    if thing.kind in _NUMERIC and r.random() < _TERM_SHARE:
        value = f"the {drawn.term(r)}"
    if thing.code == "name":
        value = ""
    frame = _frame(r, split, thing, of_facility)
    return _filled(r, split, frame, thing, facility, value)


def _house_row(r: random.Random, split: Split, facility: str) -> Line:
    """A row of a table of lenders that says which of them is the house bank."""
    content = {"b": drawn.company(r, split), "f": facility, "v": drawn.of_kind(r, split, "amount")}
    text = _SLOT.sub(lambda slot: content[slot[1]], r.choice(TEXTS["house_rows"]))
    at = text.index(facility, len(content["b"]))
    return Line(text, "house", facility, "yes", (Span(at, at + len(facility), FACILITY_TAG),))


def _frame(r: random.Random, split: Split, thing: Thing, of_facility: bool) -> str:
    if thing.code in wording.LOCKED:
        is_plain = split != "templates" and r.random() < _PLAIN_SHARE
        return r.choice(thing.sentences if is_plain else _lock_up_frames(split, thing))
    if thing.code == "name":
        return r.choice(thing.sentences)
    generic = TEXTS["facility_frames"] if of_facility else TEXTS["deal_frames"]
    if split == "templates":
        generic = TEXTS["held_facility_frames"] if of_facility else TEXTS["held_deal_frames"]
        return r.choice(generic)
    if split == "train" and thing.kind != "text" and r.random() < _SCRAMBLED_SHARE:
        return _scrambled(r, of_facility)
    if thing.kind == "text":
        return (
            r.choice(thing.sentences) if r.random() < 0.85 else r.choice(("{f}\t{C}\t{v}", "{C} of {f}: {v}"))
        )
    return r.choice(thing.sentences) if thing.sentences and r.random() < 0.45 else r.choice(generic)


def _lock_up_frames(split: Split, thing: Thing) -> Sequence[str]:
    above = thing.code in wording.CEILINGS
    if split == "templates":
        return TEXTS["held_above"] if above else TEXTS["held_below"]
    return (*(TEXTS["above"] if above else TEXTS["below"]), *TEXTS["lock_up"])


def _scrambled(r: random.Random, of_facility: bool) -> str:
    """Any words around cue, facility and value: only the cue says what it is."""
    parts = ["{c}", "{v}", *(["{f}"] if of_facility else [])]
    r.shuffle(parts)
    words: list[str] = []
    for part in parts:
        words += [*r.choices(TEXTS["any_words"], k=r.randint(0, 4)), part]
    return " ".join([*words, *r.choices(TEXTS["any_words"], k=r.randint(0, 3))])


def _filled(
    r: random.Random,
    split: Split,
    frame: str,
    thing: Thing,
    facility: str,
    value: str,
    is_bare: bool = False,
) -> Line:
    """The sentence, sometimes after an opening or before a tail, of neither where it `is_bare`."""
    before, after = ("", "") if is_bare else _around(r, split, frame)
    text, places, has_facility = before, list[Span](), False
    at = 0
    for slot in _SLOT.finditer(frame):
        text += frame[at : slot.start()]
        content = _content(r, slot[1], thing, facility, value)
        if slot[1] in ("f", "v") and content:
            label = FACILITY_TAG if slot[1] == "f" else thing.code
            places.append(Span(len(text), len(text) + len(content), label))
            has_facility = has_facility or slot[1] == "f"
        text += content
        at = slot.end()
    text += frame[at:]
    start = len(before) if before.rstrip().endswith((":",)) or not before else -1
    if start >= 0:
        text = text[:start] + text[start : start + 1].upper() + text[start + 1 :]
    # a value that begins the line begins with a capital
    value = next((text[each.start : each.end] for each in places if each.label == thing.code), value)
    text += after + ("" if "\t" in frame or is_bare or frame.endswith(":") else ".")
    stated = (thing.code, facility if has_facility else "", value)
    return Line(text, *stated, tuple(places))


def _around(r: random.Random, split: Split, frame: str) -> tuple[str, str]:
    if "\t" in frame:
        return "", ""
    openings = TEXTS["held_openings"] if split == "templates" else TEXTS["openings"]
    tails = TEXTS["held_tails"] if split == "templates" else TEXTS["tails"]
    before = r.choice(openings) if r.random() < _OPENING_SHARE and not frame.startswith("{v}") else ""
    if r.random() < _AMENDED_SHARE:
        before = r.choice(TEXTS["amending"])
    after = r.choice(tails) if r.random() < _TAIL_SHARE and not frame.endswith(":") else ""
    return before.replace("{n}", drawn.clause(r)), after.replace("{n}", drawn.clause(r))


def _content(r: random.Random, slot: str, thing: Thing, facility: str, value: str) -> str:
    if slot == "f":
        return facility
    if slot == "v":
        return value
    if slot == "c":
        return drawn.cased(r, r.choice(thing.cues))
    if slot == "C":
        return drawn.titled(r.choice(thing.cues))
    if slot == "S":
        return r.choice(TEXTS["sections"])
    return drawn.clause(r) if r.random() < 0.5 else str(r.randint(1, 250))


def _bare(frames: Sequence[str], tail: str = ".") -> Nothing:
    """Lines of these frames, which state nothing whatever they name."""

    def draw(r: random.Random, split: Split, thing: Thing, facility: str) -> str:
        frame = r.choice(frames)
        if thing.scope == "deal" and "{f}" in frame:
            frame = re.sub(r" (?:in relation to|of|for) \{f\}| ?\(\{f\}\)", "", frame)
        value = drawn.value(r, split, thing) if "{v}" in frame else ""
        text = _filled(r, split, frame, thing, facility, value, is_bare=True).text
        return text.removesuffix(".") + ("" if text.endswith(("_", ".", "]", ":")) else tail)

    return draw


def _mention(r: random.Random, split: Split, thing: Thing, facility: str) -> str:
    return _bare(TEXTS["mentions"])(r, split, thing, facility)


def _example_of(r: random.Random, split: Split, thing: Thing, facility: str) -> str:
    if thing.kind not in _NUMERIC:
        thing = r.choice([each for each in THINGS if each.kind in _NUMERIC])
    return _bare(TEXTS["examples"])(r, split, thing, facility)


def _default(r: random.Random, split: Split, _thing: Thing, facility: str) -> str:
    thing = r.choice([each for each in THINGS if each.kind == "ratio"])
    return _bare(TEXTS["default"])(r, split, thing, facility)


def _lookalike(r: random.Random, split: Split, _thing: Thing, facility: str) -> str:
    kind, frames = r.choice(_LOOKALIKES)
    frame = r.choice(frames)
    content = {
        "v": drawn.of_kind(r, split, kind),
        "f": facility,
        "b": drawn.company(r, split),
        "x": drawn.number(r),
        "n": str(r.randint(1, 250)),
    }
    text = _SLOT.sub(lambda slot: content[slot[1]], frame)
    return text[0].upper() + text[1:] + ("" if "\t" in text else ".")


def _definition(r: random.Random, split: Split, _thing: Thing, _facility: str) -> str:
    kind = r.choice(("percent", "ratio", "amount", "date"))
    verb = r.choice(("means", "shall mean", "is"))
    return f"“{drawn.term(r)}” {verb} {drawn.of_kind(r, split, kind)}."


def _filler(r: random.Random, _split: Split, _thing: Thing, _facility: str) -> str:
    if r.random() < 0.12:
        return r.choice(TEXTS["foreign_fillers"])
    actions = " and ".join(r.sample(TEXTS["filler_actions"], r.choice((1, 1, 2))))
    condition = f", {r.choice(TEXTS['filler_conditions'])}" if r.random() < 0.6 else ""
    return f"{r.choice(TEXTS['filler_subjects'])} {actions}{condition}."


def _heading(r: random.Random, _split: Split, thing: Thing, _facility: str) -> str:
    title = r.choice(TEXTS["sections"]) if r.random() < 0.7 else drawn.titled(r.choice(thing.cues))
    return r.choice(
        (
            title,
            title.upper(),
            f"{r.randint(1, 20)}. {title}",
            f"SCHEDULE {r.randint(1, 9)}",
            f"- {r.randint(1, 90)} -",
        )
    )


_LOOKALIKES: tuple[tuple[str, Sequence[str]], ...] = (
    ("percent", TEXTS["other_percents"]),
    ("ratio", TEXTS["other_ratios"]),
    ("party", TEXTS["other_parties"]),
    ("date", TEXTS["other_dates"]),
    ("amount", TEXTS["other_amounts"]),
    ("percent", TEXTS["unrelated"]),
)
_NOTHINGS: tuple[Nothing, ...] = (
    _mention,
    _mention,
    _bare(TEXTS["references"]),
    _bare(TEXTS["references"]),
    _bare(TEXTS["blanks"], ""),
    _example_of,
    _default,
    _lookalike,
    _lookalike,
    _definition,
    _filler,
    _filler,
    _heading,
)

"""Small companies with planted values, and readers that know them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from harness.extraction.asks import Ask, Facility, Found, Passage, Reply
from harness.extraction.company import Company, Document
from harness.extraction.pipeline.calibration import IDENTITY
from harness.extraction.pipeline.extract import extract
from harness.extraction.pipeline.settings import Settings
from harness.extraction.result import CompanyResult
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL
from harness.extraction.values import canonical

_FILLER = (
    "clause party shall notice agent under this agreement each lender obligor business day subject terms "
    "hereof person document provided that any other amount due request made deliver copy certificate director"
).split()
_VALUES = (
    "yes",
    "2.50%",
    "1.20x",
    "03/2027",
    "2027",
    "6",
    "EUR",
    "EUR 250,000,000",
    "6M",
    "03/2027: 50%; 03/2028: 50%",
    "Alder Grid Partners",
)


@cache
def valid(key: str) -> tuple[str, str]:
    """Two different values of this field."""
    shown = [
        *FIELDS[key].choices,
        *_VALUES,
        "no",
        "3.75%",
        "1.35x",
        "04/2029",
        "2031",
        "GBP",
        "Birch Water",
        "3M",
        "3",
        "03/2029: 40%; 03/2030: 60%",
        "USD 90,000,000",
        "a",
        "b",
    ]
    forms: dict[str, str] = {}
    for text in shown:
        form = canonical(FIELDS[key], text)
        if form is not None:
            forms.setdefault(form, text)
    first, second = list(forms.values())[:2]
    return first, second


@dataclass(frozen=True)
class Planted:
    """A company, its facilities, and where each value stands: (facility or DEAL, field) -> (value, span)."""

    company: Company
    facilities: tuple[Facility, ...]
    mentions: tuple[tuple[Facility, Passage], ...]
    values: dict[tuple[str, str], tuple[str, Passage]]


def planted(
    seed: int,
    keys: Sequence[str] = tuple(FIELDS),
    *,
    facilities: int = 2,
    paragraphs: int = 60,
    present: float = 0.6,
    name: str = "",
) -> Planted:
    """Each present value is one line somewhere: the field's name, the facility if it has one, the value."""
    r = random.Random(seed)
    names = tuple(Facility(f"Facility {chr(ord('A') + number)}") for number in range(facilities))
    lines: list[tuple[tuple[str, str] | str | None, str]] = [
        (None, " ".join(r.choices(_FILLER, k=r.randint(20, 60))) + ".\n") for _ in range(paragraphs)
    ]
    stated: list[tuple[tuple[str, str] | str | None, str]] = [
        (each.name, f"The lenders make available {each.name}, a term loan.\n") for each in names
    ]
    for key in keys:
        owners = [DEAL] if FIELDS[key].scope == "deal" else [each.name for each in names]
        stated += [
            ((owner, key), f"{FIELDS[key].name} {owner} is {r.choice(valid(key))}.\n")
            for owner in owners
            if r.random() < present
        ]
    for item in stated:
        lines.insert(r.randint(0, len(lines)), item)
    half = len(lines) // 2
    texts = ["\n".join(text for _, text in part) for part in (lines[:half], lines[half:])]
    company = Company(
        name or f"company {seed}",
        (Document("agreement.txt", texts[0]), Document("letter.txt", texts[1])),
    )
    values, mentions = {}, []
    for mark, line in stated:
        start = company.text.index(line)
        span = Passage(start, start + len(line) - 1)
        if isinstance(mark, tuple):
            values[mark] = (line[line.index(" is ") + 4 : -2], span)
        else:
            mentions.append((next(each for each in names if each.name == mark), span))
    return Planted(company, names, tuple(mentions), values)


Change = Callable[[Ask, Reply], Reply]


@dataclass
class Knowing:
    """Finds a value exactly when its line is shown and its field and facility are asked for.

    `change` may spoil each reply. `alone`: one call for each field. `asked` are all asks, in batches.
    """

    known: Sequence[Planted]
    context_tokens: int = 8000
    alone: bool = False
    change: Change | None = None
    unknown: frozenset[str] = frozenset()
    batches: list[list[Ask]] = field(default_factory=list)
    name: str = "knowing"
    provenance: str = "modelled"
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> list[Ask]:
        return [ask for batch in self.batches for ask in batch]

    def tokens(self, text: str) -> int:
        return (len(text) + 3) // 4

    def calls(self, ask: Ask) -> int:
        if ask.stage == "detection":
            return 1
        known = [key for key in ask.fields if key not in self.unknown]
        return len(known) if self.alone else min(1, len(known))

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        with self.lock:
            self.batches.append(list(asks))
        return [self._answer(ask) for ask in asks]

    def _answer(self, ask: Ask) -> Reply:
        world = next(each for each in self.known if each.company.digest == ask.company.digest)
        shown = sum(each.end - each.start for each in ask.passages)
        reply = Reply(calls=self.calls(ask), prompt_tokens=300 + shown // 4, completion_tokens=20)
        if ask.stage == "detection":
            named = tuple(who for who, span in world.mentions if within(span, ask.passages))
            reply = replace(reply, facilities=named)
        else:
            reply = replace(reply, found=tuple(self._found(world, ask)))
        return self.change(ask, reply) if self.change else reply

    def _found(self, world: Planted, ask: Ask) -> list[Found]:
        owners = [DEAL, *(each.name for each in ask.facilities)]
        found = []
        for key in ask.fields:
            for owner in owners:
                value, span = world.values.get((owner, key), ("", None))
                if span is not None and within(span, ask.passages):
                    quote = ask.company.text[span.start : span.end]
                    found.append(Found(key, value, owner, quote, span))
        return found


def within(span: Passage, passages: Sequence[Passage]) -> bool:
    return any(each.start <= span.start and span.end <= each.end for each in passages)


def coverage(world: Planted, result: CompanyResult) -> float:
    """The share of planted values that a result has, at the right facility."""
    rows = {each.facility.name: each.values for each in result.facilities}
    right = 0
    for (owner, key), (value, _) in world.values.items():
        holders = list(rows) if owner == DEAL else [owner]
        right += all(
            holder in rows
            and canonical(FIELDS[key], rows[holder][key].value) == canonical(FIELDS[key], value)
            for holder in holders
        )
    return right / max(1, len(world.values))


SMALL = Settings(window_tokens=400, piece_tokens=40, overlap_tokens=40, budget_calls=80, least_gain=0.1)
WORLD = planted(1)


def read(
    worlds: list[Planted], chosen: Settings = SMALL, reader: Knowing | None = None, **more: object
) -> tuple[list[CompanyResult], Knowing]:
    reader = reader or Knowing(worlds)
    results = extract(
        [each.company for each in worlds],
        reader,
        chosen,
        calibration=IDENTITY,
        **more,  # type: ignore[arg-type]
    )
    return results, reader


def seconds(prompt: int, answer: int) -> float:
    return 0.3 + 0.0005 * prompt + 0.09 * answer

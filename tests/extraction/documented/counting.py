"""Readers and texts for the documented pipeline: tokens are words, so that sizes stay small."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.extraction.asks import Ask, Confidence, Facility, Found, Passage, Reply
from harness.extraction.company import Company, Document
from harness.extraction.documented.settings import Settings
from harness.extraction.result import CompanyResult
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL

SMALL = Settings(
    synonyms=False,
    consistency_rules=False,
    normalisation=False,
    chunk_tokens=20,
    overlap_tokens=4,
    group_text_tokens=10_000,
    detection_text_tokens=60,
    verification_text_tokens=40,
    deep_text_tokens=60,
)
NOBODY = Company("", ())
Change = Callable[[Ask, Reply], Reply]


def word_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


def company_of(chunks: int, settings: Settings = SMALL, name: str = "company") -> Company:
    """A company of exactly so many chunks of different words."""
    stride = settings.chunk_tokens - settings.overlap_tokens
    around = len(word_spans(Company("", (Document("a.txt", ""),)).text))
    words = settings.chunk_tokens + (chunks - 1) * stride - around
    return Company(name, (Document("a.txt", " ".join(f"word{number}" for number in range(words))),))


@dataclass(frozen=True)
class Anywhere:
    """A retriever that brings chunks by the hash of the query, and none for a share of the queries."""

    count: int
    seed: int = 0
    nothing: float = 0.0

    def top(self, query: str, k: int) -> list[int]:
        digest = hashlib.sha256(f"{self.seed} {query}".encode()).digest()
        if digest[0] < 256 * self.nothing:
            return []
        order = sorted(
            range(self.count), key=lambda number: hashlib.sha256(digest + bytes([number])).digest()
        )
        # every other query brings neighbours from the beginning of a window
        return list(range(min(k, self.count))) if digest[1] % 3 == 0 else order[:k]

    def scored(self, query: str, k: int) -> list[tuple[int, float]]:
        return [(number, 1.0) for number in self.top(query, k)]


@dataclass(frozen=True)
class Always:
    """A retriever that brings the same chunks for every query."""

    numbers: tuple[int, ...]

    def top(self, query: str, k: int) -> list[int]:
        return list(self.numbers[:k])

    def scored(self, query: str, k: int) -> list[tuple[int, float]]:
        return [(number, 1.0) for number in self.top(query, k)]


@dataclass
class Counting:
    """Names so many facilities, finds every field but the missing ones; keeps its asks in batches."""

    facilities: int = 2
    missing: Collection[str] = ()
    confidence: Confidence = "MEDIUM"
    change: Change | None = None
    calls_of: Callable[[Ask], int] = lambda ask: 1
    context_tokens: int = 10_000
    name: str = "counting"
    provenance: str = "modelled"
    batches: list[list[Ask]] = field(default_factory=list)

    @property
    def asked(self) -> list[Ask]:
        return [ask for batch in self.batches for ask in batch]

    def tokens(self, text: str) -> int:
        return len(text.split())

    def calls(self, ask: Ask) -> int:
        return self.calls_of(ask)

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        self.batches.append(list(asks))
        return [self._answer(ask) for ask in asks]

    def _answer(self, ask: Ask) -> Reply:
        reply = Reply(calls=self.calls_of(ask), prompt_tokens=100, completion_tokens=10)
        if ask.stage == "detection":
            named = tuple(Facility(f"Facility {number + 1}") for number in range(self.facilities))
            reply = replace(reply, facilities=named)
        elif ask.stage in ("retrieval", "section"):
            found = tuple(
                Found(key, "1", quote="one", confidence=self.confidence)
                for key in ask.fields
                if key not in self.missing
            )
            reply = replace(reply, found=found)
        return self.change(ask, reply) if self.change else reply


@dataclass
class Knowing(Counting):
    """Finds a value exactly when its passage is shown: `values` by (facility or DEAL, field)."""

    values: Mapping[tuple[str, str], tuple[str, Passage]] = field(default_factory=dict)
    company: Company = NOBODY

    def _answer(self, ask: Ask) -> Reply:
        reply = super()._answer(ask)
        if ask.stage == "detection":
            return reply
        owners = [DEAL, *(each.name for each in ask.facilities)]
        if not ask.facilities:
            owners += dict.fromkeys(owner for owner, _ in self.values)
        found = []
        for key in ask.fields:
            for owner in owners:
                value, span = self.values.get((owner, key), ("", None))
                if span is not None and within(span, ask.passages):
                    named = owner if ask.facilities else ""
                    quote = ask.company.text[span.start : span.end]
                    found.append(Found(key, value, named, quote, span))
                    break
        return replace(reply, found=tuple(found))


def within(span: Passage, passages: Sequence[Passage]) -> bool:
    return any(each.start <= span.start and span.end <= each.end for each in passages)


def keys(count: int) -> list[str]:
    """The last fields of the schema."""
    return list(FIELDS)[len(FIELDS) - count :]


def planted(seed: int, *, facilities: int = 2, name: str = "planted", **settings: object) -> Knowing:
    """A reader of a company in which 40 values stand, each a line of its own; the company is `known`."""
    r = random.Random(seed)
    names = [f"Facility {number + 1}" for number in range(facilities)]
    lines: list[tuple[tuple[str, str] | None, str]] = [
        (None, " ".join(f"filler{r.randint(0, 99)}" for _ in range(8)) + "\n") for _ in range(150)
    ]
    for key in r.sample(list(FIELDS), 40):
        owner = DEAL if FIELDS[key].scope == "deal" else r.choice(names)
        line = f"{key} {owner} = {len(lines)}\n"
        lines.insert(r.randint(0, len(lines)), ((owner, key), line))
    text = "".join(line for _, line in lines)
    company = Company(name, (Document("a.txt", text),))
    values, at = {}, company.starts[0]
    for mark, line in lines:
        if mark is not None:
            values[mark] = (line.rpartition("= ")[2].strip(), Passage(at, at + len(line.rstrip())))
        at += len(line)
    return Knowing(facilities, values=values, company=company, **settings)  # type: ignore[arg-type]


def found_values(result: CompanyResult) -> dict[tuple[str, str], str]:
    """(facility, field) -> value of everything that was found."""
    return {
        (each.facility.name, key): value.value
        for each in result.facilities
        for key, value in each.values.items()
        if value.status == "FOUND"
    }

"""Small worlds with their truth, and readers of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity
from harness.calls.journal import Journal
from harness.calls.model import Model
from harness.extraction.asks import Ask, Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading import SPARSE, FourCharacters, ModelReader, TruthEngine
from harness.extraction.reading.formats import Format
from harness.extraction.reading.noise import Noise
from harness.extraction.reading.truth_engine import IDEAL, Conditions
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL, TrueValue, Truth

VALUES = {
    "borrower_name": ("Alder Grid Ltd", "Birch Water Ltd", "Cedar Rail Ltd"),
    "spread": ("2.35%", "1.10%", "4.20%"),
    "maturity_date": ("03/2031", "06/2034", "12/2040"),
    "upfront_fee": ("0.75%", "1.25%", "0.40%"),
    "base_rate": ("EURIBOR", "SONIA", "SOFR"),
    "hedged_share": ("70%", "85%", "55%"),
    "sponsor_name": ("Dogwood Partners",),
    "lockup_icr": ("1.20x",),
    "country": ("Portugal",),
}
NAMES = ("Facility A", "Facility B", "Capex Facility")
_FILLER = (
    "The parties keep a copy of this file.",
    "Headings are for ease of reading only.",
    "No person may rely on an earlier draft.",
    "Each lender sends its notices to the agent.",
)


def build(seed: int = 0, facilities: int = 2, filler: int = 20, present: float = 1.0) -> Truth:
    """Each value is a line of its own among filler; every spread has a default margin beside it."""
    r = random.Random(seed)
    named = [
        Facility(name, "term loan", f"EUR {50 * (n + 1)},000,000")
        for n, name in enumerate(NAMES[:facilities])
    ]
    lines = [(None, f"{r.choice(_FILLER)} Clause {n}.") for n in range(filler)]
    stated = [((each.name, ""), f"The {each.name} is a loan of {each.amount}.") for each in named]
    for key, values in VALUES.items():
        owners = [DEAL] if FIELDS[key].scope == "deal" else [each.name for each in named]
        for number, owner in enumerate(owners):
            if r.random() < present:
                of = f" of {owner}" if owner else ""
                stated.append(((owner, key), f"The {FIELDS[key].name}{of} is {values[number]}."))
    for item in stated:
        lines.insert(r.randint(0, len(lines)), item)
    lines.append((None, "The Spread is set out in Schedule 9."))
    text = "".join(f"{line}\n" for _, line in lines)
    half = text.index("\n", len(text) // 2) + 1
    company = Company(f"company {seed}", (Document("a.txt", text[:half]), Document("b.txt", text[half:])))
    values, spans = {}, {each.name: () for each in named}
    for mark, line in lines:
        if mark is None:
            continue
        owner, key = mark
        span = span_of(company, line)
        if key:
            values[owner, key] = TrueValue(line.split(" is ")[1][:-1], ((span,),))
        else:
            spans[owner] = (span,)
    schedule = span_of(company, "The Spread is set out in Schedule 9.")
    return Truth(company, tuple(named), values, spans, {"spread": (schedule,)})


def span_of(company: Company, line: str) -> Passage:
    start = company.text.index(line)
    return Passage(start, start + len(line))


def ask_of(
    truth: Truth, stage: str = "window", fields: Sequence[str] = tuple(VALUES), **changes: object
) -> Ask:
    """All of the text, all facilities."""
    ask = Ask(
        truth.company,
        stage,  # type: ignore[arg-type]
        () if stage == "detection" else tuple(fields),
        (Passage(0, len(truth.company.text)),),
        () if stage == "detection" else truth.facilities,
        output_tokens=2048,
    )
    return replace(ask, **changes)  # type: ignore[arg-type]


def reader_of(
    truths: Sequence[Truth],
    form: Format = SPARSE,
    noise: Noise | None = None,
    conditions: Conditions = IDEAL,
    *,
    threads: int = 1,
    cache: ResponseCache | None = None,
    journal: Journal | None = None,
    context_tokens: int = 100_000,
) -> tuple[ModelReader, TruthEngine]:
    engine = TruthEngine(truths, form, noise, conditions)
    identity = Identity("truth", engine.name, weights="test")
    model = Model(engine, identity, role="task", threads=threads, cache=cache, journal=journal)
    reader = ModelReader(
        model,
        form,
        tokens=FourCharacters(),
        context_tokens=context_tokens,
        provenance="modelled",
        tell=engine.expect,
    )
    return reader, engine


@pytest.fixture(scope="session")
def worlds() -> Callable[..., Truth]:
    return build


@pytest.fixture(scope="session")
def asks() -> Callable[..., Ask]:
    return ask_of


@pytest.fixture(scope="session")
def readers() -> Callable[..., tuple[ModelReader, TruthEngine]]:
    return reader_of

"""From a seed to a company with its truth."""

from __future__ import annotations

import hashlib
from datetime import date
from random import Random

from harness.extraction.company import Company
from harness.extraction.corpus import forms
from harness.extraction.corpus.draft import Draft
from harness.extraction.corpus.drawing import draw_world
from harness.extraction.corpus.facts import facts_of
from harness.extraction.corpus.knobs import Family, Knobs
from harness.extraction.corpus.layout import lay_out, splits_that_fit, title
from harness.extraction.corpus.lures import Lurer
from harness.extraction.corpus.presence import present
from harness.extraction.corpus.statements import Writer
from harness.extraction.corpus.truths import truth_of
from harness.extraction.corpus.words import Wording, fill, wording_of
from harness.extraction.corpus.world import World
from harness.extraction.truth import Truth


def generate(seed: int, knobs: Knobs, family: Family) -> Truth:
    """A company; the same bytes for the same seed, knobs and family.

    The world does not depend on knobs other than `facilities`, so companies of one seed are comparable.
    """
    return _company(f"{family}-{seed}", f"{seed}", knobs, family)


def companies(count: int, seed: int, knobs: Knobs, family: Family) -> list[Truth]:
    """So many companies, others for each seed. The first ones do not depend on how many follow."""
    return [
        _company(f"{family}-{seed}-{number:03}", f"{seed} of set {number}", knobs, family)
        for number in range(1, count + 1)
    ]


def world_of(seed: int, knobs: Knobs, family: Family) -> World:
    """The world that `generate` writes about."""
    return draw_world(_chance(family, f"{seed}", "world"), knobs, wording_of(family))


def _chance(family: Family, key: str, what: str) -> Random:
    """Chance of its own for each step, so that a knob of one does not change another."""
    digest = hashlib.sha256(f"corpus {family} {key} {what}".encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))


def _company(name: str, key: str, knobs: Knobs, family: Family) -> Truth:
    wording = wording_of(family)
    world = draw_world(_chance(family, key, "world"), knobs, wording)
    facts = facts_of(world, wording, _chance(family, key, "facts"))
    holding = present(facts, world, knobs.absent, _chance(family, key, "presence"))
    draft = Draft()
    r = _chance(family, key, "statements")
    _frame(draft, world, wording, r)
    splits = splits_that_fit(knobs.tokens)
    Writer(draft, wording, knobs, r, splits).write(holding, world)
    Lurer(draft, wording, knobs, _chance(family, key, "lures")).write(holding, facts, world)
    laid = lay_out(draft, wording, knobs, _chance(family, key, "layout"), _chance(family, key, "noise"))
    return truth_of(Company(name, laid.documents), draft, laid, holding, world)


def _frame(draft: Draft, world: World, wording: Wording, r: Random) -> None:
    """Titles with dates, who the house bank is, the heads of messages."""
    signed = world.loans[0].signed
    for number in (1, 2):
        when = date(signed.year + number, r.randint(1, 12), r.randint(1, 28))
        template = r.choice(wording.titles["amendment"])
        draft.titles[f"amendment_{number}"] = title(template, n=str(number), date=forms.day(when)[0])
    draft.add("front", fill(wording.texts["house"][0], v=world.house_bank), ())
    for one, other in zip(world.others, world.others[1:], strict=False):
        subject = r.choice(wording.titles["subjects"])
        draft.add("emails", fill(wording.titles["email"][0], a=one, b=other, s=subject), ())

"""Facts written as lines: each in some wording, at some place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from harness.extraction.corpus.draft import Claim, Draft, Lure
from harness.extraction.corpus.facts import Fact
from harness.extraction.corpus.knobs import Knobs
from harness.extraction.corpus.places import AMENDMENTS, ELSEWHERE, HOMES, schedule_of
from harness.extraction.corpus.presence import Present
from harness.extraction.corpus.words import Filled, Wording, around, fill
from harness.extraction.corpus.world import World
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL
from harness.extraction.values import canonical

Manner = Literal["keyword", "synonym", "oblique", "definition", "table", "foreign", "split"]
_NUMERIC = frozenset({"percent", "ratio", "amount", "month"})
_NOUNS = {"percent": "Percentage", "ratio": "Level", "amount": "Sum", "month": "Day"}
_DECORATED = 0.3
_PLAIN: tuple[Manner, ...] = ("keyword", "synonym", "oblique")


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes facts into a draft. `place` and `style` are chance; `splits` is how many values in two parts
    there is room for."""

    draft: Draft
    wording: Wording
    knobs: Knobs
    r: Random
    splits: int

    def write(self, present: Present, world: World) -> None:
        """All facts that are not told by others, some twice, and the table of lenders."""
        stated = [fact for key, fact in present.facts.items() if key not in present.told]
        amendable = [fact for fact in stated if fact.earlier]
        count = min(len(amendable), round(self.knobs.amendment * len(stated)))
        amended = {(fact.owner, fact.key) for fact in self.r.sample(amendable, count)}
        splits = self.splits
        for fact in stated:
            # readiness_month is told where the year is: one date gives both
            if fact.key == "readiness_month":
                continue
            whole = self._with_month(fact, present)
            if (fact.owner, fact.key) in amended:
                self._amend(whole)
                continue
            manner = self._manner(whole, splits)
            splits -= manner == "split"
            self._state(whole, manner, self._place(), ())
            if self.r.random() < self.knobs.repeated and whole.forms:
                others: list[Manner] = [each for each in _PLAIN if each != manner]
                self._state(whole, self.r.choice(others), "elsewhere", ("repeated",))
        self._lenders(present, world)

    def _with_month(self, fact: Fact, present: Present) -> Fact:
        """A year is written with its month where that is to be known too."""
        month = present.facts.get((fact.owner, "readiness_month"))
        if fact.key != "readiness_year" or month is None:
            return fact
        return Fact(fact.owner, fact.key, fact.value, month.forms)

    def _place(self) -> str:
        places = ("front", "schedule", "elsewhere")
        shares = [getattr(self.knobs, place) for place in places]
        return self.r.choices((*places, "home"), (*shares, max(0.0, 1.0 - sum(shares))))[0]

    def _manner(self, fact: Fact, splits: int) -> Manner:
        manners: tuple[Manner, ...] = ("synonym", "oblique", "definition", "table", "foreign", "split")
        shares = [getattr(self.knobs, manner) for manner in manners]
        kind = FIELDS[fact.key].kind
        drawn = self.r.choices((*manners, "keyword"), (*shares, max(0.0, 1.0 - sum(shares))))[0]
        is_possible = {
            "definition": kind in _NUMERIC,
            "split": kind in _NUMERIC and splits > 0,
            "table": bool(fact.forms) and kind != "schedule",
            "foreign": fact.key in self.wording.foreign and bool(fact.foreign),
        }
        if fact.value == "No" or not is_possible.get(drawn, True):
            return "keyword"
        return drawn

    def _state(self, fact: Fact, manner: Manner, place: str, tags: Sequence[str]) -> None:
        field = FIELDS[fact.key]
        is_table = field.kind == "schedule" or manner == "table"
        section = {
            "front": "front",
            "schedule": schedule_of(field.group, is_table),
            "elsewhere": self.r.choice(ELSEWHERE),
            "home": HOMES[field.group],
        }[place]
        form = self._form(fact, manner)
        lines = self._lines(fact, manner, section, form)
        all_tags = (place, manner, *(("table",) if field.kind == "schedule" else ()), *tags)
        self._claim(fact, lines, all_tags, form)

    def _claim(self, fact: Fact, lines: tuple[int, ...], tags: tuple[str, ...], form: str) -> None:
        claim = Claim(fact.owner, fact.key, lines, tags, form)
        self.draft.claims.append(claim)
        if fact.key == "readiness_year" and canonical(FIELDS["readiness_month"], form):
            self.draft.claims.append(Claim(fact.owner, "readiness_month", lines, tags, form))

    def _form(self, fact: Fact, manner: Manner) -> str:
        if not fact.forms:
            return ""
        if manner == "foreign":
            return fact.foreign
        if FIELDS[fact.key].kind == "choice":
            # the schema's own words are the usual ones
            return fact.forms[0].lower() if manner in ("keyword", "table") else self.r.choice(fact.forms[1:])
        return self.r.choice(fact.forms)

    def _lines(self, fact: Fact, manner: Manner, section: str, form: str) -> tuple[int, ...]:
        if manner == "table":
            row = "{label}\t{v}" if fact.owner == DEAL else "{f}\t{label}\t{v}"
            label = self.wording.fields[fact.key].label
            return (self.draft.add(section, fill(row, f=fact.owner, label=label, v=form)),)
        if manner == "definition":
            return self._defined(fact, section, form)
        if manner == "split":
            return self._split(fact, section, form)
        return (self.draft.add(section, self._sentence(fact, manner, form)),)

    def _sentence(self, fact: Fact, manner: Manner, form: str) -> Filled:
        if manner == "foreign":
            return fill(self.wording.foreign[fact.key], f=fact.owner, v=form)
        phrases = self.wording.fields[fact.key]
        template = self.wording.no[fact.key] if fact.value == "No" else str(getattr(phrases, manner))
        filled = fill(template, f=fact.owner, v=form)
        return filled if FIELDS[fact.key].kind == "schedule" else self._decorated(filled)

    def _decorated(self, filled: Filled) -> Filled:
        texts, r = self.wording.texts, self.r
        before = r.choice(texts["openings"]) if r.random() < _DECORATED else ""
        after = r.choice(texts["tails"]) if r.random() < _DECORATED else ""
        number = f"{r.randint(2, 30)}.{r.randint(1, 19)}"
        return around(filled, before.replace("{n}", number), after.replace("{n}", number))

    def _defined(self, fact: Fact, section: str, form: str) -> tuple[int, ...]:
        """A sentence that gives a name, and the definition of the name."""
        texts = self.wording.texts
        word = self.r.choice(texts["term_words"])
        name = f"{word} {_NOUNS[FIELDS[fact.key].kind]} {len(self.draft.lines) + 1}"
        term = texts["term"][0].replace("{t}", name)
        used = self.draft.add(section, self._sentence(fact, "keyword", term), ())
        self.draft.references.append((fact.key, used))
        return used, self.draft.add("definitions", fill(texts["define"][0], t=name, v=form))

    def _split(self, fact: Fact, section: str, form: str) -> tuple[int, ...]:
        """A beginning that names the field, and an end that gives the value."""
        texts = self.wording.texts
        contents = {
            "label": self.wording.fields[fact.key].label,
            "f": fact.owner or "*",
            "n": str(len(self.draft.lines) + 1),
            "v": form,
        }
        end = self.draft.add(section, fill(texts["split_close"][0], **contents))
        start = self.draft.add(section, fill(texts["split_lead"][0], **contents), (), opens=end)
        self.draft.references.append((fact.key, start))
        return start, end

    def _amend(self, fact: Fact) -> None:
        """The value of before at home, the one that holds in an amendment."""
        manner = self.r.choice(_PLAIN[:2])
        earlier = self.r.choice(fact.earlier)
        value = canonical(FIELDS[fact.key], earlier) or ""
        home = HOMES[FIELDS[fact.key].group]
        old = self.draft.add(home, self._sentence(fact, manner, earlier), ())
        self.draft.lures.append(Lure(fact.owner, fact.key, "amended", old, value))
        self.draft.amended[fact.owner, fact.key] = value
        form = self.r.choice(fact.forms)
        template = self.wording.texts["amend_new"][0] + getattr(self.wording.fields[fact.key], manner)
        line = self.draft.add(self.r.choice(AMENDMENTS), fill(template, f=fact.owner, v=form))
        self._claim(fact, (line,), ("amendment", manner), form)

    def _lenders(self, present: Present, world: World) -> None:
        """Who lends how much, where the house bank's share may be known."""
        texts = self.wording.texts
        for loan in world.loans:
            if (loan.name, "house_bank_share") not in present.facts or self.r.random() < 0.4:
                continue
            for lender, part in loan.lenders:
                is_house = lender == world.house_bank
                row = texts["house_row" if is_house else "lender_row"][0]
                shown = f"{loan.currency} {part * 1000:,}"
                line = self.draft.add("s_lenders", fill(row, l=lender, f=loan.name, v=shown))
                if is_house:
                    self.draft.claims.append(Claim(loan.name, "house_bank_share", (line,), ("part",), shown))
                    self.draft.claims.append(
                        Claim(loan.name, "house_bank_commitment", (line,), ("schedule", "table"))
                    )

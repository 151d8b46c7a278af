"""Lines that look like values of a field: distractors of present ones, baits for absent ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from harness.extraction.corpus import forms
from harness.extraction.corpus.draft import Draft, Lure
from harness.extraction.corpus.facts import Fact, Key
from harness.extraction.corpus.knobs import Knobs
from harness.extraction.corpus.places import HOMES
from harness.extraction.corpus.presence import Present
from harness.extraction.corpus.words import Wording, fill
from harness.extraction.corpus.world import CEILINGS, RATIOS, World
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL
from harness.extraction.values import canonical

_BAITED = 1 / 3
# a small number comes first often: these give a value of the right kind
_RARITY = {"default_covenant": 0.3, "plcr": 0.3, "agency_fee": 0.3, "worked_example": 0.6}
_REFERRING = ("general", "common_general", "conditions", "terms")
_EXAMPLES = frozenset({"percent", "ratio", "amount"})


@dataclass(frozen=True, slots=True)
class Lurer:
    """Writes lures into a draft."""

    draft: Draft
    wording: Wording
    knobs: Knobs
    r: Random

    def write(self, present: Present, facts: dict[Key, Fact], world: World) -> None:
        """About `knobs.distractors` beside each present value, and beside a third of the absent ones."""
        for key, fact in facts.items():
            is_present = key in present.facts
            if not is_present and self.r.random() >= _BAITED:
                continue
            for kind in self._drawn(fact, is_present):
                _WRITERS[kind](self, fact, world)

    def _drawn(self, fact: Fact, is_present: bool) -> list[str]:
        """So many kinds that their mean number is the knob; beyond those that there are, boilerplate."""
        whole, rest = divmod(self.knobs.distractors, 1.0)
        count = int(whole) + (self.r.random() < rest)
        rarity = {kind: self.r.random() * _RARITY.get(kind, 1.0) for kind in self._kinds(fact, is_present)}
        kinds = sorted(rarity, key=rarity.__getitem__)
        return kinds[:count] + ["boilerplate"] * (count - len(kinds))

    def _kinds(self, fact: Fact, is_present: bool) -> Iterator[str]:
        """Those that the field can have."""
        yield "boilerplate"
        yield "blank_form"
        if is_present and fact.key not in ("readiness_month", "facility_name"):
            yield "cross_reference"
        kind = FIELDS[fact.key].kind
        if kind in _EXAMPLES and fact.forms:
            yield "worked_example"
            if kind != "amount":
                yield "other_unit"
        if fact.key in RATIOS:
            yield "default_covenant"
        if fact.key == "lockup_llcr":
            yield "plcr"
        if fact.key == "upfront_fee":
            yield "agency_fee"

    def _boilerplate(self, fact: Fact, _world: World) -> None:
        template = self.r.choice(self.wording.lures["boilerplate"])
        self._write("boilerplate", fact, HOMES[FIELDS[fact.key].group], template)

    def _blank_form(self, fact: Fact, _world: World) -> None:
        self._write("blank_form", fact, "s_forms", self._of_owner("blank_form", fact))

    def _cross_reference(self, fact: Fact, _world: World) -> None:
        unit = (fact.owner, fact.key)
        lines = [claim.lines[-1] for claim in self.draft.claims if (claim.owner, claim.key) == unit]
        if not lines:
            return
        place = self.wording.sections[self.draft.lines[lines[0]].section.rstrip("12")]
        section = self.r.choice(_REFERRING)
        template = self._of_owner("cross_reference", fact)
        line = self._write("cross_reference", fact, section, template, place=f"“{place}”")
        self.draft.references.append((fact.key, line))

    def _worked_example(self, fact: Fact, _world: World) -> None:
        template = self.wording.lures["worked_example"][0]
        self._write("worked_example", fact, "s_examples", template, self._example(fact))

    def _other_unit(self, fact: Fact, _world: World) -> None:
        """The same number, of something else."""
        bare = "".join(each for each in fact.forms[0] if each.isdigit() or each == ".").strip(".")
        self._write("other_unit", fact, "project", self.r.choice(self.wording.lures["other_unit"]), bare)

    def _default_covenant(self, fact: Fact, world: World) -> None:
        shown = self.r.choice(forms.ratio(world.defaults[fact.key]))
        template = self.wording.lures["default_above" if fact.key in CEILINGS else "default_below"][0]
        section = self.r.choice(("distributions", "default"))
        name = self.wording.names[fact.key]
        self._write("default_covenant", fact, section, template, shown, name=name)

    def _plcr(self, fact: Fact, world: World) -> None:
        shown = self.r.choice(forms.ratio(world.plcr))
        self._write("plcr", fact, "distributions", self.wording.lures["plcr"][0], shown)

    def _agency_fee(self, fact: Fact, _world: World) -> None:
        shown = self.r.choice(forms.percent(Decimal(self.r.randrange(2, 12)) / 100))
        self._write("agency_fee", fact, "fees", self.wording.lures["agency_fee"][0], shown)

    def _of_owner(self, kind: str, fact: Fact) -> str:
        return self.wording.lures[f"{kind}_deal" if fact.owner == DEAL else kind][0]

    def _write(self, kind: str, fact: Fact, section: str, template: str, shown: str = "", **more: str) -> int:
        """Write a line that shows a value, or none, and note what it looks like."""
        label = self.wording.fields[fact.key].label
        number = str(len(self.draft.lines) + 1)
        filled = fill(template, label=label, f=fact.owner, n=number, v=shown, **more)
        line = self.draft.add(section, filled, ())
        value = canonical(FIELDS[fact.key], shown) or "" if shown else ""
        self.draft.lures.append(Lure(fact.owner, fact.key, kind, line, value))
        return line

    def _example(self, fact: Fact) -> str:
        """A value of the same kind."""
        number = Decimal(self.r.randrange(110, 990, 5)) / 100
        if FIELDS[fact.key].kind == "amount":
            return self.r.choice(forms.amount(self.r.randrange(1_000, 90_000, 500), fact.forms[0][:3]))
        write = forms.ratio if FIELDS[fact.key].kind == "ratio" else forms.percent
        return self.r.choice(write(number))


_WRITERS: Mapping[str, Callable[[Lurer, Fact, World], None]] = {
    "default_covenant": Lurer._default_covenant,
    "plcr": Lurer._plcr,
    "agency_fee": Lurer._agency_fee,
    "worked_example": Lurer._worked_example,
    "blank_form": Lurer._blank_form,
    "boilerplate": Lurer._boilerplate,
    "other_unit": Lurer._other_unit,
    "cross_reference": Lurer._cross_reference,
}
KINDS = ("sister", "amended", *_WRITERS)
"""All kinds. A sister facility's value is one wherever there is a sister; an amended one is written with its
amendment; the others are written here."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.corpus.knobs import FAMILIES, Family
from harness.extraction.corpus.places import PARTS
from harness.extraction.corpus.words import around, fill, wording_of
from harness.extraction.corpus.world import RATIOS
from harness.extraction.schema import FIELDS

_RUN = 5


def texts(family: Family) -> list[str]:
    """All strings of a family's file but labels and names of things, which all documents share."""
    content = (files("harness.extraction.corpus.wording") / f"{family}.json").read_text(encoding="utf-8")
    read = json.loads(content)
    for key in ("language", "names", "facilities"):
        del read[key]
    return list(_strings(read))


def _strings(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for each in found.values():
            yield from _strings(each)
    else:
        for each in found:
            yield from _strings(each)


def _terms() -> re.Pattern[str]:
    """What things are called in every contract: names, keywords and choices of the schema."""
    terms = {
        term.casefold()
        for field in FIELDS.values()
        for term in (field.name, *field.keywords, *field.choices)
        if len(term.split()) > 1
    }
    # of which the schema has no field
    terms.add("project life cover ratio")
    return re.compile("|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True)))


def runs(family: Family) -> set[tuple[str, ...]]:
    """All stretches of five words between slots and terms."""
    found = set()
    terms = _terms()
    for text in texts(family):
        for part in re.split(r"\{\w+\}|\|", terms.sub("|", text.casefold())):
            words = re.findall(r"\w+", part)
            found |= {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
    return found


@pytest.mark.parametrize(("one", "other"), list(combinations(FAMILIES, 2)))
def test_families_share_no_five_words_in_a_row(one: Family, other: Family) -> None:
    assert len(runs(one)) > 400
    assert not runs(one) & runs(other)


@pytest.mark.parametrize(("one", "other"), list(combinations(FAMILIES, 2)))
def test_families_share_no_sentence(one: Family, other: Family) -> None:
    sentences = [{text for text in texts(each) if len(text.split()) > 3} for each in (one, other)]
    assert not sentences[0] & sentences[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_is_worded(family: Family) -> None:
    wording = wording_of(family)
    assert set(wording.fields) == set(FIELDS)
    for key, phrases in wording.fields.items():
        sentences = (phrases.keyword, phrases.synonym, phrases.oblique)
        assert len(set(sentences)) == 3
        names_value = FIELDS[key].kind != "yes_no"
        names_facility = FIELDS[key].scope == "facility" and key != "facility_name"
        for sentence in sentences:
            assert sentence.count("{v}") == names_value
            assert sentence.count("{f}") == names_facility
    assert set(wording.no) == {key for key, field in FIELDS.items() if field.kind == "yes_no"}
    assert set(wording.names) == set(RATIOS)
    assert set(wording.choices) == {
        choice for field in FIELDS.values() if field.kind == "choice" for choice in field.choices
    }
    assert set(wording.foreign) <= set(FIELDS)
    sections = [section for part in PARTS for section in part.sections + part.schedules]
    assert {section.rstrip("12") for section in sections} == set(wording.sections)


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["The x of {f} is {v}.", "{v} is {f}."]))
def test_slots_are_where_they_say(f: str, v: str, template: str) -> None:
    filled = fill(template, f=f, v=v)
    for decorated in (filled, around(filled, "If so, ", " and more")):
        for name, content in (("f", f), ("v", v)):
            start, end = decorated.slots[name]
            assert decorated.text[start:end] == content

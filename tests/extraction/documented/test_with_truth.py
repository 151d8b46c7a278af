"""The pipeline with the reader that knows the truth, in every format: real prompts, parsing and grounding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from extraction.documented.counting import Knowing, found_values, planted

from harness.extraction.asks import Facility, Passage
from harness.extraction.documented.extract import extract
from harness.extraction.documented.plan import plan
from harness.extraction.documented.settings import PRESETS, Settings, fitted
from harness.extraction.reading.opening import Choice, open_reader
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL, TrueValue, Truth

SHORT = Settings(
    section_passes=None, deep_fields=None, chunk_tokens=100, overlap_tokens=25, normalisation=False
)


def truth_of(known: Knowing) -> Truth:
    start = known.company.starts[0]
    names = ("Facility 1", "Facility 2")
    return Truth(
        known.company,
        tuple(Facility(name) for name in names),
        {key: TrueValue(value, ((span,),)) for key, (value, span) in known.values.items()},
        {name: (Passage(start, start + 5),) for name in names},
        {},
    )


def left_over(known: Knowing, facility: str) -> list[str]:
    return [key for key in FIELDS if not {(DEAL, key), (facility, key)} & known.values.keys()]


@pytest.mark.parametrize("form", ["verbose", "sparse"])
def test_everything_is_found_by_the_planned_calls(form):
    known = planted(5)
    # the second facility is given what the first has, so that as much is missing of both
    values = {(owner and "Facility 1", key): value for (owner, key), value in known.values.items()}
    values |= {("Facility 2", key): value for (owner, key), value in values.items() if owner}
    known = replace(known, values=values)
    with open_reader(Choice("perfect", format=form, truths=[truth_of(known)])) as opened:
        reader = opened.reader()
        missing = left_over(known, "Facility 1")
        chosen = replace(SHORT, early_stop=False)
        planned = plan(known.company, reader, chosen, facilities=2, missing=missing)
        result = extract(known.company, reader, chosen)
    assert {each.stage: each.calls for each in planned.stages} == {c.stage: c.calls for c in result.costs}
    # a verification of 40 values does not fit into 1,024 tokens: it is lost, as documented
    again = {cost.stage: cost.asked_again for cost in result.costs if cost.asked_again}
    assert again == ({"verification": 2} if form == "verbose" else {})
    assert len(result.notes) == len(again) * 2
    expected = {
        (name, key): value
        for (owner, key), (value, _) in values.items()
        for name in (["Facility 1", "Facility 2"] if owner == DEAL else [owner])
    }
    assert found_values(result) == expected
    for each in result.facilities:
        for value in each.values.values():
            if value.status == "FOUND":
                assert value.evidence is not None
                assert known.company.text[value.evidence.start : value.evidence.end] == value.quote


@pytest.mark.parametrize("name", ["capped", "one_hour", "bm25_only"])
def test_presets_find_no_more_than_no_caps(name):
    known = planted(6)
    with open_reader(Choice("perfect", format="verbose", truths=[truth_of(known)])) as opened:
        caps = replace(
            SHORT, section_passes=PRESETS[name].section_passes, deep_fields=PRESETS[name].deep_fields
        )
        capped, unlimited = (extract(known.company, opened.reader(), each) for each in (caps, SHORT))
    right = [found_values(result).items() & set(truth_items(known)) for result in (capped, unlimited)]
    assert len(right[0]) < len(right[1])
    assert capped.calls < unlimited.calls


def truth_items(known: Knowing) -> list[tuple[tuple[str, str], str]]:
    return [
        ((name, key), value)
        for (owner, key), (value, _) in known.values.items()
        for name in (["Facility 1", "Facility 2"] if owner == DEAL else [owner])
    ]


def test_settings_fitted_to_a_small_context_make_prompts_that_fit():
    known = planted(7)
    choice = Choice("perfect", format="one-question", truths=[truth_of(known)], context_tokens=512)
    with open_reader(choice) as opened:
        reader = opened.reader()
        result = extract(known.company, reader, fitted(PRESETS["capped"], reader.context_tokens))
    assert reader.counts.too_long == 0
    assert result.calls == reader.counts.requests > 50

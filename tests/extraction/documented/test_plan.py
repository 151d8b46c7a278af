"""Planned calls are the calls made: by the guide's formula, by an exact count, never fewer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from extraction.documented.counting import SMALL, Always, Anywhere, Counting, company_of, keys, word_spans
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.asks import Ask
from harness.extraction.company import Company
from harness.extraction.documented.extract import extract
from harness.extraction.documented.plan import Plan, documented_waves, nominal_calls, plan
from harness.extraction.documented.queries import field_queries, group_query
from harness.extraction.documented.settings import Settings
from harness.extraction.result import CompanyResult
from harness.extraction.schema.fields import FIELDS
from harness.extraction.timing import QUOTED, company_seconds

ALL_ROWS = [
    # facilities, section passes, verification, deep fields: calls with 12, 13 and 8 groups
    (2, 20, 1, 40, 587, 629, 419),
    (2, 2, 1, 25, 125, 131, 101),
    (2, 2, 1, 20, 115, 121, 91),
    (2, 1, 0, 20, 89, 93, 73),
    (3, 1, 0, 20, 133, 139, 109),
    (4, 1, 0, 15, 157, 165, 125),
    (4, 0, 0, 15, 109, 113, 93),
    (2, 0, 1, 25, 77, 79, 69),
    (4, 1, 0, 20, 177, 185, 145),
]


@pytest.mark.parametrize(("n", "s", "v", "d", "twelve", "thirteen", "eight"), ALL_ROWS)
def test_every_published_example_by_formula_and_by_running(n, s, v, d, twelve, thirteen, eight):
    for groups, expected in ((12, twelve), (13, thirteen), (8, eight)):
        formula = nominal_calls(n, groups=groups, section_passes=s, verification=bool(v), deep_fields=d)
        chosen = replace(SMALL, groups=groups, section_passes=s, verification=bool(v), deep_fields=d)
        planned, result, reader = ran(chosen, n, keys(40))
        assert formula == planned.calls == result.calls == len(reader.asked) == expected


@pytest.mark.parametrize(("groups", "before", "after"), [(12, 587, 125), (13, 629, 131), (8, 419, 101)])
def test_the_guides_example_before_and_after_the_caps(groups, before, after):
    unlimited = replace(SMALL, groups=groups, section_passes=None, deep_fields=None)
    planned, result, _ = ran(unlimited, 2, keys(40))
    assert (planned.chunks, planned.windows) == (60, 20)
    assert planned.calls == result.calls == before
    by_stage = {stage.stage: stage.calls for stage in planned.stages}
    assert by_stage == {
        "detection": 1, "retrieval": 2 * groups, "section": 40 * groups, "verification": 2, "deep": 80,
    }  # fmt: skip
    planned, result, _ = ran(replace(SMALL, groups=groups), 2, keys(40))
    assert planned.calls == result.calls == after


def ran(chosen: Settings, facilities: int, missing: list[str]) -> tuple[Plan, CompanyResult, Counting]:
    company, reader = company_of(60), Counting(facilities, missing)
    # no window is covered by these three
    searched = {"retrieve": lambda texts: Always((1, 5, 9)), "spans": word_spans}
    planned = plan(company, reader, chosen, facilities=facilities, missing=len(missing), **searched)
    assert not reader.batches
    return planned, extract(company, reader, chosen, **searched), reader


@st.composite
def cases(draw: st.DrawFn) -> tuple[Settings, int, int, frozenset[str], Anywhere]:
    chosen = replace(
        SMALL,
        groups=draw(st.sampled_from([8, 12, 13])),
        section_passes=draw(st.none() | st.integers(0, 6)),
        deep_fields=draw(st.none() | st.integers(0, 80)),
        verification=draw(st.booleans()),
        chunks_per_group=draw(st.integers(1, 5)),
    )
    chunks = draw(st.integers(1, 14))
    missing = draw(st.frozensets(st.sampled_from(list(FIELDS))) | st.just(frozenset(FIELDS)))
    retriever = Anywhere(chunks, draw(st.integers(0, 3)), draw(st.sampled_from([0.0, 0.3, 1.0])))
    return chosen, draw(st.integers(0, 4)), chunks, missing, retriever


def counted(
    chosen: Settings, facilities: int, missing: frozenset[str], company: Company, retriever: Anywhere
) -> dict[str, int]:
    """The exact formula: B, min(S, W - c), V where there is a value, min(D, M) of those with a chunk."""
    words = word_spans(company.text)
    size, stride = chosen.chunk_tokens, chosen.chunk_tokens - chosen.overlap_tokens
    chunks = 1 if len(words) <= size else 1 + math.ceil((len(words) - size) / stride)
    k = chosen.chunks_per_group
    retrieval = sections = 0
    found: set[str] = set()
    for group in chosen.partition:
        brought = set(retriever.top(group_query(group), k))
        left = sum(not set(range(first, min(first + k, chunks))) <= brought for first in range(0, chunks, k))
        passes = left if chosen.section_passes is None else min(chosen.section_passes, left)
        retrieval += bool(brought)
        sections += passes
        if brought or passes:
            found |= set(group.fields) - missing
    lacking = [key for key in FIELDS if key not in found]
    with_chunk = sum(any(retriever.top(query, 3) for query in field_queries(FIELDS[key])) for key in lacking)
    each = {
        "retrieval": retrieval,
        "section": sections,
        "verification": int(chosen.verification and bool(found)),
        "deep": with_chunk if chosen.deep_fields is None else min(chosen.deep_fields, with_chunk),
    }
    return {"detection": 1} | {
        stage: facilities * count for stage, count in each.items() if facilities * count
    }


@settings(max_examples=150, deadline=None)
@given(cases())
def test_planned_calls_are_the_calls_made(case):
    chosen, facilities, chunks, missing, retriever = case
    company, reader = company_of(chunks), Counting(facilities, missing)
    searched = {"retrieve": lambda texts: retriever, "spans": word_spans}
    planned = plan(company, reader, chosen, facilities=facilities, missing=missing, **searched)
    result = extract(company, reader, chosen, **searched)
    made = {cost.stage: cost.calls for cost in result.costs}
    assert {each.stage: each.calls for each in planned.stages} == made
    assert made == counted(chosen, facilities, missing, company, retriever)
    assert planned.calls == result.calls == len(reader.asked)
    assert [sum(each.count for each in wave) for wave in planned.waves] == [len(b) for b in reader.batches]


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(["HIGH", "LOW"]))
def test_a_plan_that_knows_nothing_is_a_bound_from_above(case, confidence):
    chosen, facilities, chunks, missing, retriever = case
    company, reader = company_of(chunks), Counting(facilities, missing, confidence)
    searched = {"retrieve": lambda texts: retriever, "spans": word_spans}
    planned = plan(company, reader, chosen, facilities=facilities, **searched)
    made = {cost.stage: cost.calls for cost in extract(company, reader, chosen, **searched).costs}
    bound = {each.stage: each.calls for each in planned.stages}
    assert all(made[stage] <= bound[stage] for stage in made)


@settings(max_examples=30, deadline=None)
@given(cases(), st.integers(0, len(FIELDS)))
def test_a_number_of_missing_fields_is_a_bound_for_any_that_are_missing(case, count):
    chosen, facilities, chunks, _missing, retriever = case
    searched = {"retrieve": lambda texts: retriever, "spans": word_spans}
    company, some = company_of(chunks), frozenset(list(FIELDS)[:count])
    any_fields = plan(company, Counting(), chosen, facilities=facilities, missing=count, **searched)
    these = plan(company, Counting(), chosen, facilities=facilities, missing=some, **searched)
    assert these.calls <= any_fields.calls


def test_a_reader_with_a_call_for_each_field_is_planned_so():
    def each_field(ask: Ask) -> int:
        return sum(key in set(list(FIELDS)[:10]) for key in ask.fields) or (ask.stage == "detection")

    company, reader = company_of(9), Counting(2, keys(70), calls_of=each_field)
    searched = {"retrieve": lambda texts: Always((1, 5)), "spans": word_spans}
    planned = plan(company, reader, SMALL, missing=keys(70), **searched)
    result = extract(company, reader, SMALL, **searched)
    assert planned.calls == result.calls
    assert {each.stage: each.calls for each in planned.stages} == {c.stage: c.calls for c in result.costs}
    statuses = {key: value.status for key, value in result.facilities[0].values.items()}
    assert statuses[list(FIELDS)[2]] == "NOT_FOUND"
    assert statuses[list(FIELDS)[-1]] == "NOT_EXTRACTED"


@pytest.mark.parametrize(
    ("n", "s", "v", "d", "hours"),
    [
        (2, 20, 1, 40, 5.90),
        (2, 2, 1, 25, 1.04),
        (2, 1, 0, 20, 0.69),
        (3, 1, 0, 20, 1.02),
        (2, 0, 0, 15, 0.38),
    ],
)
def test_the_time_model_gives_the_published_hours(n, s, v, d, hours):
    waves = documented_waves(n, [6] * 12, section_passes=s, verification=bool(v), deep_fields=d)
    assert company_seconds(waves, QUOTED) / 3600 == pytest.approx(hours, abs=0.006)


def test_a_plan_for_a_text_of_the_documented_size_takes_the_published_time():
    full = Settings(groups=12, section_passes=1, deep_fields=20, verification=False)
    company = company_of(60, full)
    searched = {"retrieve": lambda texts: Always((1, 5, 9)), "spans": word_spans}
    planned = plan(company, Counting(), full, missing=40, **searched)
    assert planned.calls == 89
    assert planned.minutes == pytest.approx(41, abs=1)
    assert planned.tokens == sum(each.prompt_tokens + each.completion_tokens for each in planned.stages)


def test_assumptions_say_what_was_not_known():
    company = company_of(4)
    unknown = plan(company, Counting(), SMALL, facilities=3, spans=word_spans)
    known = plan(company, Counting(), replace(SMALL, early_stop=False), missing=5, spans=word_spans)
    assert any("3 facilities" in line for line in unknown.assumptions)
    assert any("most calls" in line for line in unknown.assumptions)
    assert any("5 of 72" in line for line in known.assumptions)
    assert not any("early" in line for line in known.assumptions)


@pytest.mark.parametrize("wrong", [{"facilities": -1}, {"missing": -1}, {"missing": 73}])
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(HarnessError, match="missing fields"):
        plan(company_of(2), Counting(), SMALL, spans=word_spans, **wrong)

"""The documented pipeline on small companies: what each stage asks, keeps and changes, in any order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from extraction.documented.counting import (
    SMALL,
    Always,
    Counting,
    Knowing,
    company_of,
    found_values,
    keys,
    planted,
    word_spans,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.extraction.asks import Ask, Found, Reply
from harness.extraction.company import Company, Document
from harness.extraction.documented.asking import deep_targets
from harness.extraction.documented.extract import asking_of, extract
from harness.extraction.documented.records import Record, answered
from harness.extraction.documented.settings import PRESETS, Settings
from harness.extraction.result import CompanyResult
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL

UNLIMITED = replace(SMALL, section_passes=None, deep_fields=None)
KEYS = list(FIELDS)


def ran(reader: Counting, chosen: Settings = SMALL, company: Company | None = None) -> CompanyResult:
    return extract(
        company or company_of(12), reader, chosen, retrieve=lambda t: Always((1, 5, 9)), spans=word_spans
    )


def read(known: Knowing, chosen: Settings = SMALL) -> CompanyResult:
    return extract(known.company, known, chosen, spans=word_spans)


def stages(reader: Counting) -> Counter[str]:
    return Counter(ask.stage for ask in reader.asked)


# --- coverage ---


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_caps_everything_is_found_where_it_stands(seed):
    known = planted(seed)
    result = read(known, UNLIMITED)
    found = found_values(result)
    for (owner, key), (value, _) in known.values.items():
        holders = [each.facility.name for each in result.facilities] if owner == DEAL else [owner]
        assert all(found[holder, key] == value for holder in holders)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.integers(0, 8), st.integers(0, 8), st.sampled_from([8, 12, 13]))
def test_a_higher_section_cap_asks_more_of_the_same_and_loses_nothing(seed, low, high, groups):
    low, high = sorted((low, high))
    few, many = planted(seed), planted(seed)
    chosen = replace(SMALL, groups=groups, deep_fields=0, verification=False)
    fewer = read(few, replace(chosen, section_passes=low))
    more = read(many, replace(chosen, section_passes=high))
    assert not Counter(map(asked, few.asked)) - Counter(map(asked, many.asked))
    assert found_values(fewer).items() <= found_values(more).items()


def asked(ask: Ask) -> tuple[object, ...]:
    return ask.stage, ask.fields, ask.passages, ask.facilities, ask.claimed, ask.output_tokens


# --- order ---


class OneByOne(Knowing):
    """Answers each ask before it looks at the next one."""

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        return [reply for ask in asks for reply in super(OneByOne, self).answers([ask])]


@pytest.mark.parametrize("chosen", [SMALL, UNLIMITED])
def test_waves_ask_and_find_what_the_one_by_one_order_does(chosen):
    together, alone = planted(4), planted(4)
    result = read(together, chosen)
    single = OneByOne(2, values=alone.values, company=alone.company)
    assert read(single, chosen) == result
    assert single.asked == together.asked
    assert len(together.batches) <= 5 < len(single.batches)
    looped, records = in_loops(alone, chosen)
    assert Counter(map(asked, looped)) == Counter(map(asked, together.asked))
    for each, own in zip(result.facilities, records, strict=True):
        for key, record in own.items():
            assert each.values[key].value == ("" if record.found is None else record.found.value)


def in_loops(known: Knowing, chosen: Settings) -> tuple[list[Ask], list[dict[str, Record]]]:
    """The documented loops: facility by facility, group by group, pass by pass, each call after the other."""
    asking = asking_of(known.company, known, chosen, None, word_spans)
    made = [asking.detection()]
    (detected,) = known.answers(made)
    everything = []
    for facility in detected.facilities:
        records = {key: Record(key) for key in FIELDS}

        def one(ask: Ask, records=records, name=facility.name) -> None:
            made.append(ask)
            (reply,) = known.answers([ask])
            for key in ask.fields:
                records[key] = answered(records[key], reply, name, ask.stage)

        for group in chosen.partition:
            first = asking.first(facility, group)
            if first is not None:
                one(first)
            found = [records[key].found for key in group.fields]
            if not all(each is not None and each.confidence == "HIGH" for each in found):
                for ask in asking.sections(facility, group):
                    one(ask)
        claims = [replace(r.found, facility=facility.name) for r in records.values() if r.found is not None]
        verification = asking.verification(facility, claims)
        if verification is not None:
            made.append(verification)
        missing = {
            key: record.status == "POSSIBLY_PRESENT" for key, record in records.items() if record.is_missing
        }
        asks = {key: ask for key in FIELDS if (ask := asking.deep(key)) is not None}
        for key in deep_targets(missing, asks, chosen.deep_fields):
            one(asks[key])
        everything.append(records)
    return made, everything


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_neither_workers_nor_the_order_of_companies_change_anything(workers):
    def one(seed: int) -> tuple[list[Ask], CompanyResult]:
        known = planted(seed, name=f"company {seed}")
        result = read(known)
        return known.asked, result

    seeds = list(range(5))
    expected = [one(seed) for seed in seeds]
    with ThreadPoolExecutor(workers) as pool:
        assert list(pool.map(one, seeds)) == expected
        assert list(pool.map(one, reversed(seeds))) == expected[::-1]


PROGRAM = """
import json
from extraction.documented.counting import SMALL, planted, word_spans
from harness.extraction.documented.extract import extract
known = planted(7)
result = extract(known.company, known, SMALL, spans=word_spans)
asks = [(a.stage, a.fields, [(p.start, p.end) for p in a.passages], a.output_tokens) for a in known.asked]
values = [[key, value.status, value.value] for f in result.facilities for key, value in f.values.items()]
print(json.dumps([asks, values]))
"""


def test_the_hash_seed_changes_nothing():
    said = []
    for seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True
        )
        said.append(json.loads(done.stdout))
    assert said[0] == said[1]
    assert len(said[0][0]) > 50


# --- detection ---


def test_an_empty_detection_yields_nothing():
    reader = Counting(0)
    result = ran(reader)
    assert (result.calls, result.facilities) == (1, ())
    assert "no facility" in result.notes[0]


def test_an_unreadable_detection_assumes_one_facility():
    reader = Counting(
        3,
        change=lambda ask, reply: (
            Reply(unreadable=ask.stage == "detection") if ask.stage == "detection" else reply
        ),
    )
    result = ran(reader)
    assert len(result.facilities) == 1
    assert any("one facility is assumed" in note for note in result.notes)


def test_detection_shows_what_fits_and_no_more():
    company = company_of(40)
    ask = asking_of(company, Counting(), SMALL, lambda texts: Always((3, 7, 30)), word_spans).detection()
    text = asking_of(company, Counting(), SMALL, None, word_spans).text
    assert ask.passages == tuple(text.chunks[number] for number in (3, 7, 30))
    assert ask.fields == ask.facilities == ()
    tight = replace(SMALL, detection_text_tokens=10)
    ask = asking_of(company, Counting(), tight, lambda texts: Always((3,)), word_spans).detection()
    assert sum(text.tokens(passage) for passage in ask.passages) == 10


def test_detection_shows_the_beginning_and_the_end_of_a_long_text_where_there_is_room():
    company = company_of(250)
    assert len(company.text) > 20_000
    wide = replace(SMALL, detection_text_tokens=10_000)
    ask = asking_of(company, Counting(), wide, lambda texts: Always((100,)), word_spans).detection()
    starts = [passage.start for passage in ask.passages]
    assert starts[1:] == [0, len(company.text) - 5000]


# --- group passes ---


def test_a_group_stops_early_only_when_every_field_is_surely_there():
    reader = Counting(1, confidence="HIGH", missing=[KEYS[0]])
    ran(reader)
    assert {ask.fields for ask in reader.asked if ask.stage == "section"} == {SMALL.partition[0].fields}
    reader = Counting(1, confidence="HIGH", missing=[KEYS[0]])
    ran(reader, replace(SMALL, early_stop=False))
    assert stages(reader)["section"] == 2 * 13
    reader = Counting(1, confidence="MEDIUM")
    ran(reader)
    assert stages(reader)["section"] == 2 * 13


def test_every_prompt_of_a_group_names_its_facility_and_shows_its_chunks():
    reader = Counting(2)
    ran(reader)
    text = asking_of(company_of(12), reader, SMALL, None, word_spans).text
    passes = [ask for ask in reader.asked if ask.stage in ("retrieval", "section")]
    for ask in passes:
        assert len(ask.facilities) == 1
        group = next(group for group in SMALL.partition if group.fields == ask.fields)
        assert ask.output_tokens == min(group.output_tokens, reader.context_tokens // 4)
    first = next(ask for ask in passes if ask.stage == "retrieval")
    assert first.passages == tuple(text.chunks[number] for number in (1, 5, 9))
    sections = [ask.passages for ask in passes if ask.stage == "section"][:2]
    assert sections == [text.chunks[0:3], text.chunks[3:6]]


def test_a_group_text_is_cut_at_its_limit():
    reader = Counting(1)
    ran(reader, replace(SMALL, group_text_tokens=30))
    text = asking_of(company_of(12), reader, SMALL, None, word_spans).text
    for ask in reader.asked:
        if ask.stage in ("retrieval", "section"):
            assert sum(text.tokens(passage) for passage in ask.passages) == 30


def test_a_small_context_shortens_answers():
    reader = Counting(1, context_tokens=400)
    ran(reader)
    assert {ask.output_tokens for ask in reader.asked} == {100}


# --- verification ---


def test_a_correction_replaces_the_value_and_is_medium():
    def correct(ask: Ask, reply: Reply) -> Reply:
        if ask.stage != "verification":
            return reply
        return replace(reply, found=(Found(KEYS[0], "2"), Found(KEYS[1], "1"), Found("no field", "3")))

    values = ran(Counting(1, confidence="HIGH", change=correct)).facilities[0].values
    assert (values[KEYS[0]].value, values[KEYS[0]].confidence) == ("2", 0.6)
    assert [other.value for other in values[KEYS[0]].others] == ["1"]
    assert (values[KEYS[1]].value, values[KEYS[1]].confidence) == ("1", 1.0)
    assert values[KEYS[2]].value == "1"


def test_verification_claims_every_value_once_for_each_facility():
    reader = Counting(2, missing=keys(10))
    ran(reader)
    asks = [ask for ask in reader.asked if ask.stage == "verification"]
    assert len(asks) == 2
    for ask in asks:
        assert [found.field for found in ask.claimed] == list(ask.fields) == KEYS[:-10]
        assert {found.facility for found in ask.claimed} == {ask.facilities[0].name}
    assert not stages(skipped := Counting(2))
    assert ran(skipped, replace(SMALL, verification=False))
    assert stages(skipped)["verification"] == 0


def test_nothing_found_is_nothing_to_verify_and_an_unreadable_one_changes_nothing():
    nothing = Counting(2, missing=KEYS)
    ran(nothing)
    assert stages(nothing)["verification"] == 0
    cut = Counting(
        1, change=lambda ask, reply: Reply(unreadable=True) if ask.stage == "verification" else reply
    )
    result = ran(cut)
    assert {value.value for value in result.facilities[0].values.values()} == {"1"}
    assert any("verification" in note for note in result.notes)


# --- deep extraction ---


def test_deep_extraction_takes_up_what_is_said_to_stand_elsewhere_first():
    def elsewhere(ask: Ask, reply: Reply) -> Reply:
        return replace(reply, elsewhere=tuple(set(ask.fields) & {KEYS[50]}))

    reader = Counting(1, missing=[*KEYS[:30], KEYS[50]], change=elsewhere)
    result = ran(reader, replace(SMALL, deep_fields=5))
    deep = [ask.fields[0] for ask in reader.asked if ask.stage == "deep"]
    assert deep == [KEYS[50], *KEYS[:4]]
    assert result.facilities[0].values[KEYS[50]].status == "POSSIBLY_PRESENT"


@given(
    st.dictionaries(st.sampled_from(KEYS), st.booleans()), st.none() | st.integers(0, 80), st.integers(0, 80)
)
def test_targets_of_a_lower_cap_are_among_those_of_a_higher(missing, high, low):
    asks = {key: Ask(Company("", ()), "deep", (key,), ()) for key in KEYS[::2]}
    more = deep_targets(missing, asks, high)
    fewer = deep_targets(missing, asks, low if high is None else min(low, high))
    assert more[: len(fewer)] == fewer
    assert set(more) <= missing.keys() & asks.keys()
    flags = [missing[key] for key in more]
    assert flags == sorted(flags, reverse=True)


def test_deep_prompts_name_no_facility_so_they_repeat_for_each():
    reader = Counting(3, missing=keys(4))
    ran(reader)
    deep = [ask for ask in reader.asked if ask.stage == "deep"]
    assert {ask.facilities for ask in deep} == {()}
    assert set(Counter(map(asked, deep)).values()) == {3}


def test_what_deep_extraction_finds_overwrites_and_a_low_value_is_looked_for():
    def deep(ask: Ask, reply: Reply) -> Reply:
        return replace(reply, found=(Found(ask.fields[0], "2"),)) if ask.stage == "deep" else reply

    values = ran(Counting(1, confidence="LOW", change=deep), UNLIMITED).facilities[0].values
    assert {value.value for value in values.values()} == {"2"}
    assert {other.value for value in values.values() for other in value.others} == {"1"}


def test_sure_values_are_not_looked_for():
    reader = Counting(2)
    ran(reader, UNLIMITED)
    assert stages(reader)["deep"] == 0


# --- costs and failures ---


def test_repeated_calls_are_counted_apart():
    def again(ask: Ask, reply: Reply) -> Reply:
        return replace(reply, calls=2, asked_again=1) if ask.stage == "section" else reply

    once, twice = Counting(2), Counting(2, change=again)
    first, second = ran(once), ran(twice)
    assert first.calls == second.calls == len(twice.asked)
    assert sum(cost.asked_again for cost in second.costs) == stages(twice)["section"]
    assert [cost.stage for cost in second.costs] == ["detection", "retrieval", "section", "verification"]


def test_a_failure_of_the_engine_is_raised_and_no_value():
    def fails(ask: Ask, reply: Reply) -> Reply:
        if ask.stage == "section":
            raise EngineFailure("out of memory")
        return reply

    with pytest.raises(EngineFailure):
        ran(Counting(2, change=fails))


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_company_without_text_is_reported_not_asked(text):
    reader = Counting()
    result = extract(
        Company("empty", (Document("a.txt", text),) if text else ()), reader, SMALL, spans=word_spans
    )
    assert result.facilities == ()
    assert result.notes == ("the documents hold no text",)
    assert not reader.asked


def test_a_retriever_that_nobody_made_is_refused():
    with pytest.raises(HarnessError, match="hybrid"):
        extract(company_of(2), Counting(), PRESETS["quality"], spans=word_spans)


def test_a_deep_answer_that_cannot_be_read_leaves_the_first_pattern():
    def unreadable(ask: Ask, reply: Reply) -> Reply:
        return replace(reply, unreadable=True) if ask.stage == "deep" else reply

    text = " ".join(["word"] * 30) + " the margin is 2.35 % per annum " + " ".join(["other"] * 30)
    company = Company("one", (Document("a.txt", text),))
    reader = Counting(1, missing=KEYS, change=unreadable)
    result = extract(company, reader, UNLIMITED, retrieve=lambda t: Always((0, 1, 2, 3)), spans=word_spans)
    spread, floor = (result.facilities[0].values[key] for key in ("spread", "rate_floor"))
    assert (spread.value, spread.confidence, spread.status) == ("2.35 %", 0.6, "FOUND")
    assert spread.evidence is not None
    assert company.text[spread.evidence.start : spread.evidence.end] == spread.quote
    assert floor.status == "NOT_FOUND"

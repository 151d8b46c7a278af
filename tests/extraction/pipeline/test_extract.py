from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from extraction.pipeline.planted import (
    SMALL,
    WORLD,
    Knowing,
    Planted,
    coverage,
    planted,
    read,
    seconds,
    valid,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.protocol import EngineFailure
from harness.extraction.asks import Ask, Found, Reply
from harness.extraction.company import Company, Document
from harness.extraction.pipeline.calibration import IDENTITY
from harness.extraction.pipeline.extract import extract
from harness.extraction.result import CompanyResult
from harness.extraction.schema.fields import FIELDS


def test_what_is_there_is_found_with_its_evidence_at_its_facility() -> None:
    [result], _ = read([WORLD])
    assert coverage(WORLD, result) > 0.97
    assert [each.facility.name for each in result.facilities] == ["Facility A", "Facility B"]
    for row in result.facilities:
        assert list(row.values) == list(FIELDS)
        for value in row.values.values():
            assert value.status in ("FOUND", "NOT_FOUND")
            if value.evidence is not None:
                assert result.company.text[value.evidence.start : value.evidence.end] == value.quote


def test_costs_are_what_the_replies_said() -> None:
    [result], reader = read([WORLD])
    assert [cost.stage for cost in result.costs] == ["detection", "window"]
    assert result.calls == len(reader.asked)
    assert result.tokens == sum(reply.prompt_tokens + 20 for reply in Knowing([WORLD]).answers(reader.asked))


def test_every_ask_names_facilities_and_none_is_asked_twice() -> None:
    _, reader = read([WORLD])
    windows = [ask for ask in reader.asked if ask.stage == "window"]
    assert all(ask.facilities for ask in windows)
    asked = [(ask.stage, ask.fields, ask.passages, ask.facilities) for ask in reader.asked]
    assert len(set(asked)) == len(asked)


def test_asks_of_one_window_follow_each_other() -> None:
    _, reader = read([WORLD], replace(SMALL, bundle_fields=6))
    for batch in reader.batches:
        shown = [ask.passages for ask in batch]
        assert shown == sorted(shown)


def test_what_was_found_is_asked_for_less_than_what_was_not() -> None:
    _, reader = read([WORLD], replace(SMALL, confirm=0.0, superseded=0.0, wave_calls=1))
    found: set[tuple[str, str]] = set()
    asked_found, asked_missing, known, unknown = 0, 0, 0, 0
    names = ["Facility A", "Facility B"]
    for ask in reader.asked:
        if ask.stage == "window":
            for key, field in FIELDS.items():
                for owner in [""] if field.scope == "deal" else names:
                    is_named = key in ask.fields and owner in ["", *(each.name for each in ask.facilities)]
                    if (owner, key) in found:
                        asked_found, known = asked_found + is_named, known + 1
                    else:
                        asked_missing, unknown = asked_missing + is_named, unknown + 1
        for reply in Knowing([WORLD]).answers([ask]):
            found |= {(each.facility, each.field) for each in reply.found}
    assert known > 100
    assert asked_found / known < 0.5 * asked_missing / unknown


SPOILS = st.lists(st.sampled_from(["good", "good", "again", "unreadable"]), min_size=1, max_size=12)


@given(st.integers(0, 40), SPOILS, st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_budget_holds_whatever_comes_back(
    calls: int, spoils: list[str], alone: bool, adaptive: bool
) -> None:
    turn = iter(range(10_000))

    def spoil(ask: Ask, reply: Reply) -> Reply:
        kind = spoils[next(turn) % len(spoils)]
        if kind == "good":
            return reply
        twice = replace(reply, calls=2 * reply.calls, asked_again=reply.calls)
        return replace(twice, found=(), unreadable=True) if kind == "unreadable" else twice

    reader = Knowing([WORLD], change=spoil, alone=alone)
    chosen = replace(SMALL, budget_calls=calls, adaptive=adaptive)
    [result], _ = read([WORLD], chosen, reader)
    spent = sum(cost.calls + cost.asked_again for cost in result.costs)
    assert spent <= calls
    assert result.calls == sum(reader.calls(ask) for ask in reader.asked)


@pytest.mark.parametrize("minutes", [0.5, 2.0, 8.0])
def test_minutes_are_kept(minutes: float) -> None:
    [result], _ = read([WORLD], replace(SMALL, budget_calls=None, budget_minutes=minutes), seconds=seconds)
    spent = sum(
        0.3 * (cost.calls + cost.asked_again) + 0.0005 * cost.prompt_tokens + 0.09 * cost.completion_tokens
        for cost in result.costs
    )
    assert spent <= 60.0 * minutes


def test_more_budget_finds_more_until_nothing_is_expected() -> None:
    shares, spent = [], []
    for calls in (4, 10, 40, 200):
        [result], _ = read([WORLD], replace(SMALL, budget_calls=calls))
        shares.append(coverage(WORLD, result))
        spent.append(result.calls)
    assert shares == sorted(shares)
    assert shares[0] < shares[2]
    assert spent[-1] < 200
    assert spent == sorted(spent)


def test_a_company_is_read_the_same_alone_and_beside_others_in_any_order() -> None:
    worlds = [planted(seed, paragraphs=30) for seed in (1, 2, 3)]
    together, reader = read(worlds)
    backwards, _ = read(worlds[::-1])
    assert together == backwards[::-1]
    for world, result in zip(worlds, together, strict=True):
        [alone], own = read([world])
        assert alone == result
        assert own.asked == [ask for ask in reader.asked if ask.company == world.company]


def test_companies_share_batches() -> None:
    worlds = [planted(seed, paragraphs=30) for seed in (1, 2, 3)]
    _, reader = read(worlds)
    assert {ask.company.name for ask in reader.batches[0]} == {"company 1", "company 2", "company 3"}
    alone = max(len(read([world])[1].batches) for world in worlds)
    assert len(reader.batches) == alone


def test_threads_that_read_at_once_do_not_meet() -> None:
    reader = Knowing([WORLD])
    results: list[list[CompanyResult]] = []
    threads = [
        threading.Thread(target=lambda: results.append(read([WORLD], reader=reader)[0])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [read([WORLD])[0]] * 3


def test_the_same_asks_under_every_hash_seed() -> None:
    code = (
        "from extraction.pipeline.planted import WORLD, read;"
        "[r], reader = read([WORLD]);"
        "print([(a.stage, a.fields, a.passages, a.facilities) for a in reader.asked], r.facilities)"
    )
    tests = Path(__file__).parents[2]
    outputs = []
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{tests}:{tests.parent}"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert "Facility A" in outputs[0]


def test_a_reader_of_single_fields_is_asked_for_what_it_knows_within_the_budget() -> None:
    unknown = frozenset(list(FIELDS)[::2])
    reader = Knowing([WORLD], alone=True, unknown=unknown, context_tokens=512)
    [result], _ = read([WORLD], replace(SMALL, budget_calls=300, window_tokens=250), reader)
    windows = [ask for ask in reader.asked if ask.stage == "window"]
    assert all(len(ask.fields) == 1 and ask.fields[0] not in unknown for ask in windows)
    assert len(reader.asked) == result.calls
    row = result.facilities[0].values
    assert {row[key].status for key in unknown} == {"NOT_EXTRACTED"}
    assert sum(row[key].status == "FOUND" for key in FIELDS if key not in unknown) > 10


def test_a_prompt_and_its_answer_fit_the_context() -> None:
    reader = Knowing([planted(5, paragraphs=300)], context_tokens=4000)
    read(list(reader.known), replace(SMALL, window_tokens=9000), reader)
    for ask in reader.asked:
        shown = sum(reader.tokens(ask.company.text[each.start : each.end]) for each in ask.passages)
        assert shown + ask.output_tokens + 500 < 4000


def test_a_later_amendment_is_looked_for_and_wins() -> None:
    key = next(key for key, field in FIELDS.items() if field.kind == "percent" and field.scope == "facility")
    world = planted(3, [key], present=1.0, facilities=1)
    (owner, (old, _)) = next(iter(world.values.items()))
    new = next(value for value in valid(key) if value != old)
    line = f"The {FIELDS[key].name} {owner[0]} is now {new}."
    text = f"FIRST AMENDMENT AGREEMENT\n\nThe parties agree.\n\n{line}\n"
    company = Company(world.company.name, (*world.company.documents, Document("zz.txt", text)))
    start = company.text.index(line)

    def amended(ask: Ask, reply: Reply) -> Reply:
        from harness.extraction.asks import Passage

        span = Passage(start, start + len(line))
        if key in ask.fields and any(p.start <= span.start and span.end <= p.end for p in ask.passages):
            return replace(reply, found=(*reply.found, Found(key, new, owner[0], line, span)))
        return reply

    moved = planted(3, [key], present=1.0, facilities=1)
    shifted = Planted(company, moved.facilities, moved.mentions, moved.values)
    [result], _ = read([shifted], SMALL, Knowing([shifted], change=amended))
    value = result.facilities[0].values[key]
    assert (value.value, value.status) == (new, "FOUND")
    assert [each.value for each in value.others] == [old]


def test_what_the_reader_says_of_missing_fields_is_their_status() -> None:
    keys = [key for key, field in FIELDS.items() if field.scope == "deal"][:3]

    def say(ask: Ask, reply: Reply) -> Reply:
        if ask.stage == "detection":
            return reply
        absent = tuple(key for key in ask.fields if key == keys[0])
        return replace(reply, absent=absent, elsewhere=tuple(key for key in ask.fields if key == keys[1]))

    world = planted(4, keys, present=0.0)
    [result], _ = read([world], SMALL, Knowing([world], change=say))
    row = result.facilities[0].values
    assert [row[key].status for key in keys] == ["N/A", "POSSIBLY_PRESENT", "NOT_FOUND"]


def test_answers_that_cannot_be_read_are_errors_and_not_missing_values() -> None:
    def spoil(ask: Ask, reply: Reply) -> Reply:
        return reply if ask.stage == "detection" else replace(reply, found=(), unreadable=True)

    [result], _ = read([WORLD], SMALL, Knowing([WORLD], change=spoil))
    statuses = {value.status for value in result.facilities[0].values.values()}
    assert statuses <= {"EXTRACTION_ERROR", "NOT_EXTRACTED"}
    assert "EXTRACTION_ERROR" in statuses


def test_values_that_are_none_or_of_nobody_are_not_taken() -> None:
    key = next(key for key, field in FIELDS.items() if field.kind == "percent" and field.scope == "facility")

    def spoil(ask: Ask, reply: Reply) -> Reply:
        wrong = (Found(key, "12 apples", "Facility A"), Found(key, "2.50%", "Facility Z"), Found("no", "1"))
        return replace(reply, found=wrong)

    world = planted(4, [key], present=0.0)
    [result], _ = read([world], SMALL, Knowing([world], change=spoil))
    assert result.facilities[0].values[key].status == "NOT_FOUND"
    assert any("told no facility" in note for note in result.notes)


def test_a_company_without_facilities_or_text_says_so() -> None:
    world = planted(6, facilities=0)
    [result], reader = read([world])
    assert result.facilities == ()
    assert "no facility" in result.notes[0]
    assert {ask.stage for ask in reader.asked} == {"detection"}
    empty = Planted(Company("empty", (Document("a.txt", " \n"),)), (), (), {})
    [none], reader = read([empty])
    assert (none.facilities, none.costs, reader.asked) == ((), (), [])
    assert extract([], reader, calibration=IDENTITY) == []


def test_a_failing_engine_is_no_missing_value() -> None:
    def fail(ask: Ask, reply: Reply) -> Reply:
        raise EngineFailure("gone")

    with pytest.raises(EngineFailure):
        read([WORLD], SMALL, Knowing([WORLD], change=fail))


def test_unreadable_detection_is_not_the_same_as_no_facility() -> None:
    def spoil(ask: Ask, reply: Reply) -> Reply:
        return replace(reply, facilities=(), unreadable=True) if ask.stage == "detection" else reply

    [result], _ = read([WORLD], reader=Knowing([WORLD], change=spoil))
    assert result.facilities == ()
    assert "no answer that names facilities could be read" in result.notes[0]

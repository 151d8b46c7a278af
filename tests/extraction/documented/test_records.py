"""Two answers become one: confidence, then the longer evidence; and what status is left without a value."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Found, Passage, Reply
from harness.extraction.documented.records import WEIGHT, Record, answered, merged, taken, value_of

KEY = "some_field"
FOUND = st.builds(
    Found,
    field=st.just(KEY),
    value=st.sampled_from(["a", "b", "c"]),
    quote=st.text("x", max_size=4),
    confidence=st.sampled_from(["HIGH", "MEDIUM", "LOW"]),
)


@given(st.lists(FOUND, max_size=6))
def test_the_value_that_holds_is_the_first_strongest(values):
    record = Record(KEY)
    for found in values:
        record = merged(record, found, "section")
    real = [each for each in values if each.confidence != "LOW" or each.quote]
    best = max(real, key=lambda each: (WEIGHT[each.confidence], len(each.quote)), default=None)
    assert record.found == best
    assert len(record.outvoted) == len(values) - (best is not None)


@given(st.lists(FOUND, min_size=2, max_size=4))
def test_without_equals_the_order_of_answers_changes_nothing(values):
    strengths = {(each.confidence, len(each.quote)) for each in values}
    if len(strengths) < len(values):
        return
    winners = []
    for order in itertools.permutations(values):
        record = Record(KEY)
        for found in order:
            record = merged(record, found, "section")
        winners.append(record.found)
    assert all(winner == winners[0] for winner in winners)


def test_a_low_value_without_evidence_is_lost_and_between_two_sure_ones_the_longer_quote_holds():
    assert merged(Record(KEY), Found(KEY, "1", confidence="LOW"), "section").found is None
    right, wordy = Found(KEY, "right", quote="short"), Found(KEY, "wrong", quote="long and unrelated")
    record = merged(merged(Record(KEY), right, "retrieval"), wordy, "section")
    value = value_of(record)
    assert (value.value, value.confidence, value.status) == ("wrong", 1.0, "FOUND")
    assert [(each.value, each.stage) for each in value.others] == [("right", "retrieval")]


@pytest.mark.parametrize(
    ("replies", "status"),
    [
        ([], "NOT_EXTRACTED"),
        ([Reply(unreadable=True)], "EXTRACTION_ERROR"),
        ([Reply(unread=(KEY,))], "EXTRACTION_ERROR"),
        ([Reply(unread=("other",))], "NOT_FOUND"),
        ([Reply(unreadable=True), Reply()], "NOT_FOUND"),
        ([Reply(), Reply(absent=(KEY,))], "N/A"),
        ([Reply(absent=(KEY,)), Reply(elsewhere=(KEY,)), Reply()], "POSSIBLY_PRESENT"),
        ([Reply(elsewhere=(KEY,)), Reply((Found(KEY, "1", quote="one"),))], "FOUND"),
        ([Reply((Found("other", "1", quote="one"),))], "NOT_FOUND"),
        ([Reply((Found(KEY, "1", facility="Facility B", quote="one"),))], "NOT_FOUND"),
    ],
)
def test_status_words(replies, status):
    record = Record(KEY)
    for reply in replies:
        record = answered(record, reply, "Facility A", "retrieval")
    assert record.status == value_of(record).status == status


def test_what_was_found_comes_out_with_its_evidence():
    found = Found(KEY, "1", "Facility A", "one", Passage(3, 6), "MEDIUM")
    value = value_of(answered(Record(KEY), Reply((found,)), "Facility A", "section"))
    assert (value.value, value.quote, value.evidence, value.confidence) == ("1", "one", Passage(3, 6), 0.6)


def test_a_value_that_is_taken_overwrites_and_keeps_the_other():
    first = merged(Record(KEY), Found(KEY, "1", quote="one"), "retrieval")
    second = taken(first, Found(KEY, "2", confidence="LOW"), "deep")
    assert second.found is not None
    assert (second.found.value, second.stage) == ("2", "deep")
    assert second.is_missing
    assert [each.value for each in value_of(second).others] == ["1"]

"""A model as a reader: what it counts, asks again, keeps and refuses."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calls.cache import ResponseCache
from harness.calls.journal import Journal, read_journal
from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.extraction.asks import Passage
from harness.extraction.reading import FourCharacters, ModelReader
from harness.extraction.reading.formats import ONE_QUESTION, SPARSE, VERBOSE
from harness.extraction.reading.noise import ASSUMED
from harness.extraction.reading.prefixes import common_characters, prompt_text
from harness.extraction.reading.truth_engine import Conditions

KEYS = ("spread", "country", "base_rate", "maturity_date", "upfront_fee")


def many(truth, asks):
    half = len(truth.company.text) // 2
    windows = ((Passage(0, half),), (Passage(half, len(truth.company.text)),))
    return [asks(truth, fields=[key], passages=window) for window in windows for key in KEYS]


def test_an_answer_that_is_no_json_is_asked_for_once_more(worlds, asks, readers):
    truth = worlds()
    reader, engine = readers([truth], conditions=Conditions(garbled=[1]))
    plain, _ = readers([truth])
    wanted, replies = plain.answers(many(truth, asks)[:3]), reader.answers(many(truth, asks)[:3])
    assert [each.found for each in replies] == [each.found for each in wanted]
    assert [(each.calls, each.asked_again, each.unreadable) for each in replies] == [
        (1, 0, False), (2, 1, False), (1, 0, False),
    ]  # fmt: skip
    assert engine.calls == 4
    assert replies[1].prompt_tokens > 2 * wanted[1].prompt_tokens
    assert reader.counts.asked_again == 1


@pytest.mark.parametrize("form", [SPARSE, VERBOSE], ids=lambda form: form.name)
def test_what_stays_unreadable_says_so_and_finds_nothing(form, worlds, asks, readers):
    truth = worlds(facilities=1)
    reader, engine = readers([truth], form, conditions=Conditions(garbled=range(100)))
    (reply,) = reader.answers([asks(truth, fields=KEYS)])
    assert (reply.unreadable, reply.found, reply.unread) == (True, (), KEYS)
    assert (reply.calls, reply.asked_again, engine.calls) == (2, 1, 2)
    assert reader.counts.unreadable == 1


def test_of_an_ask_in_several_requests_only_what_was_unreadable_is_unread(worlds, asks, readers):
    truth = worlds(facilities=1)
    reader, engine = readers([truth], ONE_QUESTION, conditions=Conditions(garbled=[1]))
    (reply,) = reader.answers([asks(truth, fields=["spread", "country", "base_rate"])])
    assert (reply.unreadable, reply.unread) == (False, ("country",))
    assert {each.field for each in reply.found} == {"spread", "base_rate"}
    # its model cannot make anything of what was wrong
    assert (reply.asked_again, engine.calls) == (0, 3)


def test_an_endless_answer_is_used_up_to_its_last_whole_record(worlds, asks, readers):
    truth = worlds(facilities=1)
    ask = asks(truth, fields=KEYS, output_tokens=35)
    plain, _ = readers([truth])
    (whole,) = plain.answers([asks(truth, fields=KEYS)])
    reader, engine = readers([truth])
    (reply,) = reader.answers([ask])
    assert 0 < len(reply.found) < len(whole.found)
    assert set(reply.found) <= set(whole.found)
    assert set(reply.unread) == set(KEYS) - {each.field for each in reply.found}
    assert (reply.calls, engine.calls, reader.counts.cut) == (1, 1, 1)
    # the documented format loses it, asks again, and loses that too
    verbose, engine = readers([truth], VERBOSE)
    (lost,) = verbose.answers([ask])
    assert (lost.unreadable, lost.calls, engine.calls) == (True, 2, 2)


def test_an_answer_that_repeats_itself_without_end_is_no_crash(worlds, asks, readers):
    truth = worlds(facilities=1)
    for form in (SPARSE, VERBOSE, ONE_QUESTION):
        reader, _ = readers([truth], form, conditions=Conditions(endless=range(100)))
        (reply,) = reader.answers([asks(truth, fields=["spread"])])
        assert reply.completion_tokens > 100
        assert {each.value for each in reply.found} <= {"2.35%"}


def test_a_prompt_that_does_not_fit_is_not_sent(worlds, asks, readers):
    truth = worlds()
    reader, engine = readers([truth], context_tokens=600)
    long, short = asks(truth), asks(truth, fields=["spread"], passages=(Passage(0, 200),))
    replies = reader.answers([long, short])
    assert (replies[0].unreadable, replies[0].calls) == (True, 0)
    assert (replies[1].unreadable, replies[1].calls) == (False, 1)
    assert (engine.calls, reader.counts.too_long) == (1, 1)
    assert any("did not fit" in line for line in reader.notes())


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 50), threads=st.sampled_from([1, 2, 8]), noisy=st.booleans())
def test_replies_do_not_depend_on_threads_or_batches(worlds, asks, readers, seed, threads, noisy):
    truth = worlds(seed, 2, filler=6)
    noise = ASSUMED if noisy else None
    together, _ = readers([truth], noise=noise, threads=threads)
    one_by_one, _ = readers([truth], noise=noise)
    asked = many(truth, asks)
    assert together.answers(asked) == [reply for ask in asked for reply in one_by_one.answers([ask])]


@pytest.mark.parametrize("form", [SPARSE, VERBOSE, ONE_QUESTION], ids=lambda form: form.name)
def test_shared_tokens_are_those_that_an_earlier_prompt_began_with(form, worlds, asks, readers):
    truth = worlds()
    reader, _ = readers([truth], form)
    asked = many(truth, asks)
    replies = reader.answers(asked)
    earlier, total = [], 0
    for ask, reply in zip(asked, replies, strict=True):
        wanted = 0
        for request in form.requests(ask):
            prompt = prompt_text(request)
            wanted += max((common_characters(prompt, other) // 4 for other in earlier), default=0)
            earlier.append(prompt)
        assert reply.shared_prompt_tokens == wanted
        assert wanted <= reply.prompt_tokens
        total += wanted
    if form is SPARSE:
        # five questions about each of two windows: four of five find their document computed already
        assert total > 0.6 * sum(reply.prompt_tokens for reply in replies)


def test_what_prompts_share_does_not_depend_on_other_companies(worlds, asks, readers):
    one, two = worlds(0), worlds(1)
    reader, _ = readers([one, two])
    alone, _ = readers([one, two])
    mixed = reader.answers(
        [ask for pair in zip(many(one, asks), many(two, asks), strict=True) for ask in pair]
    )
    assert mixed[1::2] == alone.answers(many(two, asks))


# what is kept


def test_a_run_that_failed_goes_on_with_its_journal_and_asks_nothing_twice(worlds, asks, readers, tmp_path):
    truth = worlds()
    asked = many(truth, asks)
    wanted = readers([truth])[0].answers(asked)
    total = 0
    for failing in (3, 2, 1, None):
        with Journal(tmp_path / "run.jsonl", {}) as journal:
            fails = () if failing is None else range(failing, 1000)
            reader, engine = readers([truth], conditions=Conditions(fails=fails), journal=journal)
            try:
                replies = reader.answers(asked)
            except EngineFailure:
                total += failing
                assert len(read_journal(tmp_path / "run.jsonl").answers) == total
                continue
            assert engine.calls == len(asked) - total
    assert replies == wanted


def test_identical_prompts_are_answered_once_and_counted_each_time(worlds, asks, readers, tmp_path):
    truth = worlds()
    cache = ResponseCache(tmp_path)
    reader, engine = readers([truth], VERBOSE, cache=cache)
    ask = asks(truth, "deep", fields=["spread"], facilities=())
    first, second = reader.answers([ask, ask])
    assert engine.calls == 1
    assert (first.found, first.calls, first.prompt_tokens) == (
        second.found,
        second.calls,
        second.prompt_tokens,
    )
    assert second.shared_prompt_tokens == second.prompt_tokens
    again, other = readers([truth], VERBOSE, cache=cache)
    again.answers([ask])
    assert other.calls == 0


def test_pretended_reading_takes_no_time(worlds, asks, readers):
    truth = worlds()
    reader, engine = readers([truth], conditions=Conditions(latency_s=0.002))
    assert reader.answers([asks(truth)])[0].latency_s == 0.0
    measured = ModelReader(
        reader.model,
        SPARSE,
        tokens=FourCharacters(),
        context_tokens=10_000,
        provenance="measured",
        tell=engine.expect,
    )
    assert measured.answers([asks(truth, fields=["spread"])])[0].latency_s > 0.0
    engine.close()


def test_a_reader_says_who_it_is(worlds, readers):
    reader, _ = readers([worlds()])
    assert (reader.name, reader.provenance, reader.context_tokens) == ("truth (sparse)", "modelled", 100_000)
    assert reader.tokens("abcde") == 2
    with pytest.raises(HarnessError, match="a context of 0"):
        readers([worlds()], context_tokens=0)


_SCRIPT = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from conftest import ask_of, build, reader_of
from harness.extraction.reading import ASSUMED, SPARSE, VERBOSE
seen = []
for form in (SPARSE, VERBOSE):
    truth = build(3, 3)
    reader, _ = reader_of([truth], form, ASSUMED)
    seen.append(repr(reader.answers([ask_of(truth), ask_of(truth, "detection")])))
    seen.append(repr([form.requests(ask_of(truth))]))
print(hashlib.sha256("".join(seen).encode()).hexdigest())
"""


def test_hash_seeds_change_nothing():
    folder = os.path.dirname(__file__)  # noqa: PTH120
    found = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT, folder],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(found) == 1

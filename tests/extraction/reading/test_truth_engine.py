"""Readers that know the truth: exact without noise, reproducible with it."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calls.identity import Identity
from harness.calls.model import Model
from harness.engines.protocol import EngineFailure, Message, Request, Sampling
from harness.errors import HarnessError
from harness.extraction.asks import Facility, Found, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading.formats import ONE_QUESTION, SPARSE, VERBOSE
from harness.extraction.reading.formats.one_question_fields import LABELS
from harness.extraction.reading.knowing import asked_for, said
from harness.extraction.reading.noise import Curve, Noise
from harness.extraction.reading.truth_engine import Conditions, TruthEngine
from harness.extraction.truth import TrueValue

NEVER, ALWAYS = Curve(-500.0), Curve(500.0)


def within(span, passages):
    """Whether every character of it is shown."""
    shown = {place for each in passages for place in range(each.start, each.end)}
    return set(range(span.start, span.end)) <= shown


def drawn_passages(data, truth):
    length = len(truth.company.text)
    cuts = sorted(data.draw(st.lists(st.integers(0, length), min_size=2, max_size=6)))
    return tuple(Passage(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False) if b > a)


@pytest.mark.parametrize("form", [SPARSE, VERBOSE], ids=lambda form: form.name)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), facilities=st.integers(1, 3), data=st.data())
def test_the_perfect_reader_finds_a_value_exactly_when_its_span_is_shown(
    form, worlds, asks, readers, data, seed, facilities
):
    truth = worlds(seed, facilities, filler=10, present=0.7)
    passages = drawn_passages(data, truth)
    ask = asks(truth, passages=passages)
    reader, _ = readers([truth], form)
    (reply,) = reader.answers([ask])
    wanted = {
        (key, owner, value.value)
        for (owner, key), value in truth.values.items()
        if all(within(span, passages) for span in value.spans[0])
    }
    assert {(each.field, each.facility, each.value) for each in reply.found} == wanted
    for each in reply.found:
        ((span,),) = truth.values[each.facility, each.field].spans
        assert each.evidence.start <= span.start < span.end <= each.evidence.end
    assert reply.calls == reader.calls(ask)
    assert not reply.unreadable
    shown = [s for s in truth.references["spread"] if within(s, passages)]
    has_spread = any(each.field == "spread" for each in reply.found)
    if form is SPARSE:
        assert reply.elsewhere == (("spread",) if shown and not has_spread else ())


@pytest.mark.parametrize("form", [SPARSE, VERBOSE], ids=lambda form: form.name)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), data=st.data())
def test_a_facility_is_found_exactly_when_one_of_its_spans_is_shown(form, worlds, asks, readers, data, seed):
    truth = worlds(seed, 3, filler=10)
    passages = drawn_passages(data, truth)
    reader, _ = readers([truth], form)
    (reply,) = reader.answers([asks(truth, "detection", passages=passages)])
    wanted = [each for each in truth.facilities if within(truth.facility_spans[each.name][0], passages)]
    assert list(reply.facilities) == wanted


def planted(worlds):
    """Two values of one field in two passages each, one of them computed from two."""
    truth = worlds(facilities=2)
    text = "A: lends 10.\nB: spread 2%.\nA: of 40.\nA: spread 1%.\nold: 3%.\n"
    company = Company("p", (Document("d", text),))

    def span(line):
        start = company.text.index(line)
        return Passage(start, start + len(line))

    a = TrueValue("1%", ((span("A: spread 1%."),),), distractors=(("old", span("old: 3%."), "3%"),))
    share = TrueValue("25%", ((span("A: lends 10."), span("A: of 40.")),))
    values = {
        ("Facility A", "spread"): a,
        ("Facility B", "spread"): TrueValue("2%", ((span("B: spread 2%."),),)),
        ("Facility A", "house_bank_share"): share,
    }
    return replace(truth, company=company, values=values, references={}, facility_spans={}), span


def test_a_value_of_two_passages_needs_both(worlds, asks):
    truth, span = planted(worlds)
    ask = asks(truth, fields=["house_bank_share"], facilities=truth.facilities[:1])
    assert [each.value for each in said(truth, ask).found] == ["25%"]
    for line in ("A: lends 10.", "A: of 40."):
        assert said(truth, replace(ask, passages=(span(line),))).found == ()
    both = replace(ask, passages=(span("A: of 40."), span("A: lends 10.")))
    assert len(said(truth, both).found) == 1


def test_an_ask_that_names_no_facility_gets_the_first_value_of_the_text(worlds, asks):
    truth, span = planted(worlds)
    ask = asks(truth, "deep", fields=["spread"], facilities=())
    assert [(each.value, each.facility) for each in said(truth, ask).found] == [("2%", "")]
    only_a = replace(ask, passages=(span("A: spread 1%."),))
    assert [each.value for each in said(truth, only_a).found] == ["1%"]


def test_a_facility_of_another_name_is_known_by_its_words(worlds, asks):
    truth, _ = planted(worlds)
    for name, values in (
        ("FACILITY A", ["1%"]),
        ("the facility A loan", ["1%"]),
        ("Facility 1", []),
        ("x", []),
    ):
        ask = asks(truth, fields=["spread"], facilities=(Facility(name),))
        assert [each.value for each in said(truth, ask).found] == values


def test_a_verification_says_what_is_shown_and_nothing_else(worlds, asks, readers):
    truth, span = planted(worlds)
    claims = (Found("spread", "9%", "Facility A"), Found("house_bank_share", "25%", "Facility A"))
    ask = asks(
        truth,
        "verification",
        fields=[each.field for each in claims],
        facilities=truth.facilities[:1],
        claimed=claims,
    )
    for form in (SPARSE, VERBOSE):
        reader, _ = readers([truth], form)
        whole, part = reader.answers([ask, replace(ask, passages=(span("A: lends 10."),))])
        assert {(each.field, each.value) for each in whole.found} == {
            ("spread", "1%"),
            ("house_bank_share", "25%"),
        }
        assert part.found == ()


def test_one_question_is_one_call_for_each_field_that_is_known(worlds, asks, readers):
    truth = worlds(facilities=1)
    reader, engine = readers([truth], ONE_QUESTION)
    ask = asks(truth, fields=["spread", "rate_cap", "country"])
    (reply,) = reader.answers([ask])
    assert reader.calls(ask) == reply.calls == engine.calls == 2
    assert {each.field: each.value for each in reply.found} == {"spread": "2.35%", "country": "Portugal"}
    assert reader.calls(asks(truth, fields=["rate_cap"])) == 0
    (nothing,) = reader.answers([asks(truth, fields=["rate_cap"])])
    assert (nothing.calls, nothing.unreadable) == (0, False)
    (detected,) = reader.answers([asks(truth, "detection")])
    assert (detected.calls, [each.name for each in detected.facilities]) == (0, ["Facility A"])
    assert any("regular expressions" in line for line in reader.notes())
    assert set(LABELS) > {"spread", "country"}


# noise


def test_a_reader_that_always_misses_finds_nothing_and_one_that_never_does_is_perfect(worlds, asks, readers):
    truth = worlds(facilities=2)
    ask = asks(truth)
    perfect, _ = readers([truth])
    silent, _ = readers([truth], noise=Noise(ALWAYS, NEVER))
    exact, _ = readers([truth], noise=Noise(NEVER, NEVER))
    assert silent.answers([ask])[0].found == ()
    assert exact.answers([ask])[0].found == perfect.answers([ask])[0].found


def test_a_confused_reader_takes_values_that_are_shown(worlds, asks):
    truth, span = planted(worlds)
    confused = Noise(NEVER, ALWAYS)
    ask = asks(truth, fields=["spread"], facilities=truth.facilities[:1])
    values = {said(truth, ask, confused, str(n)).found[0].value for n in range(40)}
    assert values == {"2%", "3%"}
    # with nothing to confuse it with the value is right; where only something else is shown that is taken
    alone = replace(ask, passages=(span("A: spread 1%."),))
    assert said(truth, alone, confused, "").found[0].value == "1%"
    old = replace(ask, passages=(span("old: 3%."),))
    assert said(truth, old, confused, "").found[0].value == "3%"
    assert said(truth, old).found == ()


def test_where_nothing_looks_like_the_field_a_value_of_its_kind_is_taken(worlds, asks):
    truth = worlds(facilities=1, filler=0)
    ask = asks(truth, fields=["spread"])
    values = {said(truth, ask, Noise(NEVER, ALWAYS), str(n)).found[0].value for n in range(40)}
    assert values == {"0.75%", "70%"}
    # of a field that is absent it says nothing, unless the text has something for it
    absent = asks(truth, fields=["rate_cap"])
    assert said(truth, absent, Noise(NEVER, ALWAYS), "").found == ()
    bait = ("worked example", truth.values["Facility A", "spread"].spans[0][0], "5%")
    baited = replace(truth, baits={("Facility A", "rate_cap"): (bait,)})
    assert [each.value for each in said(baited, absent, Noise(NEVER, ALWAYS), "").found] == ["5%"]
    assert said(baited, absent).found == ()
    of_deal = replace(truth, baits={("", "holdco_name"): (bait,)})
    found = said(of_deal, asks(truth, fields=["holdco_name"]), Noise(NEVER, ALWAYS), "").found
    assert [(each.value, each.facility) for each in found] == [("5%", "")]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 50), prompt=st.text(max_size=5))
def test_the_same_prompt_has_the_same_answer(worlds, asks, seed, prompt):
    truth = worlds(seed, 2, filler=3)
    noise = Noise(Curve(0.0), Curve(0.0), seed=seed)
    ask = asks(truth)
    assert said(truth, ask, noise, prompt) == said(truth, ask, noise, prompt)


def test_misses_are_as_frequent_as_their_curve_says(worlds, asks):
    truth = worlds(facilities=1, filler=0)
    ask = asks(truth, fields=["spread"])
    noise = Noise(Curve(-1.0, 0.5, 0.5), NEVER)
    fraction = sum(not said(truth, ask, noise, str(n)).found for n in range(2000)) / 2000
    position = truth.values["Facility A", "spread"].spans[0][0].start / len(truth.company.text)
    assert 0.0 < position < 1.0
    # one field, fewer than 256 tokens
    assert 0.05 < fraction < 0.27


def test_values_asked_for_are_counted_by_scope(worlds, asks):
    truth = worlds(facilities=3)
    assert asked_for(asks(truth, fields=["spread", "country"])) == 4
    assert asked_for(asks(truth, fields=["spread"], facilities=())) == 1
    assert asked_for(asks(truth, "detection")) == 1


# serving


def test_a_request_that_was_not_announced_is_an_error(worlds):
    engine = TruthEngine([worlds()], SPARSE)
    with pytest.raises(HarnessError, match="not announced"):
        engine.submit(Request((Message("user", "hello"),), Sampling()))


def test_a_company_without_a_truth_is_an_error(worlds, asks, readers):
    reader, _ = readers([worlds(0)])
    with pytest.raises(HarnessError, match="no truth is known"):
        reader.answers([asks(worlds(1))])


def test_a_planned_failure_is_a_failure_of_the_engine(worlds, asks, readers):
    reader, _ = readers([worlds()], conditions=Conditions(fails=range(1), retryable=True))
    with pytest.raises(EngineFailure, match="planned failure of call 0") as failure:
        reader.answers([asks(worlds())])
    assert failure.value.retryable


def test_latency_takes_place_in_slots_and_changes_no_answer(worlds, asks, readers):
    truth = worlds()
    slow, engine = readers([truth], conditions=Conditions(latency_s=0.01, slots=4), threads=4)
    fast, _ = readers([truth])
    all_asks = [asks(truth, fields=[key]) for key in ("spread", "country", "base_rate", "upfront_fee")]
    assert [each.found for each in slow.answers(all_asks)] == [each.found for each in fast.answers(all_asks)]
    engine.close()
    with pytest.raises(EngineFailure, match="closed"):
        slow.answers([asks(truth, fields=["hedged_share"])])


def test_tokens_are_four_characters_and_limits_cut(worlds, asks):
    truth = worlds()
    engine = TruthEngine([truth], SPARSE)
    ask = asks(truth)
    (request,) = SPARSE.requests(ask)
    engine.expect(request, ask)
    short = replace(request, sampling=Sampling(max_tokens=5))
    cut, whole = engine.submit(short).result(), engine.submit(request).result()
    assert (cut.finish_reason, cut.completion_tokens, len(cut.text)) == ("length", 5, 20)
    assert whole.text.startswith(cut.text)
    assert whole.completion_tokens == -(-len(whole.text) // 4)
    assert len(engine.tokenize("abcde")) == 2
    assert hashlib.sha256(whole.text.encode()).hexdigest()
    engine.close()
    engine.close()


def test_a_prompt_beyond_the_context_is_refused(worlds, asks):
    truth = worlds()
    engine = TruthEngine([truth], SPARSE, conditions=Conditions(context_tokens=50))
    (request,) = SPARSE.requests(asks(truth))
    with pytest.raises(HarnessError, match="a prompt of"):
        Model(engine, Identity("t", "t"), role="task").answers([request])

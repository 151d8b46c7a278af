from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.corpus.drawing import draw_world
from harness.extraction.corpus.facts import facts_of
from harness.extraction.corpus.knobs import FAMILIES, Family, Knobs
from harness.extraction.corpus.presence import GATES, present
from harness.extraction.corpus.words import wording_of
from harness.extraction.corpus.world import CEILINGS, World
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL
from harness.extraction.values import same

seeds, families = st.integers(0, 10**9), st.sampled_from(FAMILIES)


def world(seed: int, family: Family) -> World:
    return draw_world(Random(seed), Knobs(), wording_of(family))


@settings(max_examples=60, deadline=None)
@given(seeds, families)
def test_numbers_of_a_world_agree(seed: int, family: Family) -> None:
    drawn = world(seed, family)
    assert 1 <= len(drawn.loans) <= 5
    for loan in drawn.loans:
        assert sum(part for _, part in loan.lenders) == loan.limit
        assert all(part > 0 for _, part in loan.lenders)
        assert loan.lenders[0] == (drawn.house_bank, loan.house_share * loan.limit / 100)
        assert loan.signed < loan.maturity
        assert loan.hedge.notional * 100 == loan.hedge.share * loan.limit
        assert loan.hedge.start < loan.hedge.end <= loan.maturity
        for rows in (loan.drawdown, loan.repayments):
            assert sum(share for _, share in rows) == Decimal(100)
            assert all(share > 0 for _, share in rows)
            assert [when for when, _ in rows] == sorted({when for when, _ in rows})
        assert loan.repayments[-1][0] == loan.maturity
    for key, lock_up in drawn.lock_ups.items():
        default = drawn.defaults[key]
        assert default > lock_up if key in CEILINGS else default < lock_up
    assert drawn.plcr > drawn.lock_ups["lockup_llcr"]
    assert (drawn.ready < drawn.loans[0].signed) == (drawn.readiness == "In operation")


@settings(max_examples=30, deadline=None)
@given(seeds, families)
def test_every_form_of_a_fact_says_its_value(seed: int, family: Family) -> None:
    facts = facts_of(world(seed, family), wording_of(family), Random(seed))
    assert {key for _, key in facts} >= set(FIELDS) - {"fixed_rate", "base_rate", "rate_tenor", "spread"} - {
        "rate_floor",
        "rate_cap",
        "sweep_predetermined_share",
        "sweep_targeted_share",
        "sweep_transmission_share",
    }
    for (_, key), fact in facts.items():
        field = FIELDS[key]
        said = [*fact.forms, *filter(None, [fact.foreign])]
        if field.kind not in ("choice", "yes_no"):
            assert said
            assert all(same(field, form, fact.value) for form in said)
        assert not any(same(field, form, fact.value) for form in fact.earlier)


@settings(max_examples=60, deadline=None)
@given(seeds, families, st.floats(0, 1))
def test_what_stays_agrees_with_what_was_cut(seed: int, family: Family, absent: float) -> None:
    drawn = world(seed, family)
    facts = facts_of(drawn, wording_of(family), Random(seed))
    left = present(facts, drawn, absent, Random(seed))
    assert set(left.facts) <= set(facts)
    assert left.told <= set(left.facts)
    for gate, others in GATES.items():
        for owner in (DEAL, *(loan.name for loan in drawn.loans)):
            known = [left.facts[owner, each] for each in others if (owner, each) in left.facts]
            if any(fact.value != "No" for fact in known):
                assert left.facts[owner, gate].value == "Yes"
    for loan in drawn.loans:
        keys = {key for owner, key in left.facts if owner == loan.name}
        assert {"facility_name", "tranche_type", "currency", "credit_limit"} <= keys
        assert "maturity_date" in keys or "repayment_schedule" not in keys
        assert "hedged_share" in keys or "hedge_notional" not in keys
        if loan.repayment == "bullet":
            assert ("repayment_schedule" in keys) == ({"repayment_schedule_text", "maturity_date"} <= keys)

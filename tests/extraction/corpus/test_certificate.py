from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.errors import HarnessError
from harness.extraction.asks import Passage
from harness.extraction.corpus import certificate, problems
from harness.extraction.corpus.certificate import computed
from harness.extraction.corpus.truths import AMBIGUOUS
from harness.extraction.truth import TrueValue, Truth

Change = Callable[[TrueValue], TrueValue]


def spoilt(truth: Truth, change: Change, key: str = "credit_limit") -> Truth:
    """One value changed."""
    unit = next(each for each in truth.values if each[1] == key)
    return replace(truth, values={**truth.values, unit: change(truth.values[unit])})


def moved(value: TrueValue) -> TrueValue:
    spans = tuple(tuple(Passage(s.start + 5000, s.end + 5000) for s in spans) for spans in value.spans)
    return replace(value, spans=spans)


SPOILT: dict[str, Change] = {
    "another value": lambda value: replace(value, value="123456"),
    "not canonical": lambda value: replace(value, value="EUR 5 million"),
    "no alternative": lambda value: replace(value, spans=()),
    "an empty alternative": lambda value: replace(value, spans=((),)),
    "in no document": lambda value: replace(value, spans=((Passage(0, 3),),)),
    "outside": lambda value: replace(value, spans=((Passage(0, 10**9),),)),
    "no mark": lambda value: replace(value, marks=()),
    "moved": moved,
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_what_cannot_be_read_is_named(change: Change, small: list[Truth]) -> None:
    for truth in small[::4]:
        certificate(truth)
        with pytest.raises(HarnessError, match="not solvable"):
            certificate(spoilt(truth, change))


def test_evidence_that_stands_twice_needs_a_tag(small: list[Truth]) -> None:
    truth = small[0]
    again = Passage(truth.company.text.index("shall"), truth.company.text.index("shall") + 5)

    def widened(value: TrueValue) -> TrueValue:
        return replace(value, spans=((*value.spans[0], again),))

    assert any("stands" in each for each in problems(spoilt(truth, widened)))
    tagged = spoilt(truth, lambda value: replace(widened(value), tags=(AMBIGUOUS,)))
    assert not any("stands" in each for each in problems(tagged))


def test_evidence_for_two_facilities_is_named(small: list[Truth]) -> None:
    truth = next(each for each in small if len(each.facilities) > 1)
    units = [each for each in truth.values if each[1] == "credit_limit"][:2]
    first, second = (truth.values[each] for each in units)
    stolen = {units[1]: replace(first, value=second.value)}
    assert any(
        "another value" in each for each in problems(replace(truth, values={**truth.values, **stolen}))
    )


def test_a_facility_that_nothing_tells_is_named(small: list[Truth]) -> None:
    truth = replace(small[0], facility_spans={})
    assert len([each for each in problems(truth) if "nothing tells" in each]) == len(truth.facilities)


def test_computed_values() -> None:
    assert computed("house_bank_share", ["EUR 30 million", "EUR 240,000,000"]) == "12.5"
    assert computed("house_bank_share", ["EUR 30 million"]) is None
    assert computed("repayment_schedule", ["in one amount", "30 June 2031"]) == "06/2031: 100"
    assert computed("country", ["a", "b"]) is None


def test_some_values_are_computed_from_two_places(small: list[Truth]) -> None:
    pairs = [
        value
        for truth in small
        for (_, key), value in truth.values.items()
        if key in ("hedged_share", "house_bank_share", "repayment_schedule")
        and any(len(spans) == 2 for spans in value.spans)
    ]
    assert len(pairs) > 3

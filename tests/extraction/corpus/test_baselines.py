from collections.abc import Sequence

import pytest

from harness.extraction.asks import Passage
from harness.extraction.chunks import four_characters, token_windows
from harness.extraction.company import Company
from harness.extraction.corpus import (
    Knobs,
    at_random,
    companies,
    full_text,
    in_document_order,
    nothing_found,
    read_by,
    regular_expressions,
)
from harness.extraction.result import CompanyResult
from harness.extraction.schema import FIELDS
from harness.extraction.truth import DEAL, Truth
from harness.extraction.values import same


def windows(company: Company) -> Sequence[Passage]:
    return token_windows(company.text, four_characters, 500, 100)


def right(truth: Truth, result: CompanyResult) -> float:
    """The share of the present values that a result has."""
    rows = {each.facility.name: each.values for each in result.facilities}
    hits = 0
    for (owner, key), true in truth.values.items():
        owners = list(rows) if owner == DEAL else [owner]
        hits += any(name in rows and same(FIELDS[key], rows[name][key].value, true.value) for name in owners)
    return hits / len(truth.values)


@pytest.fixture(scope="module")
def made() -> list[Truth]:
    return companies(6, 21, Knobs(tokens=20_000), "report")


def test_the_full_text_gives_everything(small: list[Truth]) -> None:
    for truth in small:
        result = read_by(truth, full_text)
        assert right(truth, result) == 1.0
        assert [each.facility for each in result.facilities] == list(truth.facilities)
        for row in result.facilities:
            assert list(row.values) == list(FIELDS)
            for key, value in row.values.items():
                owner = DEAL if FIELDS[key].scope == "deal" else row.facility.name
                assert (value.status == "FOUND") == ((owner, key) in truth.values)
                if value.evidence is not None:
                    span = value.evidence
                    assert value.quote == truth.company.text[span.start : span.end]


def test_nothing_gives_nothing(small: list[Truth]) -> None:
    assert right(small[0], nothing_found(small[0])) == 0.0


def test_baselines_are_clearly_apart(made: list[Truth]) -> None:
    def mean(results: list[CompanyResult]) -> float:
        return sum(right(t, r) for t, r in zip(made, results, strict=True)) / len(made)

    first = mean([read_by(truth, in_document_order(windows, 4)) for truth in made])
    chance = mean([read_by(truth, at_random(windows, 4, 1)) for truth in made])
    patterns = mean([regular_expressions(truth) for truth in made])
    assert 0.02 < first < 0.8
    assert 0.02 < chance < 0.8
    assert 0.02 < patterns < 0.6


def test_more_windows_never_find_less(made: list[Truth]) -> None:
    for truth in made[:2]:
        shares = [
            right(truth, read_by(truth, in_document_order(windows, count))) for count in (0, 5, 20, 999)
        ]
        assert shares == sorted(shares)
        # a split value is in no single window, but windows that overlap are read as one
        assert shares[-1] == 1.0


def test_random_windows_are_the_same_for_a_seed(small: list[Truth]) -> None:
    company = small[0].company
    assert at_random(windows, 5, 1)(company) == at_random(windows, 5, 1)(company)
    assert at_random(windows, 5, 1)(company) != at_random(windows, 5, 2)(company)
    assert len(at_random(windows, 10**6, 1)(company)) == len(windows(company))


def test_what_patterns_find_stands_in_the_text(made: list[Truth]) -> None:
    for truth in made[:2]:
        for row in regular_expressions(truth).facilities:
            found = [value for value in row.values.values() if value.status == "FOUND"]
            assert found
            for value in found:
                assert value.evidence is not None
                assert truth.company.place(value.evidence.start, value.evidence.end) is not None

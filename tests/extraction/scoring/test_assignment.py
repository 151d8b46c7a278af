"""The best matching of facilities, and what is left over."""

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Facility
from harness.extraction.scoring import match_facilities
from harness.extraction.scoring.assignment import _likeness, _Name


def facilities(*texts: str) -> list[Facility]:
    return [
        Facility(name.strip(), "", amount.strip()) for name, _, amount in (t.partition("|") for t in texts)
    ]


def partners(found: list[Facility], true: list[Facility]) -> dict[str, str]:
    pairs = match_facilities(found, true).pairs
    return {true[known].name: found[shown].name for shown, known in pairs}


@pytest.mark.parametrize(
    ("found", "true"),
    [
        ("Term Loan B", "Term Loan B"),
        ("TERM LOAN  B FACILITY", "Term Loan B"),
        ("the Term Loan B Facility", "Term Loan B"),
        ("Facility A", "Term Loan Facility A"),
        ("Term Loan", "Term Loan B"),
        ("Crédit relais", "credit relais"),
        ("Senior debt | EUR 250,000,000", "Facility A | EUR 250m"),
        ("Facility", "Term Loan B"),
        ("", "Term Loan B"),
    ],
)
def test_alike(found, true):
    assert match_facilities(facilities(found), facilities(true)).pairs == ((0, 0),)


@pytest.mark.parametrize(
    ("found", "true"),
    [
        ("Facility A", "Facility B"),
        ("Term Loan A", "Term Loan B"),
        ("Facility A1", "Facility A"),
        ("VAT Facility", "Term Loan B"),
        ("Term Loan | EUR 5m", "Term Loan B | EUR 250m"),
        ("Facility | EUR 5m", "Term Loan B | EUR 250m"),
    ],
)
def test_unlike(found, true):
    matching = match_facilities(facilities(found), facilities(true))
    assert matching.pairs == ()
    assert (matching.extra, matching.missed) == ((0,), (0,))


def test_amounts_tell_facilities_whose_names_do_not():
    true = facilities("Term Loan A | EUR 100m", "Term Loan B | EUR 250m")
    shown = facilities("Term Loan | EUR 250,000,000", "Term Loan | EUR 100,000,000")
    matching = match_facilities(shown, true)
    assert matching.pairs == ((1, 0), (0, 1))


def test_the_best_total_holds_not_the_best_first_pair():
    # each alone is likest to the first; together one must take the other
    true = facilities("Term Loan B | EUR 250m", "Term Loan")
    assert partners(facilities("Term Loan B", "Term Loan | EUR 250m"), true) == {
        "Term Loan B": "Term Loan B",
        "Term Loan": "Term Loan",
    }


def test_nothing_on_either_side():
    assert match_facilities([], []).pairs == ()
    assert match_facilities(facilities("A"), []).extra == (0,)
    assert match_facilities([], facilities("A", "B")).missed == (0, 1)


NAMES = st.sampled_from(["Term Loan A", "Term Loan B", "Facility A", "VAT Facility", "Loan", "Term Loan", ""])
AMOUNTS = st.sampled_from(["", "EUR 5m", "EUR 250m", "nonsense"])
LISTS = st.lists(st.builds(Facility, NAMES, st.just(""), AMOUNTS), max_size=5)


@given(LISTS, LISTS)
def test_each_is_used_once_and_none_is_lost(found, true):
    matching = match_facilities(found, true)
    assert sorted([pair[0] for pair in matching.pairs] + list(matching.extra)) == list(range(len(found)))
    assert sorted([pair[1] for pair in matching.pairs] + list(matching.missed)) == list(range(len(true)))


@given(LISTS, LISTS)
def test_no_other_matching_is_likelier(found, true):
    shown, known = [_Name.of(each) for each in found], [_Name.of(each) for each in true]
    total = sum(_likeness(shown[one], known[other]) for one, other in match_facilities(found, true).pairs)
    few, many = sorted([shown, known], key=len)
    best = max(
        sum(max(0, _likeness(*pair)) for pair in zip(few, chosen, strict=True))
        for chosen in permutations(many, len(few))
    )
    assert total == best


@given(LISTS, LISTS, st.randoms(use_true_random=False))
def test_the_order_of_what_was_found_does_not_matter(found, true, r: random.Random):
    mixed = r.sample(found, len(found))
    first = {known: found[shown] for shown, known in match_facilities(found, true).pairs}
    second = {known: mixed[shown] for shown, known in match_facilities(mixed, true).pairs}
    assert first == second


@given(LISTS)
def test_a_list_is_matched_with_itself(known):
    true = [each for each in known if each.name]
    assert len(match_facilities(true, true).pairs) == len(true)

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.retrieval.synonyms import GROUPS, expanded, expander
from harness.extraction.retrieval.words import documented_words, words

LINES = GROUPS.strip().splitlines()
TERMS = [[term.strip() for term in line.split("|")] for line in LINES]


def test_there_are_about_as_many_groups_as_documented_and_each_says_something():
    assert 60 <= len(LINES) <= 80
    for terms in TERMS:
        assert len(terms) >= 2
        assert len(set(terms)) == len(terms)
        assert all(words(term) for term in terms)


def test_the_query_comes_first_and_what_is_added_follows_the_groups_order():
    assert expanded(words("the final repayment date")) == [
        "the", "final", "repayment", "date", "maturity", "termination",
    ]  # fmt: skip


def test_the_longest_term_counts_and_not_its_parts():
    found = expanded(words("letter of credit"))
    assert found == ["letter", "of", "credit", "lc", "documentary"]


def test_at_most_so_many_other_terms_are_added():
    assert expanded(["base", "rate"], per_term=1) == ["base", "rate", "reference"]
    assert expanded(["base", "rate"], per_term=0) == ["base", "rate"]


def test_other_words_are_split_in_their_own_way():
    assert "d" in expander(documented_words)(["contractor"])
    assert "d&c" in expanded(["contractor"])


@settings(deadline=None)
@given(st.lists(st.sampled_from([*TERMS, ["the"], ["of"]]).map(lambda terms: terms[0]), max_size=6))
def test_nothing_asked_weighs_more_than_before(terms):
    query = words(" ".join(terms))
    found = expanded(query)
    assert found[: len(query)] == query
    added = found[len(query) :]
    assert len(set(added)) == len(added)
    assert not set(added) & set(query)


@settings(deadline=None)
@given(st.lists(st.text("abc", max_size=4), max_size=10))
def test_a_query_without_terms_stays(query):
    known = {word for terms in TERMS for term in terms for word in words(term)}
    if not known & set(query):
        assert expanded(query) == query

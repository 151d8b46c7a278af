import pytest

from harness.extraction.corpus import FAMILIES, LIMIT, Family, Knobs, companies, mean_overlap, overlap_by_tag
from harness.extraction.corpus import overlaps as all_overlaps
from harness.extraction.corpus.histograms import lengths, positions, presence
from harness.extraction.corpus.overlap import query_words
from harness.extraction.schema import FIELDS
from harness.extraction.truth import Truth


@pytest.mark.parametrize("family", FAMILIES)
def test_sentences_are_not_made_of_the_schemas_words(family: Family) -> None:
    made = companies(12, 31, Knobs(tokens=6_000), family)
    assert mean_overlap(made) < LIMIT
    by_tag = overlap_by_tag(made)
    assert by_tag["oblique"] < 0.12
    assert by_tag["foreign"] < 0.12
    assert by_tag["oblique"] < by_tag["synonym"]
    assert by_tag["oblique"] < by_tag["keyword"]


def test_overlap_is_a_share_of_the_query(small: list[Truth]) -> None:
    found = [each for truth in small for each in all_overlaps(truth)]
    assert len(found) > 100
    assert all(0.0 <= each.share <= 1.0 for each in found)
    assert query_words(FIELDS["country"]) >= {"country", "located"}


def test_histograms_count_every_value_once(small: list[Truth]) -> None:
    total = sum(len(truth.values) for truth in small)
    for histogram in (positions(small), lengths(small)):
        assert sum(histogram.counts) == total
        assert len(histogram.counts) == len(histogram.labels)
        assert sum(histogram.shares) == pytest.approx(1.0)
    fields = presence(small, list(FIELDS))
    assert sum(fields.counts) == 72
    assert fields.counts[-1] >= 4
    assert sum(positions([]).shares) == 0.0


def test_values_stand_all_over_the_text(small: list[Truth]) -> None:
    assert all(count > 0 for count in positions(small).counts)

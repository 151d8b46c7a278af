"""The schema's counts, which every published number of calls rests on."""

from collections import Counter
from typing import get_args

import pytest

from harness.extraction.schema.fields import FIELDS, Kind
from harness.extraction.schema.groups import GROUPS_8, GROUPS_12, GROUPS_13


def test_there_are_72_fields_half_of_them_of_the_deal():
    scopes = Counter(field.scope for field in FIELDS.values())
    assert (len(FIELDS), scopes["deal"], scopes["facility"]) == (72, 34, 38)
    assert len({field.name.casefold() for field in FIELDS.values()}) == 72
    for field in FIELDS.values():
        assert field.kind in get_args(Kind)
        assert bool(field.choices) == (field.kind in ("choice", "tenor"))
        assert field.description
        assert field.keywords


@pytest.mark.parametrize(("groups", "count"), [(GROUPS_13, 13), (GROUPS_12, 12), (GROUPS_8, 8)])
def test_every_partition_has_each_field_once(groups, count):
    assert len(groups) == count
    assert Counter(key for group in groups for key in group.fields) == Counter(list(FIELDS))


def test_the_original_s_groups():
    assert [len(group.fields) for group in GROUPS_13] == [6, 5, 6, 5, 6, 4, 8, 3, 7, 6, 8, 5, 3]
    assert sum(group.output_tokens for group in GROUPS_13) == 10_752
    merged = [group for group in GROUPS_12 if len(group.fields) == 12]
    assert [group.key for group in merged] == ["covenants_general+covenants_ratios"]
    assert [len(group.fields) for group in GROUPS_8] == [9, 11, 11, 9, 8, 7, 9, 8]

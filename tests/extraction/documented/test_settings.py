"""Settings and presets: the numbers of the documents, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.documented.plan import nominal_calls
from harness.extraction.documented.settings import PARTITIONS, PRESETS, Settings, fitted, one_hour, preset
from harness.extraction.schema.fields import FIELDS


@pytest.mark.parametrize(
    ("name", "facilities", "calls"),
    [
        ("unlimited", 2, 587), ("capped", 2, 125), ("one_hour", 2, 89), ("one_hour_many", 2, 55),
        ("one_hour_many", 4, 109), ("bm25_only", 2, 55), ("quality", 2, 227),
    ],
)  # fmt: skip
def test_the_presets_have_the_documented_calls_with_12_groups(name, facilities, calls):
    chosen = preset(name)
    counted = nominal_calls(
        facilities,
        groups=12,
        section_passes=20 if chosen.section_passes is None else chosen.section_passes,
        verification=chosen.verification,
        deep_fields=40 if chosen.deep_fields is None else chosen.deep_fields,
    )
    assert counted == calls


def test_what_the_presets_switch():
    assert {name for name, each in PRESETS.items() if each.verification} == {"unlimited", "capped", "quality"}
    assert {name for name, each in PRESETS.items() if each.flash_attention} == {
        "one_hour", "one_hour_many", "bm25_only",
    }  # fmt: skip
    assert PRESETS["quality"].retriever == "hybrid"
    assert PRESETS["quality"].chunks_per_group > PRESETS["capped"].chunks_per_group == 3
    assert [one_hour(count) == PRESETS["one_hour_many"] for count in (1, 3, 4, 9)] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("count", PARTITIONS)
def test_every_partition_has_every_field_once(count):
    groups = replace(Settings(), groups=count).partition
    assert len(groups) == count
    assert sorted(key for group in groups for key in group.fields) == sorted(FIELDS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"section_passes": -1},
        {"deep_fields": -1},
        {"chunks_per_group": 0},
        {"groups": 11},
        {"overlap_tokens": 2000},
        {"chunk_tokens": 0},
        {"deep_output_tokens": 0},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(HarnessError, match="documented settings"):
        Settings(**wrong)


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(HarnessError, match="one_hour_many"):
        preset("fast")


@given(st.integers(1, 20_000), st.sampled_from(list(PRESETS)))
def test_a_smaller_context_has_smaller_prompts_that_fit_it(context, name):
    chosen = PRESETS[name]
    small = fitted(chosen, context)
    assert small.group_text_tokens + 1024 * context // 9024 <= max(context, 2)
    assert small.chunk_tokens <= chosen.chunk_tokens
    assert (small == chosen) == (context >= 9024)
    assert (small.section_passes, small.deep_fields) == (chosen.section_passes, chosen.deep_fields)

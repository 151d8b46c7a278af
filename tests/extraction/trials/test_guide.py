"""The guide's example by its formula, prompts in two orders, and a smaller model."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.extraction.documented.plan import nominal_calls
from harness.extraction.pipeline.settings import Settings
from harness.extraction.trials.companies import Setting
from harness.extraction.trials.guide import Example, counted
from harness.extraction.trials.prompt_order import prefilled, prompts, task_first
from harness.extraction.trials.smaller import LARGE, SMALL, call_seconds
from harness.hardware import load_matrix

MATRIX = Path(__file__).parents[3] / "hardware_matrix.toml"


@pytest.mark.parametrize("groups", [8, 12, 13])
@pytest.mark.parametrize(("passes", "deep", "verification"), [(20, 40, True), (2, 25, True), (0, 15, False)])
def test_calls_are_the_formulas(groups, passes, deep, verification):
    example = Example(2, groups, passes, deep, verification)
    calls = counted(example)
    assert calls.total == nominal_calls(
        2, groups=groups, section_passes=passes, verification=verification, deep_fields=deep
    )
    assert calls.hours_at_30_s == pytest.approx(calls.total / 120)
    assert (calls.section, calls.verification) == (2 * groups * passes, 2 * verification)


def test_without_sections_the_example_takes_half_the_time_but_not_half_the_calls():
    capped = Example(section_passes=2, deep_fields=25)
    before, after = counted(capped), counted(replace(capped, section_passes=0))
    assert after.hours / before.hours == pytest.approx(0.49, abs=0.01)
    assert after.total / before.total == pytest.approx(0.62, abs=0.01)


def test_the_document_first_shares_more_of_the_same_prompts():
    setting = Setting(family="report", count=1, tokens=9_000)
    settings = Settings(budget_calls=None, bundle_fields=36, adaptive=False)
    asked = prompts(settings, setting)
    swapped = [[task_first(prompt) for prompt in each] for each in asked]
    assert [sorted(a) for each in asked for a in each] == [sorted(a) for each in swapped for a in each]
    ours, theirs = prefilled(asked), prefilled(swapped)
    assert (ours.prompts, ours.tokens) == (theirs.prompts, theirs.tokens)
    assert ours.computed < theirs.computed <= theirs.tokens


def test_the_smaller_model_is_faster_on_every_row_that_holds_the_larger():
    row = load_matrix(MATRIX).row("a100_20gb")
    large, small = (call_seconds(shape, row)["call_time"] for _, shape in (LARGE, SMALL))
    assert 0.3 < small / large < 0.8

from __future__ import annotations

from dataclasses import replace

import pytest
from extraction.pipeline.planted import SMALL, WORLD, Knowing, planted, read, seconds

from harness.extraction.pipeline.plan import plan


@pytest.mark.parametrize("bundle", [6, 24, 72])
def test_a_scan_takes_exactly_the_calls_that_were_planned(bundle: int) -> None:
    chosen = replace(SMALL, adaptive=False, budget_calls=None, bundle_fields=bundle)
    planned = plan(WORLD.company, Knowing([WORLD]), chosen, facilities=2)
    [result], _ = read([WORLD], chosen)
    assert planned.is_exact
    assert planned.calls == result.calls
    assert planned.prompt_tokens >= sum(cost.prompt_tokens for cost in result.costs)


def test_a_search_that_finds_nothing_takes_the_calls_that_were_planned() -> None:
    world = planted(8, present=0.0)
    planned = plan(world.company, Knowing([world]), SMALL, facilities=2)
    [result], _ = read([world])
    assert planned.calls == result.calls
    assert not planned.is_exact
    assert "no value is found" in planned.assumption


@pytest.mark.parametrize("calls", [0, 7, 30])
def test_the_budget_bounds_the_plan(calls: int) -> None:
    planned = plan(WORLD.company, Knowing([WORLD]), replace(SMALL, budget_calls=calls))
    assert planned.calls <= calls == planned.most_calls


def test_seconds_are_those_of_the_longest_calls() -> None:
    planned = plan(WORLD.company, Knowing([WORLD]), SMALL, seconds=seconds)
    whole = seconds(planned.prompt_tokens, planned.completion_tokens) + 0.3 * (planned.calls - 1)
    assert planned.seconds == pytest.approx(whole)
    assert plan(WORLD.company, Knowing([WORLD]), SMALL).seconds is None


def test_a_plan_asks_nothing() -> None:
    reader = Knowing([WORLD])
    plan(WORLD.company, reader, SMALL)
    assert reader.asked == []

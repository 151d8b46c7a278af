from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.placement.problem import Problem
from harness.placement.trials.published import findings, s_per_million_tokens


def test_what_the_documented_methods_find_on_medium(medium: Problem) -> None:
    found = findings(medium)
    assert (found.segments, found.binary_variables) == (2_788, 131_206)
    assert found.binary_variables_of_fine_sizes == 340_665
    assert found.weighted.usd_per_million_tokens == pytest.approx(0.191477, abs=5e-7)
    assert found.best.usd_per_million_tokens == pytest.approx(0.105747, abs=5e-7)
    assert found.cheapest_usd_per_hour == pytest.approx(2.0)
    assert s_per_million_tokens(found.at_6_usd) == pytest.approx(1e6 / 9536.7, rel=1e-4)
    assert found.group_usd_per_hour == pytest.approx((0.2, 8.0))
    assert found.budget_range == pytest.approx((0.2, 12.0))
    assert found.kept_by_target == 1
    assert found.target_usd_per_token == 0.002


def test_a_target_that_acts_narrows_the_range(medium: Problem) -> None:
    aggressive = replace(medium, config=replace(medium.config, max_cost_per_token=1e-7))
    assert findings(aggressive).kept_by_target == pytest.approx(6.4 / 12)


def test_a_pool_without_a_documented_plan_is_an_answer(medium: Problem) -> None:
    few = replace(medium.pool[-1], count=4)
    with pytest.raises(HarnessError, match="leave no plan") as caught:
        findings(replace(medium, pool=(few,), bandwidth_gb_per_s=medium.bandwidth_gb_per_s[:4, :4]))
    assert caught.value.exit_code == EXIT_INFEASIBLE

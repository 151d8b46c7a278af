from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES
from harness.placement.segments import CORRECTED, stage_sizes
from harness.placement.stages import lay_out, lay_out_in_order, stage_table


def test_a_table_has_a_rate_where_a_stage_may_be_and_nowhere_else(medium: Problem) -> None:
    table = stage_table(medium, sizes=(5, 7, 20, 40))
    for kind, (index, tp) in enumerate(zip(table.type.tolist(), table.tp.tolist(), strict=True)):
        gpu = medium.pool[index]
        allowed = stage_sizes(medium, gpu, tp, (5, 7, 20, 40), CORRECTED)
        assert tuple(np.flatnonzero(table.tokens_per_s[kind])) == allowed
        assert tuple(np.flatnonzero(np.isfinite(table.prefill_s[kind]))) == allowed
        assert (table.tokens_per_s[kind] <= DOCUMENTED_RATES.tokens_per_s(medium.config, gpu, tp)).all()


def test_there_are_no_more_stages_than_layers(medium: Problem) -> None:
    config = replace(medium.config, max_pipeline_stages=1_000_000)
    assert stage_table(replace(medium, config=config)).most_stages == 40


def test_blocks_of_gpus_are_aligned_whatever_the_order_of_stages(medium: Problem) -> None:
    """V100 TP 2 before and after V100 TP 4: the larger group still starts at a multiple of four."""
    table = stage_table(medium)
    order = ((13, 7), (14, 12), (13, 7), (13, 7), (13, 7))
    plan = lay_out_in_order(order, table, medium)
    assert [stage.layers for stage in plan.stages] == [7, 12, 7, 7, 7]
    assert [stage.first_layer for stage in plan.stages] == [1, 8, 20, 27, 34]
    first = medium.first_gpus[3]
    assert all((stage.gpus[0] - first) % stage.tp == 0 for stage in plan.stages)
    assert sorted(gpu for stage in plan.stages for gpu in stage.gpus) == list(range(first, first + 12))
    assert plan.tokens_per_s == lay_out(tuple(sorted(order)), table, medium).tokens_per_s

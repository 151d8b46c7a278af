"""The cheapest token alone, by branch and bound over spans of throughput, instead of off the whole front.

`medium` has 5 GPU types; the synthetic pools are drawn from the seeded generator, 100 types with 126
layers. Both arms start from the stage table and end with a certificate.
"""

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.placement import read_problem, stage_table
from harness.placement.inputs.generator import synthetic_pool
from harness.placement.trials.exact_gain import excess, proof_faults, prove_alone, prove_by_front

OPTIMIZATION = Optimization(
    name="cheapest_token",
    title="The cheapest token alone instead of the whole front",
    metrics=(
        Metric("proof_time", "s", gate="paired", floor=0.25),  # array code shifts by 10 % between runs
        Metric("floors_searched", "floors", gate="exact", value=lambda proven: proven.searched),
        Metric("usd_per_token_excess", "ratio", gate="bounded", compare=excess, limit=0),
        Metric("proof_faults", "faults", gate="bounded", compare=proof_faults, limit=0),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)

SLOW = [pytest.param(types, layers, marks=pytest.mark.slow) for types, layers in ((30, 80), (100, 126))]


@pytest.mark.parametrize(("types", "layers"), [(5, 40), *SLOW])
def test_cheapest_token(ab, types, layers):
    medium = ab.uses("fixtures/placement/medium") if types == 5 else None

    def table():
        return stage_table(read_problem(medium) if medium else synthetic_pool(0, types, layers=layers))

    ab.arms(baseline=Arm(prove_by_front, prepare=table), optimized=Arm(prove_alone, prepare=table))
    ab.run()

"""The guide's row loop compiled by numba: against the loop, and against the one product that it is.

Compiling takes 1 to 2 seconds once, which is set-up here. The claim is about the loop; whoever writes the
product has no use for numba.
"""

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.detection.trials.kernels import by_loop, by_product, compiled, furthest, operands

OPTIMIZATION = Optimization(
    name="compiled_kernels",
    title="A compiled score kernel",
    metrics=(
        Metric("kernel_time", "s", gate="paired", floor=0.15),
        Metric("furthest", "ratio", gate="bounded", compare=furthest, limit=1e-4),
    ),
    claims=(
        Claim(
            "kernel_time", "detection-optimization-guide.md, Technique 10", "Speedup: 5-10x on numerical ops",
            ratio=(0.1, 0.2),
        ),
    ),
    requires=Requires(kind="host", extras=("detection",)),
)  # fmt: skip


@pytest.mark.parametrize("against", ["loop", "product"])
@pytest.mark.parametrize("rows", [256, pytest.param(1000, marks=pytest.mark.slow)])
def test_compiled_kernels(ab, rows, against):
    attention, weights = operands(rows, rows)
    before = by_loop if against == "loop" else by_product
    ab.arms(
        baseline=lambda: before(attention, weights),
        optimized=Arm(lambda kernel: kernel(attention, weights), prepare=compiled),
    )
    ab.run()

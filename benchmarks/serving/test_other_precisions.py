"""Precisions that no source speaks of, instead of f16 weights in llama.cpp.

TQ2_0 is meant for models trained with ternary weights, which this one is not.
"""

import pytest

from harness import Optimization, Requires
from harness.models.precisions.arms import METRICS, precision_arm

OPTIMIZATION = Optimization(
    name="other_precisions",
    title="Weights of other precisions instead of f16",
    metrics=METRICS,
    requires=Requires(kind="host", extras=("models",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["Q8_0", "Q6_K", "Q5_K_M", "Q3_K_M", "Q2_K", "TQ2_0"])
def test_other_precisions(ab, precision):
    model = ab.uses("fixtures/models/entities")
    ab.arms(baseline=precision_arm(model, "F16"), optimized=precision_arm(model, precision))
    ab.run()

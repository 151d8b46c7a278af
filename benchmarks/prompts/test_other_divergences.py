"""The prompt optimized on Q8_0 on precisions that nobody deploys: where does it stop to hold?

Judged as in test_quantization_divergence.py. On a refused precision the drop is over 5 %: optimize locally.
TQ2_0 is meant for models trained with ternary weights, which this one is not.
"""

import pytest

from harness import Optimization, Requires
from harness.prompts.trials.precisions import METRICS, precision_arm

OPTIMIZATION = Optimization(
    name="other_divergences",
    title="The optimized prompt on other precisions (a drop over 5 %: optimize locally)",
    metrics=METRICS,
    requires=Requires(kind="host", extras=("models",)),
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "precision",
    ["TQ2_0", *(pytest.param(n, marks=SLOW) for n in ("F16", "Q6_K", "Q5_K_M", "Q3_K_M", "Q2_K"))],
)
def test_other_divergences(ab, precision):
    model, examples = ab.uses("fixtures/models/entities"), ab.uses("fixtures/prompts/test.json")
    ab.arms(
        baseline=precision_arm(model, examples, "Q8_0"),
        optimized=precision_arm(model, examples, precision),
    )
    ab.run()

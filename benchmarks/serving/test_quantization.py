"""Q4_K_M instead of f16 weights in llama.cpp: the entities found, the file's size, the speed of decoding.

The source calls 4 bits a low risk for entity extraction. Other precisions: test_other_precisions.py.
"""

from harness import Claim, Optimization, Requires
from harness.measure.divergence import LIMIT
from harness.models.precisions.arms import METRICS, precision_arm

OPTIMIZATION = Optimization(
    name="quantization",
    title="Q4_K_M weights instead of f16",
    metrics=METRICS,
    claims=(
        Claim(
            "f1_drop",
            "prompt-optimizers.md, Quantization Divergence",
            "For entity extraction: low risk ... If metrics drop >5%, optimize locally instead",
            value=(-float("inf"), LIMIT),
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)


def test_quantization(ab):
    model = ab.uses("fixtures/models/entities")
    ab.arms(baseline=precision_arm(model, "F16"), optimized=precision_arm(model, "Q4_K_M"))
    ab.run()

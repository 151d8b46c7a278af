"""The optimized prompt on the deployed Q4_K_M instead of the 8 bits it was optimized on.

Same prompt, sampling and 120 held-out examples; one rule judges (harness/measure/divergence.py). Over 5 %:
optimize locally, on the deployed precision itself (`harness optimize-prompt --precision Q4_K_M`).
The matrix names the pair, fp8 and q4_k_m: `fp8` is torch's, Q8_0 stands for it in llama.cpp, which has none.
"""

from math import inf

import pytest

from harness import Claim, Optimization, Requires
from harness.measure.divergence import LIMIT
from harness.prompts.trials.precisions import METRICS, precision_arm

SECTION = "prompt-optimizers.md, Quantization Divergence"
LOW_RISK = "For entity extraction: low risk ... If metrics drop >5%, optimize locally instead"

OPTIMIZATION = Optimization(
    name="quantization_divergence",
    title="The optimized prompt on Q4_K_M (a drop over 5 %: optimize locally)",
    metrics=METRICS,
    claims=(Claim("f1_drop", SECTION, LOW_RISK, value=(-inf, LIMIT)),),
    requires=Requires(kind="host", extras=("models",)),
    role="shipped",
)
FP8 = pytest.param("fp8", "transformers", marks=pytest.mark.slow)


@pytest.mark.parametrize(("optimized_on", "engine"), [("Q8_0", "llama.cpp"), FP8])
def test_quantization_divergence(ab, optimized_on, engine):
    model, examples = ab.uses("fixtures/models/entities"), ab.uses("fixtures/prompts/test.json")
    deployed = ab.hardware.quantization["deployed"].upper()
    ab.arms(
        baseline=precision_arm(model, examples, optimized_on, engine),
        optimized=precision_arm(model, examples, deployed),
    )
    ab.run()

"""A smaller model for the same asks: the embedded one in 4 bits against itself in 16, by llama.cpp.

The guide's 7B for its 14B is test_smaller_model_on_gpu.py. `other_answers` is the share of asks whose values
are not the larger one's. "Lower latency" is taken at its word: any lower.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.opening import opened
from harness.extraction.trials.embedded import answered, asks, other_answers
from harness.extraction.trials.smaller import open_precision

LOWER = "Use a 7B model ... for lower latency per call"
OPTIMIZATION = Optimization(
    name="smaller_model",
    title="A smaller model for the same asks",
    metrics=(
        Metric("reading_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("other_answers", "share", gate="bounded", compare=other_answers, limit=0.05),
    ),
    claims=(Claim("reading_time", "extraction-speed-guide.md, section 4.4", LOWER, ratio=(0, 1)),),
    requires=Requires(kind="host", extras=("models",)),
)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["Q8_0", "Q4_K_M"])
def test_smaller_model(ab, precision):
    ab.uses("fixtures/models/fields")
    asked = asks(3)

    def arm(name):
        return Arm(partial(answered, asked), prepare=partial(opened, partial(open_precision, name)))

    ab.arms(baseline=arm("BF16"), optimized=arm(precision))
    ab.run()

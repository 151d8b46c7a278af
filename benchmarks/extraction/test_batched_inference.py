"""Four asks of a company open at once instead of one after the other, on the embedded model by llama.cpp.

The guide's idea for batches of 2 to 4: "~1.5-2x GPU throughput". On a CPU one request of a small model keeps
a core busy already.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.opening import opened
from harness.extraction.trials.embedded import answered, asks, open_embedded, other_answers

OPTIMIZATION = Optimization(
    name="batched_inference",
    title="Independent asks in batches",
    metrics=(
        Metric("reading_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("other_answers", "share", gate="bounded", compare=other_answers, limit=0.05),
    ),
    claims=(
        Claim(
            "reading_time", "extraction-speed-guide.md, section 4.1", "~1.5-2x GPU throughput",
            ratio=(0.5, 1 / 1.5),
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("places", [4, 2])
def test_batched_inference(ab, places):
    ab.uses("fixtures/models/fields")
    asked = asks(6)

    def arm(threads):
        return Arm(partial(answered, asked), prepare=partial(opened, partial(open_embedded, threads)))

    ab.arms(baseline=arm(1), optimized=arm(places))
    ab.run()

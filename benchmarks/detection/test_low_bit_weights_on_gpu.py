"""Weights of 8, 4, 3 and 2 bits by GPTQ instead of NF4: Llama-2-7B's samples per minute, and its bytes.

Bytes are counted: scales, zero points, and what stays in 16 bits. NF4 with its scales quantized again, as the
published experiment has it, is 3.87 GB. Scoring is one long product, not a bandwidth-bound decoding step, and
for 3 and 2 bits no kernel multiplies packed weights. Measured where `gptqmodel` and `optimum` are, which no
extra of this project brings.
"""

from functools import partial
from operator import attrgetter

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.costmodel.trials import version
from harness.detection.costs.structures import equal_samples
from harness.detection.trials.card_scoring import mean_differences, sixty_times
from harness.detection.trials.gptq import NF4, card_arm, on_card
from harness.engines.opening import checkpoint_path

GUIDE = "detection-optimization-guide.md, Technique 1"
OPTIMIZATION = Optimization(
    name="low_bit_weights_on_gpu",
    title="GPTQ weights of fewer bits instead of NF4, on a card",
    metrics=(
        Metric(
            "samples_per_min", "1/min", "higher", "paired", work=sixty_times,
            clock="wall", floor=0.05,
        ),
        Metric("weight_memory", "bytes", value=attrgetter("memory")),
        Metric("difference", "score", gate="bounded", compare=mean_differences, limit=0.05),
    ),
    claims=(
        Claim("samples_per_min", GUIDE, "Speed: 10-20% faster", ratio=(1.1, 1.2)),
        Claim("weight_memory", GUIDE, "Memory: 3.5GB -> 2.5GB", value=(0.0, 2.5e9)),
        Claim("weight_memory", GUIDE, "(29% savings)", ratio=(0.0, 0.71)),
    ),
    requires=Requires(kind="cuda", extras=("models",), model="detection"),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4, 3, 2])
def test_low_bit_weights_on_gpu(ab, bits):
    batch = equal_samples(867)

    def arm(of_bits):
        return card_arm(lambda: checkpoint_path(ab.model), of_bits, batch)

    ab.arms(baseline=arm(NF4), optimized=arm(bits))
    ab.modelled(partial(on_card, bits=NF4, batch=batch), partial(on_card, bits=bits, batch=batch), version())
    ab.run()

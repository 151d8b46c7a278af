"""The most memory that loading takes: weights quantized once (NF4), or quantized at every load."""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.memory import peak_growth
from harness.engines.transformers_loading import load_model, save_quantized

OPTIMIZATION = Optimization(
    name="prequantized_memory",
    title="Memory to load weights that are quantized already",
    metrics=(Metric("load_memory", "bytes", value=lambda growth: growth, floor=0.1),),
    claims=(
        Claim(
            "load_memory",
            "extraction-speed-guide.md, 5 (Pre-quantized model)",
            "Faster load and less peak memory",
            ratio=(0, 1),
        ),
    ),
    requires=Requires(extras=("models",)),
)


@pytest.mark.slow
def test_prequantized_memory(ab, tmp_path):
    model = ab.uses("fixtures/models/entities")
    on_cpu = ab.hardware.kind == "host"
    device = "cpu" if on_cpu else "cuda:0"

    def growth(folder, quantization):
        loading = partial(load_model, folder, device, "checkpoint", quantization, "sdpa")
        return peak_growth(loading, on_cpu=on_cpu)[1]

    ab.arms(
        baseline=lambda: growth(model, "nf4"),
        optimized=Arm(
            lambda saved: growth(saved, "none"),
            prepare=lambda: save_quantized(model, tmp_path / "nf4", "nf4"),
        ),
    )
    ab.run()

"""Load weights that were quantized once (NF4) instead of quantizing them at every load."""

from functools import partial

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.transformers_loading import load_model, save_quantized

OPTIMIZATION = Optimization(
    name="prequantized_load",
    title="Load weights that are quantized already",
    metrics=(Metric("load_time", "s", gate="paired", clock="wall", floor=0.15),),
    claims=(
        Claim(
            "load_time",
            "extraction-speed-guide.md, 5 (Pre-quantized model)",
            "Faster load and less peak memory",
            ratio=(0, 1),
        ),
    ),
    requires=Requires(extras=("models",)),
)


def test_prequantized_load(ab, tmp_path):
    model = ab.uses("fixtures/models/entities")
    device = "cpu" if ab.hardware.kind == "host" else "cuda:0"

    def load(folder, quantization):
        return load_model(folder, device, "checkpoint", quantization, "sdpa")

    ab.arms(
        baseline=partial(load, model, "nf4"),
        optimized=Arm(
            lambda saved: load(saved, "none"), prepare=lambda: save_quantized(model, tmp_path / "nf4", "nf4")
        ),
    )
    ab.run()

"""The scoring pass exported to ONNX and run by ONNX Runtime, against the same pass in torch.

Exported are what the scores need, not the guide's logits and attention maps. "int8": the layers' matrices
quantized as they come. `model_size` is the weights' in torch, and the file's. A layer of bitsandbytes has no
operator in ONNX, so the guide's own model cannot be exported (capture/compatibility.py).
"""

from functools import partial
from math import inf

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.detection.trials.checkpoint import loaded, on_host
from harness.detection.trials.compiled_model import RATE, furthest
from harness.detection.trials.dynamic_batching import between
from harness.detection.trials.onnx_export import in_onnx, in_torch

GUIDE = "detection-optimization-guide.md, Technique 17"
OPTIMIZATION = Optimization(
    name="onnx_runtime",
    title="The scoring pass in ONNX Runtime",
    metrics=(
        RATE,
        Metric("model_size", "bytes", gate="exact", value=lambda it: it.size, tolerance=0.02),
        Metric("furthest", "score", gate="bounded", compare=furthest, limit=1e-3),
        Metric("export_time", "s", value=lambda it: it.compile_s),
    ),
    claims=(
        Claim("samples_per_s", GUIDE, "Faster inference", ratio=(1.0, inf)),
        Claim("model_size", GUIDE, "Smaller model size", ratio=(0.0, 0.99)),
    ),
    requires=Requires(kind="host", extras=("models", "detection")),
)  # fmt: skip
SAMPLES = between(1, 16, 48, 256, 1024)


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_onnx_runtime(ab, weights):
    folder = ab.uses("fixtures/models/answers")
    model = partial(loaded, folder, on_host())
    ab.arms(
        baseline=Arm(lambda it: it.run(SAMPLES), prepare=lambda: in_torch(model())),
        optimized=Arm(lambda it: it.run(SAMPLES), prepare=lambda: in_onnx(model(), weights)),
    )
    ab.run()

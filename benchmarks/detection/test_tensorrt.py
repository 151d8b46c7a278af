"""The scoring pass as TensorRT engines instead of torch's kernels, with shapes that may vary.

The guide's own call gives random floats for token ids and one fixed shape (`require_inputs` refuses both).
Modelled figures are a bound: every kernel fused, none launched by the host, products as fast as before.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel.steptime import EAGER_ENGINE, LAYER_ENGINE
from harness.costmodel.trials import version
from harness.detection.trials import tensorrt
from harness.detection.trials.checkpoint import on_card
from harness.detection.trials.compiled_model import RATE, furthest, uncompiled
from harness.detection.trials.dynamic_batching import between
from harness.detection.trials.modelled import engine_rate
from harness.engines.opening import checkpoint_path

GUIDE = "detection-optimization-guide.md, Technique 16"
OPTIMIZATION = Optimization(
    name="tensorrt",
    title="The scoring pass as TensorRT engines",
    metrics=(
        RATE,
        Metric("furthest", "score", gate="bounded", compare=furthest, limit=1e-2),
        Metric("compile_time", "s", value=lambda it: it.compile_s),
    ),
    claims=(
        Claim("samples_per_s", GUIDE, "Speedup: 2-3x on NVIDIA GPUs", ratio=(2, 3)),
    ),
    requires=Requires(kind="cuda", extras=("models",), model="detection"),
)  # fmt: skip
SAMPLES = between(1, 16, 310, 999, 1024)


@pytest.mark.slow
def test_tensorrt(ab):
    loading, path = on_card(nf4=False), partial(checkpoint_path, ab.model)
    ab.arms(
        baseline=Arm(lambda it: it.run(SAMPLES), prepare=lambda: uncompiled(path(), loading)),
        optimized=Arm(
            lambda it: it.run(SAMPLES), prepare=lambda: tensorrt.compiled(path(), loading, SAMPLES)
        ),
    )
    ab.modelled(
        partial(engine_rate, weights="fp16", engine=EAGER_ENGINE),
        partial(engine_rate, weights="fp16", engine=LAYER_ENGINE),
        version(),
    )
    ab.run()

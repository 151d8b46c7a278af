"""vLLM with FP8 weights against the guide's pipeline: transformers with NF4 weights, one call at a time.

The guide promises the gain for batches, "vs vanilla transformers", and names no lengths or sizes. The NF4
model and vLLM share the card, so vLLM gets three quarters of it, in the model as well.
"""

from dataclasses import replace
from functools import partial

import pytest

from harness import Arm, Claim, Optimization, Requires
from harness.costmodel import trials
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.engines.opening import checkpoint_path, opened, serving_engine, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import THROUGHPUT, answered, new_requests

GUIDE = "detection-optimization-guide.md, Technique 15"
VLLM = {"gpu_memory_utilization": 0.75, "max_model_len": 4096, "tensor_parallel": 1}

OPTIMIZATION = Optimization(
    name="vllm_against_nf4",
    title="vLLM with FP8 weights instead of transformers with NF4",
    metrics=(THROUGHPUT,),
    claims=(Claim("throughput", GUIDE, "Speedup: 5-10x vs vanilla transformers", (5, 10)),),
    requires=Requires(capability="8.0", extras=("gpu",), model="detection"),
)


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 8, 32, 128])
def test_vllm_against_nf4(ab, requests):
    load, model = replace(trials.CHAT_ANSWERS, requests=requests), find_model("llama-2-7b")

    def packed():
        settings = TransformersSettings(checkpoint_path(ab.model), Sequential(), quantization="nf4")
        return opened(partial(transformers, settings, on_cpu=False), kept=1)

    ab.arms(
        baseline=Arm(answered, prepare=packed),
        optimized=Arm(
            answered,
            prepare=lambda: opened(lambda: serving_engine(ab.model, ab.hardware, quantization="fp8", **VLLM)),
        ),
        each_round=new_requests(*load.lengths()),
    )
    ab.modelled(
        lambda row: trials.in_batches(documented(model, "nf4", row), load, 1),
        lambda row: trials.at_once(replace(documented(model, "fp8", row), **VLLM), load),
        trials.version(),
    )
    ab.run()

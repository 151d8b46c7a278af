"""Continuous against static batching, same engine, answers of 4 to 32 tokens.

A static batch runs until its longest answer ends, and the next one waits for it.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Padded
from harness.engines.transformers_slots import Slots
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.models.gguf.quantize import quantize

OPTIMIZATION = Optimization(
    name="continuous_against_static",
    title="Continuous instead of static batching of unequal answers",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(extras=("models",)),
)
PARALLEL = 8
ANSWERS = (4, 32, 8, 6, 24, 4, 12, 8)


def llama_cpp(model, batching):
    # no prefix cache: the same prompts come again in every round
    return LlamaCppEngine(
        quantize(model, "F16"), parallel=PARALLEL, context_tokens=128, batching=batching, prefix_cache=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["transformers", "llama_cpp"])
def test_continuous_against_static(ab, engine):
    if engine == "llama_cpp" and ab.hardware.kind != "host":
        pytest.skip("llama.cpp is compiled for the CPU: measured on row cpu")
    model = ab.uses("fixtures/models/entities")
    requests = token_requests(vocabulary(model), [24, 32, 40, 48] * 6, ANSWERS)

    def start(batching):
        if engine == "llama_cpp":
            return llama_cpp(model, batching)
        chosen = {"static": Padded, "continuous": Slots}[batching](parallel=PARALLEL)
        return transformers(TransformersSettings(model, chosen), on_cpu=ab.hardware.kind == "host")

    def work(it):
        return answered(it, requests)

    def arm(batching):
        return Arm(work, prepare=partial(opened, partial(start, batching)))

    ab.arms(baseline=arm("static"), optimized=arm("continuous"))
    ab.modelled(
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.padded, model, parallel=PARALLEL)),
        on_cost_model(OPTIMIZATION.metrics, work, partial(checkpoints.shared, model, parallel=PARALLEL)),
        trials.version(),
    )
    ab.run()

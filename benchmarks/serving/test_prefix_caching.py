"""Prefix caching off and on: eight short questions about one passage of 400 tokens, a new passage each time.

The container arguments of prompt-optimizers.md switch it on (--enable-prefix-caching) and promise no ratio.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.costmodel import checkpoints, trials
from harness.costmodel.arms import on_cost_model
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_slots import Slots
from harness.engines.workloads import answered, computed_prompt_tokens, fresh, token_requests, vocabulary
from harness.models.gguf.quantize import quantize

OPTIMIZATION = Optimization(
    name="prefix_caching",
    title="Keep the states of a shared prefix",
    metrics=(
        Metric("time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("computed_prompt_tokens", "tokens", gate="exact", value=computed_prompt_tokens),
    ),
    requires=Requires(extras=("models",)),
)
PASSAGE, QUESTION, ANSWER, QUESTIONS = 400, 20, 4, 8


@pytest.mark.parametrize("engine", ["llama_cpp", pytest.param("transformers", marks=pytest.mark.slow)])
def test_prefix_caching(ab, engine):
    if engine == "llama_cpp" and ab.hardware.kind != "host":
        pytest.skip("llama.cpp is compiled for the CPU: measured on row cpu")
    model = ab.uses("fixtures/models/entities")
    ids = vocabulary(model)

    def questions(seed):
        lengths = [PASSAGE + QUESTION] * QUESTIONS
        return token_requests(ids, lengths, [ANSWER], shared_tokens=PASSAGE, seed=seed)

    def start(caching):
        if engine == "llama_cpp":
            file = quantize(model, "F16")
            return LlamaCppEngine(file, parallel=QUESTIONS, context_tokens=512, prefix_cache=caching)
        slots = Slots(parallel=QUESTIONS, prefix_tokens=4 * PASSAGE if caching else 0)
        return transformers(TransformersSettings(model, slots), on_cpu=ab.hardware.kind == "host")

    def arm(caching):
        return Arm(answered, prepare=partial(opened, partial(start, caching)))

    def modelled(caching):
        start = partial(checkpoints.shared, model, parallel=QUESTIONS, prefix_caching=caching)
        return on_cost_model(OPTIMIZATION.metrics, lambda it: answered(it, questions(1)), start)

    ab.arms(baseline=arm(caching=False), optimized=arm(caching=True), each_round=fresh(questions))
    ab.modelled(modelled(caching=False), modelled(caching=True), trials.version())
    ab.run()

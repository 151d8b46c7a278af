"""Fewer bits per weight than f16, in llama.cpp: the entities found, the file's size, the speed of decoding.

Each arm answers the same held-out prompts once, greedily, in its set-up; rounds time decoding only. TQ2_0 is
meant for models trained with ternary weights, which this one is not.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.engines.llama_cpp import LlamaCppEngine
from harness.engines.opening import opened
from harness.engines.workloads import answered, completion_tokens, token_requests, vocabulary
from harness.measure.divergence import LIMIT, drop_per_example
from harness.models.heldout import counts, heldout
from harness.models.precision_probe import answer, tokens_of
from harness.models.quantize import quantize

SOURCE = "prompt-optimizers.md, Quantization Divergence"
QUOTE = "For entity extraction: low risk ... If metrics drop >5%, optimize locally instead"
OPTIMIZATION = Optimization(
    name="quantization",
    title="Quantized weights instead of f16",
    metrics=(
        Metric(
            "f1_drop", "ratio", gate="bounded", limit=LIMIT, compare=lambda a, b: drop_per_example(a[0], b[0])
        ),
        Metric("file_size", "bytes", gate="exact", value=lambda result: result[1]),
        Metric(
            "throughput",
            "tokens/s",
            "higher",
            "paired",
            work=lambda result: result[2],
            clock="wall",
            floor=0.2,
        ),
    ),
    claims=(Claim("f1_drop", SOURCE, QUOTE, value=(-float("inf"), LIMIT)),),
    requires=Requires(kind="host", extras=("models",)),
)
CELLS = [pytest.param(name, marks=pytest.mark.slow) for name in "Q8_0 Q6_K Q5_K_M Q3_K_M Q2_K TQ2_0".split()]
PROMPTS = heldout("entities", "names", 150, seed=23)


@pytest.mark.parametrize("precision", ["Q4_K_M", *CELLS])
def test_quantization(ab, precision):
    model = ab.uses("fixtures/models/entities")
    requests = token_requests(vocabulary(model), [16] * 8, [24])

    def graded(name):
        file = quantize(model, name)
        engine = opened(partial(LlamaCppEngine, file, parallel=16, context_tokens=512))
        texts = answer(engine, tokens_of(engine, PROMPTS)).texts
        found = [counts("entities", text, each.turn) for text, each in zip(texts, PROMPTS, strict=True)]
        return engine, found, file.stat().st_size

    def run(prepared):
        engine, found, size = prepared
        return found, size, completion_tokens(answered(engine, requests))

    def arm(name):
        return Arm(run, prepare=partial(graded, name))

    ab.arms(baseline=arm("F16"), optimized=arm(precision))
    ab.run()

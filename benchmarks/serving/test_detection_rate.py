"""Samples per minute of one forward pass each, with every attention map or with the answer's rows only.

A bound: scores, the lens and all Python come on top, so promised rates below it are possible, no more. A
sample has the RAGTruth test set's median length, 867 tokens, 184 of them the answer.
"""

import functools
from math import inf

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import trials
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.engines.opening import checkpoint_path, opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import new_requests

TIPS, BASELINE = (
    f"detection-optimization-guide.md, {part}" for part in ("Hardware-Specific Tips", "Current Baseline")
)
SAMPLES, WORK = 4, trials.DetectionWork()
FORMATS = {"4bit": "nf4", "8bit": "int8", "none": "fp16"}

OPTIMIZATION = Optimization(
    name="detection_rate",
    title="Only the answer's attention rows instead of every attention map",
    metrics=(
        Metric(
            "samples_per_min", "1/min", "higher", "paired", work=lambda n: n * 60.0, clock="wall", floor=0.2
        ),
    ),
    claims=(
        Claim("samples_per_min", TIPS, "1x T4: 8-10 samples/min", value=(8, inf), rows=("t4",)),
        Claim("samples_per_min", TIPS, "2x T4: 11 samples/min", value=(11, inf), rows=("t4x2",)),
        Claim("samples_per_min", BASELINE, "Target: 20+ samples/min", value=(20, inf), rows=("t4x2",)),
        Claim("samples_per_min", TIPS, "A100: 40-50 samples/min", value=(40, inf), rows=("a100_40gb",)),
        Claim("samples_per_min", TIPS, "RTX 4090: 60-80 samples/min", value=(60, inf), rows=("rtx4090",)),
    ),
    requires=Requires(kind="cuda", extras=("gpu",), model="detection"),
)


@pytest.mark.slow
def test_detection_rate(ab):
    weights = FORMATS[ab.hardware.detection.get("quantization", "4bit")]

    @functools.cache
    def engine():
        quantization = "none" if weights == "fp16" else weights
        settings = TransformersSettings(checkpoint_path(ab.model), Sequential(), quantization=quantization)
        return opened(lambda: transformers(settings, on_cpu=False), kept=1)

    def arm(rows):
        def forward(it, asked):
            for request in asked:
                it.forward(request.prompt, frozenset({"attention_rows", "hidden_states"}), rows)
            return len(asked)

        return Arm(forward, prepare=engine)

    def modelled(rows):
        return lambda row: trials.captured(documented(find_model("llama-2-7b"), weights, row), WORK, rows)

    asked = new_requests([WORK.tokens] * SAMPLES, [1])
    answer = range(WORK.tokens - WORK.response, WORK.tokens)
    ab.arms(baseline=arm(range(WORK.tokens)), optimized=arm(answer), each_round=asked)
    ab.modelled(modelled(WORK.tokens), modelled(WORK.response), trials.version())
    ab.run()

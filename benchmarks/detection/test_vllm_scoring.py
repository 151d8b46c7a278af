"""vLLM for the scoring pass: not applicable, since it returns neither attention nor the layers' states.

What it can do for detection is to generate the responses that are scored, which the guide's "5-10x" is about
(benchmarks/serving/test_vllm_against_nf4.py), and log probabilities of a prompt's tokens (`prompt_logprobs`),
which are none of the two scores.
"""

import pytest

from harness import Arm, Claim, HarnessError, Metric, Optimization, Requires
from harness.detection.capture.compatibility import require_compatible
from harness.detection.trials.dynamic_batching import between, furthest_means
from harness.detection.trials.passes import OURS, ready

OPTIMIZATION = Optimization(
    name="vllm_scoring",
    title="The scoring pass in vLLM",
    metrics=(
        Metric("samples_per_s", "samples/s", "higher", "paired", work=len, clock="wall", floor=0.15),
        Metric("furthest", "score", gate="bounded", compare=furthest_means, limit=1e-3),
    ),
    claims=(
        Claim(
            "samples_per_s", "detection-optimization-guide.md, Technique 15",
            "Speedup: 5-10x vs vanilla transformers", ratio=(5, 10),
        ),
    ),
    requires=Requires(extras=("models",)),
)  # fmt: skip


def test_vllm_scoring(ab):
    samples = between(1, 4, 48, 256, 1024)
    try:
        require_compatible(("vLLM", "hidden states"))
    except HarnessError as refused:
        pytest.skip(f"not applicable: {refused.message}")
    scored = Arm(lambda it: it.run(OURS, samples), prepare=lambda: ready(maps=False))
    ab.arms(baseline=scored, optimized=scored)
    ab.run()

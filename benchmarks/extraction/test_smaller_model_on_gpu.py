"""The guide's 7B model for its 14B, both in NF4: one group call alone, by plain `generate`.

Modelled where no GPU is. What it costs in quality no model here can tell; see test_smaller_model.py.
"""

import functools

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import trials
from harness.engines.opening import opened
from harness.engines.workloads import answered_in_turn, new_requests
from harness.extraction.trials.smaller import CALL, LARGE, SMALL, call_seconds, open_role

LOWER = "Use a 7B model ... for lower latency per call"
OPTIMIZATION = Optimization(
    name="smaller_model_on_gpu",
    title="A 7B model instead of a 14B one",
    metrics=(Metric("call_time", "s", gate="paired", clock="wall", floor=0.1),),
    claims=(Claim("call_time", "extraction-speed-guide.md, section 4.4", LOWER, ratio=(0, 1)),),
    requires=Requires(kind="cuda", extras=("gpu",), model="extraction_small"),
)


@pytest.mark.slow
def test_smaller_model_on_gpu(ab):
    def arm(model):
        return Arm(answered_in_turn, prepare=lambda: opened(lambda: open_role(model[0], ab.hardware)))

    ab.arms(
        baseline=arm(LARGE),
        optimized=arm(SMALL),
        each_round=new_requests([round(CALL.prompt_tokens)], [round(CALL.completion_tokens)]),
    )
    large, small = (functools.partial(call_seconds, shape) for _, shape in (LARGE, SMALL))
    ab.modelled(large, small, trials.version())
    ab.run()

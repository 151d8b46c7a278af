"""Debug traces left out: a file for each of 125 calls, written, read back and written again, as documented.

The guide says "reduce I/O and minor CPU overhead". The calls themselves take an hour; 125 traces take less
than a tenth of a second, so what there is to win is nothing, and what there is to lose is the traces.
"""

from functools import partial

import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.engines.opening import opened
from harness.extraction.trials.traces import folder, prompts, with_traces, without_traces

OPTIMIZATION = Optimization(
    name="trace_throttling",
    title="No debug traces",
    metrics=(
        Metric("traces_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("traces", "files", "higher", value=len),
    ),
    requires=Requires(kind="host"),
)


@pytest.mark.slow
def test_trace_throttling(ab):
    calls = prompts(125)
    start = partial(opened, folder)
    ab.arms(
        baseline=Arm(lambda path: with_traces(path, calls), prepare=start),
        optimized=Arm(lambda path: without_traces(path, calls), prepare=start),
    )
    ab.run()

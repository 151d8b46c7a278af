"""Stock `dspy.GEPA` in light mode on more examples: what "~128 full evals" come to.

Both arms run the whole budget on scripted models with the threads and the split that the document gives.
`error_of_rule` is how far the calls are from 128 x examples, the document's rule, as a share of it.
"""

from functools import partial

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.prompts.optimize.budget import claimed_metric_calls
from harness.prompts.rules import get_num_threads
from harness.prompts.stock.gepa import StockSettings
from harness.prompts.trials.scripted import Scene, stock_course

SECTION = "prompt-optimizers.md, GEPA Scaling"
FULL = 'GEPA runs ~128 full evals in "light" mode. Each full eval runs through all examples'
CALLS = "3 examples × 128 evals = 384 metric calls; 30 examples × 128 evals = 3,840 metric calls"

OPTIMIZATION = Optimization(
    name="light_budget",
    title="Light mode on more examples than 3",
    metrics=(
        Metric("metric_calls", "calls", gate="exact", value=lambda counted: counted["calls"]),
        Metric("full_evaluations", "evaluations", "higher", "exact", value=lambda counted: counted["full"]),
        Metric("error_of_rule", "ratio", gate="exact", value=lambda counted: counted["error"]),
    ),
    claims=(
        Claim("full_evaluations", SECTION, FULL, value=(0.95 * 128, 1.05 * 128)),
        Claim("error_of_rule", SECTION, CALLS, value=(0, 0.05)),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
)


def counted(examples):
    threads = get_num_threads(examples, remote=True)
    course = stock_course(Scene(threads=threads), StockSettings(threads=threads), examples=examples)
    error = abs(course.metric_calls / claimed_metric_calls(examples) - 1)
    return {"calls": course.metric_calls, "full": course.metric_calls / examples, "error": error}


@pytest.mark.parametrize("examples", [30, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 10))])
def test_light_budget(ab, examples):
    ab.arms(baseline=partial(counted, 3), optimized=partial(counted, examples))
    ab.run()

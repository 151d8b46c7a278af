"""The documented split, 1 to 3 examples to choose by, instead of half of them.

`test_f1_loss` is what the instruction chosen loses on 100 other examples; `winners_bias` what the best
validation score promises beyond those where all candidates are equally good. The scripted model misses a
fifth of all entities by chance. "Without improving" is read as: the smaller set loses at most 2 % of the F1.
"""

from functools import partial
from math import inf

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.prompts.rules import split_set
from harness.prompts.trials.split import half_and_half, losses, split_course

SECTION = "prompt-optimizers.md, Train/Val Split"
WASTE = "Large valsets waste metric calls without improving optimization"

OPTIMIZATION = Optimization(
    name="small_validation",
    title="1 to 3 validation examples instead of half of all",
    metrics=(
        Metric("metric_calls", "calls", gate="exact", value=lambda course: course.mean_calls),
        Metric("test_f1_loss", "ratio", compare=losses),
        Metric("winners_bias", "F1", gate="exact", value=lambda course: course.bias, tolerance=1e-9),
    ),
    claims=(
        Claim("metric_calls", SECTION, WASTE, ratio=(0, 0.95)),
        Claim("test_f1_loss", SECTION, WASTE, value=(-inf, 0.02)),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("examples", "seeds"), [(30, 6), *(pytest.param(n, 20, marks=SLOW) for n in (10, 30, 100))]
)
def test_small_validation(ab, examples, seeds):
    def arm(split):
        # the same for every run, so it is made once
        return Arm(lambda course: course, prepare=partial(split_course, split, examples, seeds))

    ab.arms(baseline=arm(half_and_half), optimized=arm(split_set))
    ab.run()

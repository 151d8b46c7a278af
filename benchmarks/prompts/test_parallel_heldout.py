"""Proposals side by side against stock `dspy.GEPA`: what they find, on 100 examples neither has seen.

Proposals of one iteration cannot build on each other, so the same budget might find less. Paired over seeds,
each with its own 27/3 examples; equally many metric calls. The document promises nothing of it. The limit,
two points of F1, is ours. test_parallel_minibatches.py has the time.
"""

from functools import partial

import numpy as np
import pytest

from harness import Arm, Metric, Optimization, Requires
from harness.prompts.optimize.budget import auto_metric_calls
from harness.prompts.trials.heldout import heldout, losses, our_search, stock_search

OPTIMIZATION = Optimization(
    name="parallel_heldout",
    title="Our optimizer with minibatches side by side instead of stock GEPA: held-out F1",
    metrics=(
        Metric("test_f1_loss", "F1", gate="bounded", compare=losses, limit=0.02),
        Metric("test_f1", "ratio", "higher", "exact", lambda it: float(np.mean(it.test_f1)), tolerance=1e-9),
        Metric("metric_calls", "calls", gate="exact", value=lambda it: sum(it.metric_calls)),
    ),
    requires=Requires(kind="host", extras=("prompts",)),
    role="shipped",
)
BUDGET, PROPOSALS = auto_metric_calls("light", 3), 6


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [20, 100])
def test_parallel_heldout(ab, seeds):
    def arm(search):
        # the same for every run, so it is made once
        return Arm(lambda found: found, prepare=partial(heldout, search, seeds))

    ab.arms(baseline=arm(stock_search(BUDGET)), optimized=arm(our_search(BUDGET, PROPOSALS)))
    ab.run()

"""The guide's targets for two T4: what the published structure and ours reach with its own settings.

One response at a time, NF4, layers over both cards as documented. "End-to-End Time 30 minutes" is read as 450
responses in 30 minutes by the stage that needs a GPU. The other stage is measured (test_regression_stage.py),
the table's own arithmetic is in test_guide_arithmetic.py, and AUC is no question of hardware
(test_grid_search.py and its neighbours).
"""

from math import inf
from operator import attrgetter

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.detection.costs import cards, trials
from harness.detection.costs.structures import PUBLISHED, STRUCTURES
from harness.engines.opening import checkpoint_path

TABLE = "detection-optimization-guide.md, Current Baseline"
RATES, SIZES = ("samples_per_min_least", "samples_per_min_most"), ("memory_share", "too_large_share")

OPTIMIZATION = Optimization(
    name="guide_targets",
    title="The guide's targets for two T4",
    metrics=(
        *(Metric(name, "1/min", "higher", work=lambda it: 60.0 * it.samples, clock="wall") for name in RATES),
        Metric("memory_gb", "GB", value=attrgetter("memory_gb")),
        *(Metric(name, "ratio", value=attrgetter(name)) for name in SIZES),
    ),
    claims=(
        *(Claim(name, TABLE, "Detection: target 20+ samples/min", value=(20, inf)) for name in RATES),
        *(Claim(name, TABLE, "End-to-End Time: target 30 minutes", value=(15, inf)) for name in RATES),
        Claim("memory_gb", TABLE, "GPU Memory Usage: target <10GB/GPU", value=(0, 10)),
    ),
    requires=Requires(kind="cuda", rows=("t4x2",), extras=("models",), model="detection"),
)


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["vectorized", "ours"])
def test_guide_targets(ab, structure):
    after = STRUCTURES[structure]
    first, second = (trials.documented(ab.hardware, it) for it in (PUBLISHED, after))
    model = cards.shared_model(lambda: checkpoint_path(ab.model), first.weights.name, first.stages)
    ab.arms(*(cards.scoring_arm(model, at, trials.one_by_one()) for at in (first, second)))
    ab.modelled(
        lambda row: trials.figures(trials.documented(row, PUBLISHED), trials.one_by_one()),
        lambda row: trials.figures(trials.documented(row, after), trials.one_by_one()),
        trials.version(),
    )
    ab.run()

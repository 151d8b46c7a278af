"""The guide's batch for a length (16, 8, 4, 2, 1) instead of one sample at a time, by weights and structure.

Each length is the last one of its row of the table. `memory_share` above 1: the batch is not safe, and halved
for the rate until it fits. `largest_batch` is the largest that fits (measured: that ran). Lengths above 4,096
are beyond the model's window; memory and time are modelled all the same.
"""

from operator import attrgetter

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.detection.costs import cards, trials
from harness.detection.costs.structures import STRUCTURES, equal_samples, setting
from harness.engines.opening import checkpoint_path

TABLE = "detection-optimization-guide.md, Technique 6"
RATES, SIZES = ("samples_per_min_least", "samples_per_min_most"), ("memory_share", "too_large_share")

OPTIMIZATION = Optimization(
    name="batch_table",
    title="The guide's batch for a length instead of one sample",
    metrics=(
        *(Metric(name, "1/min", "higher", work=lambda it: 60.0 * it.samples, clock="wall") for name in RATES),
        Metric("memory_gb", "GB", value=attrgetter("memory_gb")),
        *(Metric(name, "ratio", value=attrgetter(name)) for name in SIZES),
        Metric("largest_batch", "samples", "higher", value=attrgetter("largest_batch")),
    ),
    claims=(
        *(Claim(name, TABLE, "2-4x on short sequences, 1x on long", ratio=(1, 4)) for name in RATES),
        Claim("memory_share", TABLE, "safe batch size for given sequence length", value=(0, 1)),
    ),
    requires=Requires(kind="cuda", extras=("models",), model="detection"),
)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [999, 1999, 3999, 5999, 8000])
@pytest.mark.parametrize("weights", ["fp16", "int8", "nf4_double"])
@pytest.mark.parametrize("structure", ["published", "ours"])
def test_batch_table(ab, structure, weights, tokens):
    size, scored = trials.guide_batch_size(tokens), STRUCTURES[structure]
    at = setting(ab.hardware, weights, scored)
    model = cards.shared_model(lambda: checkpoint_path(ab.model), weights, 1)
    singly, together = (equal_samples(tokens),) * size, (equal_samples(tokens, size),)
    ab.arms(cards.scoring_arm(model, at, singly), cards.scoring_arm(model, at, together))
    ab.modelled(
        lambda row: trials.at_batch(setting(row, weights, scored), tokens, 1),
        lambda row: trials.at_batch(setting(row, weights, scored), tokens, size),
        trials.version(),
    )
    ab.run()

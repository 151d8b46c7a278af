"""The guide's settings for each GPU, against the published structure, one sample at a time, same weights.

Rates are an interval, `least` to `most`: a claim is decided where both ends say the same. `memory_share`
above 1 does not fit; for the rate such a batch is halved. The published code reads a limit of length in
"characters", the guide in "tokens". Flash attention (RTX 4090) gives no maps: only "ours" can have it.
"""

from functools import partial
from operator import attrgetter

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.detection.costs import cards, trials
from harness.detection.costs.structures import PUBLISHED, STRUCTURES
from harness.engines.opening import checkpoint_path

TIPS = "detection-optimization-guide.md, Hardware-Specific Tips"
CLAIMED = {
    "t4x2": ("11 samples/min, 10-12GB per GPU", (11, 11), (10, 12)),
    "t4": ("8-10 samples/min, 13-14GB", (8, 10), (13, 14)),
    "a100_40gb": ("40-50 samples/min, 25-30GB", (40, 50), (25, 30)),
    "rtx4090": ("60-80 samples/min, 18-20GB", (60, 80), (18, 20)),
}
RATES = "samples_per_min_least", "samples_per_min_most"
SIZES = {"memory_gb": "GB", "memory_share": "ratio", "too_large_share": "ratio"}

OPTIMIZATION = Optimization(
    name="hardware_tips",
    title="The guide's settings for a GPU",
    metrics=(
        *(Metric(name, "1/min", "higher", work=lambda it: 60 * it.samples, clock="wall") for name in RATES),
        *(Metric(name, unit, value=attrgetter(name)) for name, unit in SIZES.items()),
    ),
    claims=tuple(
        claim
        for row, (quote, per_min, gb) in CLAIMED.items()
        for claim in (
            *(Claim(name, TIPS, quote, value=per_min, rows=(row,)) for name in RATES),
            Claim("memory_gb", TIPS, quote, value=gb, rows=(row,)),
        )
    ),
    requires=Requires(kind="cuda", rows=tuple(CLAIMED), extras=("models",), model="detection"),
)


@pytest.mark.slow
@pytest.mark.parametrize("reading", ["characters", "tokens"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_hardware_tips(ab, structure, reading):
    row, after = ab.hardware, STRUCTURES[structure]
    first, second = trials.documented(row, PUBLISHED), trials.documented(row, after)
    model = cards.shared_model(lambda: checkpoint_path(ab.model), first.weights.name, first.stages)
    one, many = (trials.tip_batches(row, reading, size) for size in (1, 0))
    ab.arms(cards.scoring_arm(model, first, one), cards.scoring_arm(model, second, many))
    before = partial(trials.tip, structure=PUBLISHED, reading=reading, size=1)
    ab.modelled(before, partial(trials.tip, structure=after, reading=reading), trials.version())
    ab.run()

"""How long a sample may be, by weights and structure, beside the guide's limit for the GPU.

`longest_sample` is what memory allows one sample (the model's window is 4,096); `too_large_share` the share
of RAGTruth's samples beyond that or the window. `cut_share`: prompts that the guide's limit cuts, in
characters as the published code reads it (baseline), and in tokens as the guide does.
"""

from math import inf
from operator import itemgetter

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.detection.costs import cards, trials
from harness.detection.costs.structures import PUBLISHED, STRUCTURES, setting
from harness.engines.opening import checkpoint_path

TIPS = "detection-optimization-guide.md, Hardware-Specific Tips"
LIMITS = {"t4x2": 6000, "t4": 4000, "a100_40gb": 12000, "rtx4090": 16000}

OPTIMIZATION = Optimization(
    name="sequence_limits",
    title="Longer samples",
    metrics=(
        Metric("longest_sample", "tokens", "higher", value=itemgetter("longest_sample")),
        *(Metric(name, "ratio", value=itemgetter(name)) for name in ("too_large_share", "cut_share")),
    ),
    claims=tuple(
        Claim("longest_sample", TIPS, f"max_sequence_length = {most}", value=(most, inf), rows=(row,))
        for row, most in LIMITS.items()
    ),
    requires=Requires(kind="cuda", extras=("models",), model="detection"),
)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["fp16", "int8", "nf4_double"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_sequence_limits(ab, structure, weights):
    def at(row, structure):
        return setting(row, weights, structure, row.gpus)

    after = STRUCTURES[structure]
    model = cards.shared_model(lambda: checkpoint_path(ab.model), weights, ab.hardware.gpus)
    ab.arms(
        baseline=cards.longest_arm(model, at(ab.hardware, PUBLISHED), "characters"),
        optimized=cards.longest_arm(model, at(ab.hardware, after), "tokens"),
    )
    ab.modelled(
        lambda row: trials.limits(at(row, PUBLISHED), "characters"),
        lambda row: trials.limits(at(row, after), "tokens"),
        trials.version(),
    )
    ab.run()

"""Fused attention with the selected heads' rows recomputed, instead of eager attention and all its maps.

FlashAttention-2 on compute capability 8.0 and later, else torch's sdpa: on a T4 (7.5), where the guide's
"(T4 works!)" is wrong, and here. Neither has maps: asked for them, the library warns and returns none. Both
arms score one sample at a time and differ in attention alone; the model knows no difference between kernels.
"""

from functools import partial
from math import inf
from operator import attrgetter

import pytest

from harness import Claim, Metric, Optimization, Requires
from harness.costmodel.trials import version
from harness.detection.trials import fused_attention
from harness.detection.trials.card_scoring import mean_differences, sixty_times
from harness.engines.opening import checkpoint_path

GUIDE = "detection-optimization-guide.md, Technique 3"
LIMIT = 0.001
OPTIMIZATION = Optimization(
    name="fused_attention",
    title="Scores on fused attention instead of eager attention's maps",
    metrics=(
        Metric(
            "samples_per_min", "1/min", "higher", "paired", work=sixty_times,
            clock="wall", floor=0.15,
        ),
        Metric("activation_memory", "bytes", value=attrgetter("memory"), floor=0.1),
        Metric("flash", "1 = yes", "higher", value=attrgetter("is_flash")),
        Metric("difference", "score", gate="bounded", compare=mean_differences, limit=LIMIT),
        Metric("furthest", "score", compare=fused_attention.furthest),
    ),
    claims=(
        Claim("samples_per_min", GUIDE, "Speed: +30% faster", ratio=(1.3, inf)),
        Claim("activation_memory", GUIDE, "Memory: -20% on attention layers", ratio=(0.0, 0.8)),
        Claim("difference", GUIDE, "Accuracy: No change", value=(0.0, LIMIT)),
        Claim("flash", GUIDE, "Ampere GPUs or newer (T4 works!)", value=(1, 1), rows=("t4", "t4x2")),
    ),
    requires=Requires(extras=("models",), model="detection"),
)  # fmt: skip
SLOW = pytest.mark.slow


@pytest.mark.parametrize("tokens", [512, pytest.param(1024, marks=SLOW), pytest.param(2048, marks=SLOW)])
def test_fused_attention(ab, tokens):
    def arm(maps):
        how = fused_attention.loading(ab.hardware, maps=maps)
        return fused_attention.scoring_arm(lambda: checkpoint_path(ab.model), how, tokens, samples=2)

    modelled = partial(fused_attention.on_card, tokens=tokens)
    ab.arms(baseline=arm(maps=True), optimized=arm(maps=False))
    ab.modelled(partial(modelled, maps=True), partial(modelled, maps=False), version())
    ab.run()

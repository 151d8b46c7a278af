"""Short samples in batches by length, 16, 8, 4, 2 or 1 as the guide's table has it, instead of one by one.

"maps": the guide's own way, `output_attentions=True`; "fused" keeps no maps. "budget" is ours, as many
samples as fit into a token budget. On cards lengths go up to the table's first limit. Long samples are in
test_dynamic_batching_long.py.
"""

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel.trials import version
from harness.detection.costs.structures import OURS, VECTORIZED, setting
from harness.detection.trials import dynamic_batching as trial
from harness.detection.trials.checkpoint import on_card, on_host, ready_from
from harness.detection.trials.modelled import batches_of, rate
from harness.detection.trials.passes import lengths
from harness.engines.opening import checkpoint_path

GUIDE = "detection-optimization-guide.md, Technique 6"
OPTIMIZATION = Optimization(
    name="dynamic_batching",
    title="Short samples in batches by length",
    metrics=(
        Metric("samples_per_s", "samples/s", "higher", "paired", work=len, clock="wall", floor=0.15),
        Metric("furthest", "score", gate="bounded", compare=trial.furthest_means, limit=1e-3),
    ),
    claims=(
        Claim("samples_per_s", GUIDE, "2-4x on short sequences, 1x on long", ratio=(2, 4)),
    ),
    requires=Requires(extras=("models",), model="detection"),
)  # fmt: skip
HOST, CARD = trial.between(1, 16, 48, 256, 1024), trial.between(1, 16, 310, 999, 1024)


@pytest.mark.parametrize("plan", ["table, fused", "budget, fused", "table, maps"])
def test_dynamic_batching(ab, plan):
    ab.uses("fixtures/models/answers")
    name, _, keeps = plan.partition(", ")
    on_cpu, maps = ab.hardware.kind == "host", keeps == "maps"
    loading, batched = (on_host if on_cpu else on_card)(maps=maps), trial.mapped if maps else trial.fused
    samples = HOST if on_cpu else CARD
    batches = trial.by_table if name == "table" else trial.by_budget(on_cpu)

    def arm(planned):
        return Arm(
            lambda it: it.run(batched(planned), samples),
            prepare=lambda: ready_from(checkpoint_path(ab.model), loading),
        )

    def modelled(planned):
        of = batches_of(planned(lengths(CARD)), CARD)
        return lambda row: rate(setting(row, "nf4", VECTORIZED if maps else OURS), of)

    ab.arms(baseline=arm(trial.one_by_one), optimized=arm(batches))
    ab.modelled(modelled(trial.one_by_one), modelled(batches), version())
    ab.run()

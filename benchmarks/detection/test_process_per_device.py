"""Two processes with a model each, one for each device, against one device, or one process over both.

On a CPU a core stands for a card: processes of one torch thread, and one process of two threads for "both
devices". It says whether the work divides and what processes cost, not how cards share a host. On two cards
"both devices" is the guide's own start, `device_map="balanced"`: half of the layers on each card, one of them
idle.
"""

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel.trials import version
from harness.detection.costs.structures import OURS, setting
from harness.detection.trials.dynamic_batching import between, furthest_means
from harness.detection.trials.modelled import MEDIAN, rate
from harness.detection.trials.processes import Pool, both_devices, one_device, two_processes
from harness.engines.opening import checkpoint_path

OPTIMIZATION = Optimization(
    name="process_per_device",
    title="A process with its own model for each device",
    metrics=(
        Metric("samples_per_s", "samples/s", "higher", "paired", work=len, clock="wall", floor=0.15),
        Metric("furthest", "score", gate="bounded", compare=furthest_means, limit=1e-3),
    ),
    claims=(
        Claim(
            "samples_per_s", "detection-optimization-guide.md, Technique 9",
            "Near-linear with GPU count (2x with 2 GPUs)", ratio=(1.8, 2.1),
        ),
    ),
    requires=Requires(rows=("cpu", "t4x2"), extras=("models",), model="detection"),
)  # fmt: skip
BEFORE = {"one device": one_device, "both devices": both_devices}


@pytest.mark.parametrize("before", BEFORE)
def test_process_per_device(ab, before):
    ab.uses("fixtures/models/answers")
    on_cpu, samples = ab.hardware.kind == "host", between(1, 24, 128, 256, 1024)

    def arm(workers):
        return Arm(
            lambda pool: pool.score(samples),
            prepare=lambda: Pool(workers(checkpoint_path(ab.model), on_cpu)),
        )

    stages = 1 if before == "one device" else 2
    ab.arms(baseline=arm(BEFORE[before]), optimized=arm(two_processes))
    ab.modelled(
        lambda row: rate(setting(row, "nf4", OURS, stages), MEDIAN),
        lambda row: rate(setting(row, "nf4", OURS), MEDIAN, cards=2),
        version(),
    )
    ab.run()

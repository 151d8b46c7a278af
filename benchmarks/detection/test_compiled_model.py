"""The scoring pass through torch.compile, against the same pass without it, and against ours as it is.

The guide's call compiles for the shapes "as they come": for the first one, again where a later batch differs.
Its mode "reduce-overhead" means CUDA graphs; a CPU has none and runs Inductor's fused C++ kernels.
`compile_time` is that of a first pass without caches of earlier runs.
"""

from functools import partial
from operator import methodcaller

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel.steptime import EAGER_ENGINE, SERVING_ENGINE
from harness.costmodel.trials import version
from harness.detection.trials import compiled_model as trial
from harness.detection.trials.checkpoint import on_card, on_host
from harness.detection.trials.dynamic_batching import between
from harness.detection.trials.modelled import engine_rate
from harness.engines.opening import checkpoint_path

GUIDE = "detection-optimization-guide.md, Technique 7"
OPTIMIZATION = Optimization(
    name="compiled_model",
    title="The scoring pass through torch.compile",
    metrics=(
        trial.RATE,
        Metric("furthest", "score", gate="bounded", compare=trial.furthest, limit=1e-3),
        Metric("compile_time", "s", value=lambda it: it.compile_s),
        Metric("graphs", "graphs", value=lambda it: it.graphs),
    ),
    claims=(
        Claim("samples_per_s", GUIDE, "10-30% after compilation", ratio=(1.1, 1.3)),
        Claim("compile_time", GUIDE, "First run takes 5-10 minutes", value=(300, 600)),
    ),
    requires=Requires(extras=("models",), model="detection"),
)  # fmt: skip
BEFORE = {"the same pass": trial.uncompiled, "ours": trial.ours}
SAMPLES = between(1, 16, 48, 256, 1024)
run = methodcaller("run", SAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("shapes", ["as they come", "dynamic"])
@pytest.mark.parametrize("before", BEFORE)
def test_compiled_model(ab, before, shapes):
    ab.uses("fixtures/models/answers")
    on_cpu = ab.hardware.kind == "host"
    if on_cpu and (lacking := trial.missing_compiler()):
        pytest.skip(lacking)
    loading = on_host() if on_cpu else on_card(nf4=False)
    path = partial(checkpoint_path, ab.model)
    ab.arms(
        baseline=Arm(run, prepare=lambda: BEFORE[before](path(), loading)),
        optimized=Arm(run, prepare=lambda: trial.compiled(path(), loading, SAMPLES, shapes)),
    )
    rates = (partial(engine_rate, weights="fp16", engine=it) for it in (EAGER_ENGINE, SERVING_ENGINE))
    ab.modelled(*rates, version())
    ab.run()

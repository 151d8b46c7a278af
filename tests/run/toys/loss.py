"""A coarser answer, on the host only; role and loss come from the environment."""

import os

from harness import Metric, Optimization, Requires

OPTIMIZATION = Optimization(
    name="loss",
    title="Coarser answers",
    metrics=(Metric("error", "ratio", gate="bounded", compare=lambda before, after: after, limit=0.05),),
    requires=Requires(kind="host"),
    role=os.environ.get("TOY_ROLE", "candidate"),
)


def test_loss(ab):
    ab.arms(lambda: 0.0, lambda: float(os.environ.get("TOY_LOSS", "0.01")))
    ab.run()

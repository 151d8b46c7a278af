"""Needs a checkpoint that nobody supplied."""

from harness import Metric, Optimization, Requires

OPTIMIZATION = Optimization(
    name="weights",
    title="With weights",
    metrics=(Metric("duration", "s", gate="paired"),),
    requires=Requires(model="detection"),
)


def test_weights(ab):
    ab.arms(int, int)
    ab.run()

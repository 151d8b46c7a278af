"""Half the loop: every gate has something to judge, and the environment changes the work, not the source."""

import os
from itertools import count
from pathlib import Path

from harness import Claim, Metric, Optimization

OPTIMIZATION = Optimization(
    name="loop",
    title="Half the loop",
    metrics=(
        Metric("steps", "steps", gate="exact", value=lambda steps: steps),
        Metric("duration", "s", gate="paired", floor=0.2),
    ),
    claims=(Claim("duration", "toy.md", "a third <or less>", ratio=(0.2, 0.35)),),
)
_PLANT = Path("plant")
_SLOWED = 4 if _PLANT.exists() else 1
_PLANT.unlink(missing_ok=True)
_CALLS = count()


def loop(turns, steps):
    for _ in range(turns):
        pass
    return steps


def test_loop(ab):
    assert "TOY_FAIL" not in os.environ
    turns = int(ab.uses("inputs/turns.txt").read_text())
    after, steps = int(os.environ.get("TOY_TURNS", turns // 2)), int(os.environ.get("TOY_STEPS", "50"))
    wobble = "TOY_WOBBLE" in os.environ
    ab.arms(lambda: loop(turns, 100), lambda: loop(after * _SLOWED, steps + wobble * next(_CALLS)))
    ab.modelled(
        lambda row: {"duration": 1 / row.memory_bandwidth_gb_s, "steps": 100},
        lambda row: {"duration": 0.5 / row.memory_bandwidth_gb_s, "steps": steps},
        version=os.environ.get("TOY_VERSION", "toy 1"),
    )
    ab.run()

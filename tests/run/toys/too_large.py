"""Its model fits on no card: an answer about the hardware. `TOY_FAIL` makes it a mistake instead."""

import os

from harness import Metric, Optimization, Requires
from harness.errors import EXIT_BAD_INPUT, EXIT_INFEASIBLE, HarnessError

OPTIMIZATION = Optimization(
    name="too_large",
    title="Too large",
    metrics=(Metric("duration", "s", gate="paired"),),
    requires=Requires(kind="cuda"),
)


def test_too_large(ab):
    def modelled(row):
        code = EXIT_BAD_INPUT if "TOY_FAIL" in os.environ else EXIT_INFEASIBLE
        raise HarnessError("needs 90 GiB", where=row.name, exit_code=code)

    ab.arms(int, int)
    ab.modelled(modelled, modelled, version="toy 1")
    ab.run()

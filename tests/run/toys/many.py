"""Five cells that note every execution of an arm in a log that nothing ever truncates."""

import os
from pathlib import Path

import pytest

from harness import Metric, Optimization

DURATION = Metric("duration", "s", gate="paired", floor=0.2)
OPTIMIZATION = Optimization("many", "Many cells", metrics=(DURATION,))


@pytest.mark.parametrize("number", range(5))
def test_many(ab, number):
    def work():
        with Path("executions.log").open("a") as log:
            log.write(f"{os.getpid()} {ab.hardware.name}-{number}\n")

    ab.arms(work, work)
    ab.run()

"""Confidence by a table fitted on other companies, instead of the raw score.

The shipped table is fitted to a reader with assumed errors; a table fitted to another reader's answers on the
tuning family is the second arm there. A table of the wrong reader is no better than none: that cell is here
too.
"""

from functools import partial

import pytest

from harness import Metric, Optimization, Requires
from harness.extraction.pipeline.calibration import read_calibration
from harness.extraction.trials.companies import Setting
from harness.extraction.trials.confidences import expected_error, fitted, judged

OPTIMIZATION = Optimization(
    name="calibration",
    title="Confidence as a probability",
    metrics=(
        Metric("values", "values", gate="exact", value=len),
        Metric("expected_error", "share", "lower", "exact", value=expected_error),
    ),
    requires=Requires(kind="host"),
    role="shipped",
)
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("reader", "table"),
    [
        ("assumed", "shipped"),
        pytest.param("noisy", "shipped", marks=SLOW),
        pytest.param("noisy", "own", marks=SLOW),
    ],
)
def test_calibration(ab, reader, table):
    setting = Setting(reader)

    def with_table():
        own = table == "own"
        return judged(setting, fitted(Setting(reader, "tuning", seed=11)) if own else read_calibration())

    ab.arms(baseline=partial(judged, setting), optimized=with_table)
    ab.run()

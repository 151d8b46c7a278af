"""The stage that the guide calls regression: rank features, scale, choose a threshold, score all responses.

Baseline: one feature after the other, by the library's area. The guide's "46 samples/min" belongs to no
regression: a detector with its 64 features for its 1,159 chunks is fitted in less than a second.
"""

from math import inf

import numpy as np

from harness import Claim, Metric, Optimization, Requires
from harness.detection.detector.combine import PAPER_CHUNK, fit, predict
from harness.detection.detector.ranking import Ranking
from harness.detection.trials.planted import planted_items


def ranked_one_by_one(items):
    from sklearn.metrics import roc_auc_score

    def order(columns, sign):
        areas = [roc_auc_score(items.unit_labels, sign * column) for column in columns.T]
        return np.argsort([-area for area in areas], kind="stable")

    return Ranking(order(items.external, -1), order(items.parametric, 1))


OPTIMIZATION = Optimization(
    name="regression_stage",
    title="All features ranked at once",
    metrics=(
        Metric(
            "samples_per_min",
            "1/min",
            "higher",
            "paired",
            work=lambda it: 60.0 * len(it),
            clock="wall",
            floor=0.2,
        ),
        Metric("furthest", "score", gate="bounded", compare=lambda a, b: abs(a - b).max(), limit=1e-9),
    ),
    claims=(
        Claim(
            "samples_per_min",
            "detection-optimization-guide.md, Current Baseline",
            "Regression Speed: target 100+ samples/min",
            value=(100, inf),
        ),
    ),
    requires=Requires(kind="host", extras=("detection",)),
)


def test_regression_stage(ab):
    items = planted_items(responses=450, chunks=3, heads=32, layers=32, seed=1)
    ab.arms(
        baseline=lambda: predict(fit(items, PAPER_CHUNK, ranked_one_by_one(items)), items),
        optimized=lambda: predict(fit(items, PAPER_CHUNK), items),
    )
    ab.run()

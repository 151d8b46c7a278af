"""Scores looked up by a text's tokens instead of computed again.

The guide caches whole attention maps by (text, layer, head), which makes a forward pass for each head of a
new text; what is used of a text is a few hundred bytes of scores. RAGTruth's test set repeats no text, so
only the second run over the same data meets its own: both cells are here.
"""

from functools import partial

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.detection.capture.loading import load
from harness.detection.data.shipped import MODEL
from harness.detection.trials.caching import all_features, cached, furthest_scores, with_repeats
from harness.detection.trials.detectors import sample_tokens

OPTIMIZATION = Optimization(
    name="feature_cache",
    title="Scores kept by text instead of computed again",
    metrics=(
        Metric("scoring_time", "s", gate="paired", clock="wall", floor=0.15),
        Metric("furthest", "score", gate="bounded", compare=furthest_scores, limit=1e-6),
    ),
    claims=(
        Claim(
            "scoring_time", "detection-optimization-guide.md, Technique 8", "100x speedup for duplicates",
            ratio=(0.0, 0.01),
        ),
    ),
    requires=Requires(kind="host", extras=("models",)),
)  # fmt: skip


@pytest.mark.parametrize("repeated", [1.0, 0.0], ids=["all seen before", "none seen before"])
def test_feature_cache(ab, repeated):
    ab.uses("fixtures/models/answers")
    samples = with_repeats(sample_tokens()[:16], 0.0)
    load_features = partial(lambda: all_features(load(MODEL)))

    def kept_arm():
        features, kept = load_features(), {}
        if repeated:
            for sample in samples:
                cached(features, kept)(sample)
        return features, kept

    def run_cached(prepared):
        features, kept = prepared
        return [cached(features, kept if repeated else {})(sample) for sample in samples]

    ab.arms(
        baseline=Arm(lambda features: [features(sample) for sample in samples], prepare=load_features),
        optimized=Arm(run_cached, prepare=kept_arm),
    )
    ab.run()

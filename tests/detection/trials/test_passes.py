"""The three passes give the same scores; plans waste what they say."""

import pytest

from harness.detection.capture.batches import in_random_order, packed_under
from harness.detection.trials.caching import all_features, cached, furthest_scores, with_repeats
from harness.detection.trials.kernels import by_loop, by_product, compiled, furthest, operands
from harness.detection.trials.passes import (
    OURS,
    STRAIGHTFORWARD,
    VECTORIZED,
    lengths,
    ready,
    wasted,
    workload,
)


def test_three_passes_give_the_same_scores():
    pytest.importorskip("transformers")
    samples = workload(1, 2, 160)
    eager, fused = ready(maps=True), ready(maps=False)
    ours = fused.run(OURS, samples)
    for scored_by in (STRAIGHTFORWARD, VECTORIZED):
        assert furthest_scores(eager.run(scored_by, samples), ours) < 1e-3
    kept = {}
    features = cached(all_features(fused.model), kept)
    first = [features(sample) for sample in samples]
    assert len(kept) == 2
    assert furthest_scores(first, [features(sample) for sample in samples]) == 0.0
    assert furthest_scores(first, ours) < 1e-4


def test_plans_waste_what_they_say():
    of = lengths(workload(10, 6, 4096))
    assert wasted(packed_under(of, 8192), of)["padding"] == 0.0
    assert wasted(in_random_order(of, 8, 1), of)["padding"] > 0.0
    assert len(of) == 60


def test_repeats_are_of_the_first_samples():
    assert with_repeats([1, 2, 3, 4], 0.5) == [1, 2, 1, 2]


def test_kernels_agree():
    pytest.importorskip("numba")
    attention, weights = operands(20, 30)
    first = by_loop(attention, weights)
    assert furthest(first, by_product(attention, weights)) < 1e-5
    assert furthest(first, compiled()(attention, weights)) < 1e-5

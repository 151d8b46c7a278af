"""Modelled rates: batches of a plan, cards side by side, and what does not fit."""

from pathlib import Path

import pytest

from harness.costmodel.steptime import EAGER_ENGINE, LAYER_ENGINE, SERVING_ENGINE
from harness.detection.costs.structures import OURS, VECTORIZED, setting
from harness.detection.trials.dynamic_batching import between, by_table, one_by_one
from harness.detection.trials.modelled import MEDIAN, batches_of, engine_rate, rate
from harness.errors import HarnessError
from harness.hardware.matrix import load_matrix

ROWS = load_matrix(Path(__file__).parents[3] / "hardware_matrix.toml").rows


def test_two_cards_are_twice_one_and_a_spread_model_is_none_faster():
    row = ROWS["t4x2"]
    one = rate(setting(row, "nf4", OURS), MEDIAN)["samples_per_s"]
    assert rate(setting(row, "nf4", OURS), MEDIAN, cards=2)["samples_per_s"] == pytest.approx(2 * one)
    spread = rate(setting(row, "nf4", OURS, stages=2), MEDIAN)["samples_per_s"]
    assert spread == pytest.approx(one, rel=0.02)


def test_a_plan_keeps_its_samples_lengths():
    samples = between(1, 5, 100, 200, 1024)
    (batch,) = batches_of(by_table([len(sample.tokens) for sample in samples]), samples)
    assert batch.samples == tuple((sample.prefix, sample.response) for sample in samples)
    assert len(batches_of(one_by_one([1] * 5), samples)) == 5


def test_the_guides_batch_with_maps_does_not_fit():
    samples = between(1, 16, 310, 999, 1024)
    batches = batches_of(by_table([len(sample.tokens) for sample in samples]), samples)
    with pytest.raises(HarnessError, match="16 samples of up to 999 tokens need") as refused:
        rate(setting(ROWS["t4"], "nf4", VECTORIZED), batches)
    assert refused.value.exit_code == 3
    assert rate(setting(ROWS["t4"], "nf4", OURS), batches)["samples_per_s"] > 0


@pytest.mark.parametrize("row", ["t4", "a100_40gb", "h100"])
def test_fewer_launches_and_passes_are_never_slower(row):
    eager, graphs, fused = (
        engine_rate(ROWS[row], "fp16", engine)["samples_per_s"]
        for engine in (EAGER_ENGINE, SERVING_ENGINE, LAYER_ENGINE)
    )
    assert eager < graphs < fused

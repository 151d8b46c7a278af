"""Offloaded layers: what they free and move, and what that costs by the link alone."""

from pathlib import Path

import pytest

from harness.costmodel.formats import weight_format
from harness.costmodel.known_models import find_model
from harness.costmodel.parameters import layer_parameters
from harness.detection.costs.structures import equal_samples
from harness.detection.trials.cpu_offload import (
    HOST_LINK_BYTES_PER_S,
    PAGEABLE,
    layer_bytes,
    moved_bytes,
    on_card,
)
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).parents[3] / "hardware_matrix.toml").rows
CARDS = [name for name, row in ROWS.items() if row.kind == "cuda"]
LLAMA = find_model("llama-2-7b")
MEDIAN = equal_samples(867)


def test_every_card_has_a_host_link():
    assert {ROWS[name].architecture for name in CARDS} == set(HOST_LINK_BYTES_PER_S)


def test_layers_are_counted_with_their_norms():
    plain = layer_bytes(LLAMA, weight_format("fp16", LLAMA), 4)
    assert plain == moved_bytes(LLAMA, 4) == 4 * 2 * layer_parameters(LLAMA)
    assert 3.5 < plain / layer_bytes(LLAMA, weight_format("nf4", LLAMA), 4) < 3.6


@pytest.mark.parametrize("row", CARDS)
def test_no_layers_offloaded_cost_nothing_and_free_nothing(row):
    assert on_card(ROWS[row], "nf4_double", MEDIAN, 0)["freed"] == 0.0


@pytest.mark.parametrize("row", CARDS)
def test_each_pass_pays_for_its_copy(row):
    before, after = (on_card(ROWS[row], "nf4_double", MEDIAN, layers) for layers in (0, 4))
    copy_s = moved_bytes(LLAMA, 4) / HOST_LINK_BYTES_PER_S[ROWS[row].architecture]
    assert before["samples_per_min_least"] == before["samples_per_min_most"]
    for end, cost_s in (("most", copy_s), ("least", copy_s / PAGEABLE)):
        name = f"samples_per_min_{end}"
        lost_s = 60.0 / after[name] - 60.0 / before[name]
        # 16-bit layers need no unpacking, which takes a little off
        assert 0.9 * cost_s < lost_s <= cost_s
    assert after["freed"] == pytest.approx(0.42e9, rel=0.02)


def test_a_copy_is_shared_by_a_batch():
    def lost(samples):
        before, after = (
            on_card(ROWS["l4"], "nf4_double", equal_samples(867, samples), layers)["samples_per_min_most"]
            for layers in (0, 4)
        )
        return 1.0 - after / before

    assert lost(8) < lost(1) / 4


def test_weights_that_do_not_fit_are_an_answer():
    with pytest.raises(HarnessError) as caught:
        on_card(ROWS["t4"], "fp32", MEDIAN, 4)
    assert caught.value.exit_code == EXIT_INFEASIBLE

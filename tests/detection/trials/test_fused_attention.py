"""Both arms score the same; memory grows with T squared in one, with T in the other; the T4 has no flash."""

from pathlib import Path

import pytest

from harness.detection.trials.card_scoring import mean_differences
from harness.detection.trials.fused_attention import (
    furthest,
    loading,
    on_card,
    one_by_one,
    runs_flash,
    scoring_arm,
)
from harness.detection.trials.passes import workload
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware import load_matrix
from harness.models.embedded import model_folder

ROWS = load_matrix(Path(__file__).parents[3] / "hardware_matrix.toml").rows


def test_both_arms_give_the_same_scores():
    pytest.importorskip("transformers", reason="needs extra models")
    found = []
    for maps in (True, False):
        arm = scoring_arm(lambda: model_folder("answers"), loading(ROWS["cpu"], maps=maps), 96, samples=2)
        found.append(arm.run(arm.prepare()))
    assert len(found[0].scores) == 2
    assert found[0].scores[0].external.shape[1] == 20
    assert furthest(*found) < 1e-3
    assert max(mean_differences(*found)) < 1e-5
    assert not found[1].is_flash
    assert found[0].memory >= 0


def test_each_sample_is_a_batch_without_pieces():
    samples = workload(1, 3, 160)
    layouts = one_by_one(samples, 10**6)
    assert [layout.places[0].number for layout in layouts] == [0, 1, 2]
    assert all(not layout.pieces and layout.tokens.shape[0] == 1 for layout in layouts)


def test_on_a_card_it_is_nf4_and_the_best_attention():
    assert loading(ROWS["t4"], maps=True).attention == "eager"
    assert loading(ROWS["t4"], maps=False).attention is None
    assert loading(ROWS["t4"], maps=False).nf4


def test_flash_needs_ampere():
    assert not any(runs_flash(ROWS[name]) for name in ("cpu", "t4", "t4x2", "v100"))
    assert all(runs_flash(ROWS[name]) for name in ("l4", "a100_40gb", "rtx4090", "h100"))


@pytest.mark.parametrize("row", ["t4", "l4", "a100_40gb"])
def test_memory_without_maps_is_linear(row):
    def at(tokens, maps):
        return on_card(ROWS[row], maps=maps, tokens=tokens)["activation_memory"]

    assert at(2048, maps=False) / at(1024, maps=False) < 2.1
    assert at(2048, maps=True) / at(1024, maps=True) > 3.0
    before, after = (on_card(ROWS[row], maps=maps, tokens=1024) for maps in (True, False))
    assert after["samples_per_min"] > before["samples_per_min"]
    assert (before["flash"], after["flash"]) == (0.0, float(row != "t4"))


def test_maps_that_do_not_fit_are_an_answer():
    with pytest.raises(HarnessError, match="with all attention maps") as caught:
        on_card(ROWS["t4"], maps=True, tokens=4096)
    assert caught.value.exit_code == EXIT_INFEASIBLE
    assert on_card(ROWS["t4"], maps=False, tokens=4096)["samples_per_min"] > 0

"""The counted operations are those that the library's own counter finds."""

import pytest
from detection.capture.random_models import every_head, model_of

from harness.detection.capture.fast import score
from harness.detection.capture.floor import Rates, Work, floor_s, linear_weights, measured_rates, work_of
from harness.detection.capture.layouts import packed_batches, same_prompt
from harness.detection.capture.workload import of_lengths, ragtruth_like
from harness.detection.scores.options import Scoring

torch = pytest.importorskip("torch", reason="needs extra models")
pytest.importorskip("transformers", reason="needs extra models")

LAYERS = [0, 1, 2]


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "qwen3"])
def test_products_are_counted_as_the_library_counts_them(architecture):
    from torch.utils.flop_counter import FlopCounterMode

    from harness.detection.capture.anatomy import anatomy_of

    model, samples = model_of(architecture, 0), of_lengths(0, 30, 7, 3, 61)
    anatomy, lengths = anatomy_of(model), 3 * 36
    with FlopCounterMode(display=False) as counter:
        score(model, samples, every_head(model), LAYERS, batches=packed_batches)
    counted = counter.get_flop_counts()["Global"]
    products = sum(flop for name, flop in counted.items() if str(name) in ("aten.mm", "aten.addmm"))
    work = work_of(model, samples, every_head(model), LAYERS)
    selected = 2 * 3 * 7 * 30 * 8 * len(every_head(model))
    assert work.linear_flop == 2 * linear_weights(anatomy) * lengths
    assert work.linear_flop + work.lens_flop + selected == products


def test_pairs_and_taken_states_by_hand():
    model, samples = model_of("llama", 0), of_lengths(1, 20, 5, 1, 61)
    work = work_of(model, samples, [(0, 0), (2, 1)], [1], Scoring(k_share=0.1))
    assert work.attention_flop == 4 * 4 * 8 * 3 * (24 * 25 // 2)
    assert work.external_flop == 5 * 2 * (2 * 20 * 8 + 2 * 32)
    assert (work.lens_flop, work.exponentials, work.logarithms) == (4 * 5 * 32 * 61, 2 * 5 * 61, 5 * 61)


def test_a_shared_prompt_needs_less():
    model, samples = model_of("llama", 0), ragtruth_like(3, 2, 61, longest=300)
    assert [len(group) for group in same_prompt(samples)] == [6, 6]
    shared = work_of(model, samples, [(0, 0)], LAYERS)
    alone = work_of(model, samples, [(0, 0)], LAYERS, shared=False)
    assert shared.linear_flop < alone.linear_flop
    assert shared.lens_flop == alone.lens_flop


def test_a_floor_is_the_sum_of_its_parts():
    rates = Rates(10.0, 2.0, 3.0, 1)
    assert floor_s(Work(10, 20, 30, 40, 5, 7), rates) == 10 + 10 + 21


def test_rates_are_measured():
    rates = measured_rates(model_of("llama", 0), repeats=1)
    assert min(rates.flop_per_s, rates.exponential_s, rates.logarithm_s, rates.threads) > 0


def test_a_workload_keeps_to_its_lengths_and_its_seed():
    samples = ragtruth_like(5, 3, 61, longest=400)
    assert samples == ragtruth_like(5, 3, 61, longest=400)
    assert len({one.id for one in samples}) == 18
    assert max(len(one.tokens) for one in samples) <= 400
    with pytest.raises(ValueError, match="at least 96"):
        ragtruth_like(5, 3, 61, longest=50)

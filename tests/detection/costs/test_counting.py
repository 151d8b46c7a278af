"""The stand-in is counted as the model it stands for, and the cost model's operators count the same."""

import pytest
from detection.capture.random_models import model_of
from detection.costs.models import at
from hypothesis import given
from hypothesis import strategies as st

from harness.costmodel.load import prefill_load
from harness.costmodel.precision import precision_of
from harness.costmodel.shapes import shape_from_config
from harness.detection.capture.floor import work_of
from harness.detection.capture.workload import of_lengths
from harness.detection.costs.counting import stand_in, work
from harness.detection.costs.seconds import lens_products, step_time
from harness.detection.costs.structures import OURS, PUBLISHED, VECTORIZED, Batch, equal_samples

LENGTHS = st.tuples(st.integers(1, 3000), st.integers(1, 900))


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2", "qwen3"])
def test_a_stand_in_is_counted_as_the_model(architecture):
    pytest.importorskip("transformers", reason="needs extra models")
    model = model_of(architecture, 0)
    shape = shape_from_config(model.config.to_dict() | {"architectures": [type(model).__name__]}, "tiny")
    samples, heads = of_lengths(0, 30, 7, 3, 61), [(0, 0), (2, 1)]
    assert work_of(stand_in(shape), samples, heads, range(3)) == work_of(model, samples, heads, range(3))


@given(LENGTHS, st.integers(1, 5))
def test_the_cost_models_operators_count_what_the_floor_counts(lengths, count):
    setting, batch = at(OURS), Batch((lengths,) * count)
    found = work(setting, batch)
    step = step_time(setting, precision_of(setting.weights))
    # the floor leaves out the last token, which predicts nothing
    operators = step.operators(prefill_load(batch.longest - 1, count))
    linear = sum(one.flops * one.repeats for one in operators if one.weights)
    attention = sum(one.flops * one.repeats for one in operators if one.kind == "attention")
    assert linear == found.linear_flop
    assert attention == found.attention_flop


@given(st.lists(LENGTHS, min_size=1, max_size=4))
def test_the_lens_is_counted_where_it_looks(samples):
    batch = Batch(tuple(samples))
    for structure in (OURS, VECTORIZED, PUBLISHED):
        setting = at(structure)
        products = lens_products(setting, batch, precision_of(setting.weights))
        found = sum(one.flops * one.repeats for one in products)
        counted = work(setting, batch).lens_flop
        rows = batch.tokens if structure.looks_everywhere else batch.responses
        assert found * batch.responses == counted * rows


def test_figures_of_the_median_sample():
    found = work(at(OURS), equal_samples(867))
    assert found.flop == pytest.approx(14.5e12, rel=0.01)
    assert found.lens_flop == 4 * 32 * 184 * 4096 * 32000

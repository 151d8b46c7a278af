"""Weights in few bits: rounding keeps its promises, bytes are what lies there, losses are differences."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.formats import weight_format
from harness.costmodel.known_models import find_model
from harness.costmodel.memory import weight_bytes
from harness.costmodel.shapes import shape_from_file
from harness.detection.capture.anatomy import anatomy_of
from harness.detection.trials.gptq import held_bytes
from harness.detection.trials.low_bit import WEIGHTS, grouped, rounded, score_shift, simulated
from harness.models.embedded import model_folder

torch = pytest.importorskip("torch", reason="needs extra models")
LLAMA = find_model("llama-2-7b")


@settings(deadline=None, max_examples=40)
@given(
    bits=st.sampled_from([2, 3, 4, 8]),
    seed=st.integers(0, 1000),
    shift=st.floats(-2.0, 2.0),
    scale=st.sampled_from([0.05, 1.0, 50.0]),
)
def test_each_weight_is_the_nearest_of_few_values(bits, seed, shift, scale):
    generator = torch.Generator().manual_seed(seed)
    weights = scale * (torch.randn(5, 64, generator=generator) + shift)
    found = rounded(weights, bits, group=32)
    groups, near = weights.view(-1, 32), found.view(-1, 32)
    low, high = groups.amin(1).clamp_max(0), groups.amax(1).clamp_min(0)
    step = (high - low) / (2**bits - 1)
    # half a step, and at the ends what rounding the zero point and the scale to 16 bits adds
    assert ((near - groups).abs() <= 1.02 * step[:, None] + 1e-3 * (high - low)[:, None]).all()
    assert all(len(row.unique()) <= 2**bits for row in near)
    assert rounded(found, bits, group=32).sub(found).abs().max() <= 0.01 * scale * (3 + abs(shift))


def test_a_group_of_zeros_stays_zero():
    assert rounded(torch.zeros(2, 64), 3, group=32).abs().max() == 0.0


def test_more_bits_are_nearer():
    weights = torch.randn(16, 256, generator=torch.Generator().manual_seed(1))
    errors = [float((rounded(weights, bits) - weights).square().mean()) for bits in (2, 3, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_inputs_that_are_no_whole_groups_are_refused():
    with pytest.raises(ValueError, match="no whole groups"):
        rounded(torch.zeros(2, 100), 4)


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_grouped_bytes_are_those_of_the_format(bits):
    assert weight_bytes(LLAMA, grouped(bits, LLAMA)) == weight_bytes(
        LLAMA, weight_format(f"gptq_{bits}bit", LLAMA)
    )


def test_simulation_touches_the_layers_alone():
    plain, coarse = WEIGHTS["float32"].load(), simulated(2)
    assert torch.equal(plain.lm_head.weight, coarse.lm_head.weight)
    for layer, other in zip(anatomy_of(plain).layers, anatomy_of(coarse).layers, strict=True):
        assert torch.equal(layer.input_layernorm.weight, other.input_layernorm.weight)
        assert torch.equal(layer.self_attn.q_proj.bias, other.self_attn.q_proj.bias)
        assert torch.equal(rounded(layer.mlp.up_proj.weight, 2), other.mlp.up_proj.weight)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "nf4"])
def test_counted_bytes_are_those_that_lie_there(name):
    shape = shape_from_file(model_folder("answers"))
    counted = weight_bytes(shape, WEIGHTS[name].form(shape))[0]
    model = WEIGHTS[name].load()
    # NF4 is multiplied in float32 here, so that what is not packed has 32 bits instead of 16
    unpacked = (
        sum(it.nbytes for it in model.parameters() if it.dtype == torch.float32) if name == "nf4" else 0
    )
    assert held_bytes(model) - unpacked / 2 == pytest.approx(counted, rel=1e-3)


def test_a_shift_is_in_standard_deviations():
    r = np.random.default_rng(1)
    first = SimpleNamespace(external=r.normal(size=(50, 3)), parametric=r.normal(size=(50, 2)))
    moved = SimpleNamespace(
        external=first.external + 2.0 * first.external.std(axis=0),
        parametric=first.parametric - 2.0 * first.parametric.std(axis=0),
    )
    found = score_shift(SimpleNamespace(items=first), SimpleNamespace(items=moved))
    assert found == pytest.approx([2.0] * 50)

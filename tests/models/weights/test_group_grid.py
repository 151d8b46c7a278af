import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.models.weights.group_grid import (
    group_grid,
    pack_bits,
    per_column,
    to_codes,
    to_values,
    unpack_bits,
)


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_packing_round_trip_is_exact_and_has_no_gaps(bits: int, count: int, seed: int) -> None:
    import torch

    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 2**bits, (count,), generator=generator).to(torch.uint8)
    packed = pack_bits(codes, bits)
    assert packed.numel() == -(-count * bits // 8)
    assert torch.equal(unpack_bits(packed, bits, count), codes)


@settings(deadline=None, max_examples=60)
@given(
    bits=st.sampled_from([2, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.0, 1e-9, 1e-3, 0.05, 30.0]),
    shift=st.sampled_from([0.0, -0.1, 5.0]),
)
def test_an_error_is_at_most_half_a_step(bits: int, seed: int, spread: float, shift: float) -> None:
    import torch

    weight = torch.randn(3, 128, generator=torch.Generator().manual_seed(seed)) * spread + shift
    weight[1] = 0
    grid = group_grid(weight, bits, 64)
    values = to_values(to_codes(weight, grid), grid)
    step, _ = per_column(grid)
    assert (values - weight).abs().le(step * 0.5 * (1 + 1e-4)).all()
    assert (values[1] == 0).all()


def test_groups_must_divide_the_row() -> None:
    import torch

    with pytest.raises(HarnessError, match="rows of 100 weights cannot be cut into groups of 64"):
        group_grid(torch.ones(2, 100), 4, 64)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.models.weights.formats import FORMATS, pack, unpack

# bits per weight of a 16 x 256 matrix: the codes, and what belongs to each row (32 bits) or group of 64
BITS = {
    "fp8": 8 + 32 / 256,
    "int8": 8 + 32 / 256,
    "nf4": 4 + 32 / 64,
    "rtn4": 4 + (16 + 4) / 64,
    "rtn3": 3 + (16 + 3) / 64,
    "rtn2": 2 + (16 + 2) / 64,
}


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_are_all_that_is_needed(name: str) -> None:
    import torch

    weight = torch.randn(16, 256, generator=torch.Generator().manual_seed(1))
    packed = pack(weight, name)
    assert packed.size_bytes * 8 == BITS[name] * weight.numel()
    assert unpack(packed).shape == weight.shape
    assert unpack(packed).dtype == torch.float32
    assert weight.equal(torch.randn(16, 256, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_of_zeros_stays_zero(name: str) -> None:
    import torch

    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(2))
    weight[2] = 0
    values = unpack(pack(weight, name))
    assert (values[2] == 0).all()
    assert values.isfinite().all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 0.05, 100.0]))
def test_int8_and_fp8_err_by_half_a_step(seed: int, spread: float) -> None:
    import torch

    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(seed)) * spread
    largest = weight.abs().amax(1, keepdim=True)
    half = largest / 127 / 2 * (1 + 1e-4)
    assert (unpack(pack(weight, "int8")) - weight).abs().le(half).all()
    # e4m3 has 3 bits of mantissa, and steps of 2^-9 below 2^-6
    half = torch.maximum(weight.abs() * 2.0**-4, largest / 448 * 2.0**-10) * (1 + 1e-4)
    assert (unpack(pack(weight, "fp8")) - weight).abs().le(half).all()


def test_fewer_bits_lose_more() -> None:
    import torch

    weight = torch.randn(64, 256, generator=torch.Generator().manual_seed(3))
    errors = [
        float((unpack(pack(weight, name)) - weight).norm())
        for name in ("int8", "fp8", "rtn4", "rtn3", "rtn2")
    ]
    assert errors == sorted(errors)
    assert float((unpack(pack(weight, "nf4")) - weight).norm() / weight.norm()) == pytest.approx(
        0.092, abs=0.005
    )


def test_an_unknown_format() -> None:
    import torch

    with pytest.raises(HarnessError, match=r"'fp5' is no weight format.*fp8, int8, nf4, rtn4"):
        pack(torch.ones(2, 64), "fp5")


def test_blocks_must_divide_the_matrix() -> None:
    import torch

    with pytest.raises(HarnessError, match="90 weights cannot be cut into blocks of 64"):
        pack(torch.ones(3, 30), "nf4")

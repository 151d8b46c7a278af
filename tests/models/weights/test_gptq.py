from typing import Any

import pytest

from harness.models.weights.gptq import gptq_codes
from harness.models.weights.group_grid import group_grid, to_codes, to_values


def inputs(seed: int) -> tuple[Any, Any]:
    """A weight [32, 128] and correlated inputs [400, 128], some of them much larger than others."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(128, 128, generator=generator) * torch.linspace(2, 0.05, 128)
    weight = torch.randn(32, 128, generator=generator) * 0.05
    return weight, torch.randn(400, 128, generator=generator) @ mix


@pytest.mark.parametrize("by_activation", [True, False])
@pytest.mark.parametrize("bits", [4, 3])
def test_the_output_is_nearer_than_by_rounding(bits: int, by_activation: bool) -> None:
    ratios = []
    for seed in range(10):
        weight, x = inputs(seed)
        grid = group_grid(weight, bits, 64)
        codes = gptq_codes(weight, x.T @ x, grid, by_activation=by_activation)
        errors = [((to_values(c, grid) - weight) @ x.T).norm() for c in (codes, to_codes(weight, grid))]
        ratios.append(float(errors[0] / errors[1]))
    assert sum(ratios) / len(ratios) < 0.8


def test_independent_inputs_leave_nothing_to_make_up() -> None:
    import torch

    weight, _ = inputs(0)
    grid = group_grid(weight, 4, 64)
    assert torch.equal(gptq_codes(weight, torch.eye(128), grid), to_codes(weight, grid))


@pytest.mark.parametrize("by_activation", [True, False])
def test_inputs_that_are_always_zero_and_rows_of_zeros(by_activation: bool) -> None:
    weight, x = inputs(1)
    x[:, 5] = 0
    weight[3] = 0
    grid = group_grid(weight, 3, 64)
    values = to_values(gptq_codes(weight, x.T @ x, grid, by_activation=by_activation), grid)
    assert values.isfinite().all()
    assert (values[3] == 0).all()
    assert (values[:, 5] - weight[:, 5]).abs().max() <= grid.step.max() / 2 * (1 + 1e-3)


def test_inputs_without_rank_are_damped() -> None:
    weight, x = inputs(2)
    grid = group_grid(weight, 4, 64)
    few = x[:3]
    values = to_values(gptq_codes(weight, few.T @ few, grid), grid)
    rounded = to_values(to_codes(weight, grid), grid)
    assert ((values - weight) @ few.T).norm() < ((rounded - weight) @ few.T).norm()

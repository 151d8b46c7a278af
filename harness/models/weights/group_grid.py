"""Integer grids over groups of a row, and codes of a few bits packed into bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    import torch

# smallest normal float16: a finer step could not be stored
_SMALLEST_STEP = 2.0**-14


@dataclass(frozen=True, slots=True)
class Grid:
    """Per row and group of `group` columns: the step (float16) and the code that means 0 (uint8).

    `step` and `zero` are [rows, columns / group]; a code c of `bits` bits stands for (c - zero) * step.
    """

    bits: int
    group: int
    step: torch.Tensor
    zero: torch.Tensor


def group_grid(weight: torch.Tensor, bits: int, group: int) -> Grid:
    """The grid from each group's smallest to its largest value, 0 always on it. `weight` is [rows, columns].

    Raises HarnessError when the columns are no whole number of groups.
    """
    import torch

    rows, columns = weight.shape
    if columns % group:
        raise HarnessError(f"rows of {columns} weights cannot be cut into groups of {group}")
    groups = weight.float().reshape(rows, columns // group, group)
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    levels = 2**bits - 1
    exact = ((high - low) / levels).clamp(min=_SMALLEST_STEP)
    step = exact.half()
    # rounded up, or the ends of the range would lie more than half a step outside the grid
    above = torch.nextafter(step, torch.full_like(step, torch.inf))
    step = torch.where(step.float() < exact, above, step)
    zero = (-low / step.float()).round().clamp(0, levels).to(torch.uint8)
    return Grid(bits, group, step, zero)


def to_codes(weight: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The nearest code of every weight: uint8 [rows, columns]."""
    import torch

    step, zero = per_column(grid)
    return (weight.float() / step + zero).round().clamp(0, 2**grid.bits - 1).to(torch.uint8)


def to_values(codes: torch.Tensor, grid: Grid) -> torch.Tensor:
    """What codes stand for: float32 [rows, columns]."""
    step, zero = per_column(grid)
    return (codes.float() - zero) * step


def per_column(grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Step and zero of every weight: float32 [rows, columns]."""
    step = grid.step.float().repeat_interleave(grid.group, dim=1)
    return step, grid.zero.float().repeat_interleave(grid.group, dim=1)


def pack_bits(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """Codes one after another without gaps, lowest bit first: uint8 [ceil(count * bits / 8)]."""
    import torch

    places = torch.arange(bits, dtype=torch.uint8)
    stream = ((codes.reshape(-1, 1) >> places) & 1).reshape(-1)
    stream = torch.nn.functional.pad(stream, (0, -len(stream) % 8)).reshape(-1, 8)
    return (stream << torch.arange(8, dtype=torch.uint8)).sum(1).to(torch.uint8)


def unpack_bits(packed: torch.Tensor, bits: int, count: int) -> torch.Tensor:
    """The `count` codes that `pack_bits` packed: uint8."""
    import torch

    stream = ((packed.reshape(-1, 1) >> torch.arange(8, dtype=torch.uint8)) & 1).reshape(-1)
    rows = stream[: count * bits].reshape(count, bits)
    return (rows << torch.arange(bits, dtype=torch.uint8)).sum(1).to(torch.uint8)

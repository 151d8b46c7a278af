"""Weight matrices in the precisions that llama.cpp does not make, packed as they would be stored.

FP8 (e4m3) and int8 with a float32 scale per row, NF4 (Dettmers et al. 2023, arXiv 2305.14314; bitsandbytes'
own code, blocks of 64), and 4-, 3- and 2-bit integers with a float16 step and a zero per group of 64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.models.packages import package
from harness.models.weights.group_grid import Grid, group_grid, pack_bits, to_codes, to_values, unpack_bits

if TYPE_CHECKING:
    import torch

GROUP = 64
NF4_BLOCK = 64
LARGEST_E4M3 = 448.0
_SMALLEST_SCALE = 1e-12


@dataclass(frozen=True, slots=True)
class Packed:
    """One matrix as it would be stored; `parts` are its tensors, `rows` x `columns` its dimensions."""

    format: str
    rows: int
    columns: int
    parts: Mapping[str, torch.Tensor]

    @property
    def size_bytes(self) -> int:
        """Bytes of everything needed to get the values back."""
        return sum(part.numel() * part.element_size() for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """`pack` takes float [rows, columns], `unpack` gives float32 back."""

    name: str
    pack: Callable[[torch.Tensor], Packed]
    unpack: Callable[[Packed], torch.Tensor]


def pack(weight: torch.Tensor, name: str) -> Packed:
    """A matrix in a format of `FORMATS`, each weight rounded to the nearest value that the format has.

    Raises HarnessError for an unknown format or dimensions that it cannot hold.
    """
    return weight_format(name).pack(weight)


def unpack(packed: Packed) -> torch.Tensor:
    """The values of a packed matrix: float32 [rows, columns]."""
    return weight_format(packed.format).unpack(packed)


def weight_format(name: str) -> WeightFormat:
    """The format of that name; raises HarnessError when there is none."""
    if name not in FORMATS:
        raise HarnessError(f"{name!r} is no weight format", allowed=", ".join(FORMATS))
    return FORMATS[name]


def pack_codes(codes: torch.Tensor, grid: Grid, name: str) -> Packed:
    """Codes on a grid, stored without gaps; the zeros are as wide as the codes."""
    rows, columns = codes.shape
    parts = {"codes": pack_bits(codes, grid.bits), "step": grid.step, "zero": pack_bits(grid.zero, grid.bits)}
    return Packed(name, rows, columns, parts)


def _unpack_codes(packed: Packed, bits: int) -> torch.Tensor:
    rows, columns, parts = packed.rows, packed.columns, packed.parts
    step = parts["step"]
    zero = unpack_bits(parts["zero"], bits, step.numel()).reshape(step.shape)
    codes = unpack_bits(parts["codes"], bits, rows * columns).reshape(rows, columns)
    return to_values(codes, Grid(bits, columns // step.shape[1], step, zero))


def _rounded(name: str, bits: int) -> WeightFormat:
    def pack(weight: torch.Tensor) -> Packed:
        grid = group_grid(weight, bits, GROUP)
        return pack_codes(to_codes(weight, grid), grid, name)

    return WeightFormat(name, pack, lambda packed: _unpack_codes(packed, bits))


def _row_scale(weight: torch.Tensor, largest: float) -> torch.Tensor:
    """A scale per row that maps its largest value to `largest`; a row of zeros gets a harmless one."""
    return (weight.float().abs().amax(1, keepdim=True) / largest).clamp(min=_SMALLEST_SCALE)


def _pack_fp8(weight: torch.Tensor) -> Packed:
    import torch

    scale = _row_scale(weight, LARGEST_E4M3)
    codes = (weight.float() / scale).clamp(-LARGEST_E4M3, LARGEST_E4M3).to(torch.float8_e4m3fn)
    return Packed("fp8", len(weight), weight.shape[1], {"codes": codes, "scale": scale})


def _pack_int8(weight: torch.Tensor) -> Packed:
    import torch

    scale = _row_scale(weight, 127)
    codes = (weight.float() / scale).round().clamp(-127, 127).to(torch.int8)
    return Packed("int8", len(weight), weight.shape[1], {"codes": codes, "scale": scale})


def _unpack_scaled(packed: Packed) -> torch.Tensor:
    return packed.parts["codes"].float() * packed.parts["scale"]


def _pack_nf4(weight: torch.Tensor) -> Packed:
    functional = package("bitsandbytes").functional

    if weight.numel() % NF4_BLOCK:
        raise HarnessError(f"{weight.numel()} weights cannot be cut into blocks of {NF4_BLOCK}")
    codes, state = functional.quantize_4bit(
        weight.float().contiguous(), blocksize=NF4_BLOCK, compress_statistics=False, quant_type="nf4"
    )
    return Packed("nf4", len(weight), weight.shape[1], {"codes": codes, "absmax": state.absmax})


def _unpack_nf4(packed: Packed) -> torch.Tensor:
    import torch

    functional = package("bitsandbytes").functional

    state = functional.QuantState(
        absmax=packed.parts["absmax"],
        shape=torch.Size((packed.rows, packed.columns)),
        code=functional.get_4bit_type("nf4", device="cpu", blocksize=NF4_BLOCK),
        blocksize=NF4_BLOCK,
        quant_type="nf4",
        dtype=torch.float32,
    )
    values: torch.Tensor = functional.dequantize_4bit(packed.parts["codes"], quant_state=state)
    return values


FORMATS = {
    entry.name: entry
    for entry in (
        WeightFormat("fp8", _pack_fp8, _unpack_scaled),
        WeightFormat("int8", _pack_int8, _unpack_scaled),
        WeightFormat("nf4", _pack_nf4, _unpack_nf4),
        _rounded("rtn4", 4),
        _rounded("rtn3", 3),
        _rounded("rtn2", 2),
    )
}

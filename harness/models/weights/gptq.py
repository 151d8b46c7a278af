"""GPTQ (Frantar et al. 2022, arXiv 2210.17323): round a matrix column by column, and let the columns that
follow make up for each column's error on calibration data.

The grid is fixed beforehand from the unchanged weights (the paper's successors call it static groups), so
taking columns in another order needs no extra index in the file: a GPTQ matrix is stored like a rounded one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.models.architecture import LINEAR
from harness.models.weights.formats import GROUP, Packed, pack_codes, unpack
from harness.models.weights.group_grid import Grid, group_grid, per_column

if TYPE_CHECKING:
    import torch

DAMPING = 0.01
_BLOCK = 128
# matrices that read the same input share its Hessian: the first of each kind stands for them
_SAME_INPUT = {
    "self_attn.k_proj": "self_attn.q_proj",
    "self_attn.v_proj": "self_attn.q_proj",
    "mlp.up_proj": "mlp.gate_proj",
}


def gptq_codes(
    weight: torch.Tensor,
    hessian: torch.Tensor,
    grid: Grid,
    *,
    by_activation: bool = True,
    damping: float = DAMPING,
) -> torch.Tensor:
    """Codes uint8 [rows, columns] of a weight [rows, columns] on a grid.

    `hessian` [columns, columns] is the sum of x xᵀ over the inputs. `by_activation` takes the columns with
    the largest inputs first, while most columns are left to make up for them. `damping` is a share of the
    mean diagonal.
    """
    import torch

    step, zero = per_column(grid)
    order = torch.arange(weight.shape[1])
    if by_activation:
        order = torch.argsort(hessian.diagonal(), descending=True, stable=True)
    left = weight.double()[:, order]
    step, zero = step.double()[:, order], zero.double()[:, order]
    factor = _inverse_factor(hessian.double()[order][:, order], damping)
    codes = torch.empty_like(left)
    for start in range(0, len(order), _BLOCK):
        end = min(start + _BLOCK, len(order))
        errors = torch.zeros(len(left), end - start, dtype=torch.float64)
        for i in range(start, end):
            code = (left[:, i] / step[:, i] + zero[:, i]).round().clamp(0, 2**grid.bits - 1)
            codes[:, i] = code
            error = (left[:, i] - (code - zero[:, i]) * step[:, i]) / factor[i, i]
            left[:, i:end] -= error[:, None] * factor[i, i:end]
            errors[:, i - start] = error
        left[:, end:] -= errors @ factor[start:end, end:]
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return codes[:, back].to(torch.uint8)


def _inverse_factor(hessian: torch.Tensor, damping: float) -> torch.Tensor:
    """The upper Cholesky factor of the damped Hessian's inverse; inputs that are always 0 count as 1."""
    import torch

    damped = hessian.clone()
    diagonal = damped.diagonal()
    diagonal[diagonal == 0] = 1.0
    diagonal += damping * diagonal.mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)


def quantize_layers(
    model: Any, calibration: Sequence[Sequence[int]], bits: int, *, by_activation: bool = True
) -> dict[str, Packed]:
    """Replace the matrices of a transformers model by GPTQ's values, in place, layer by layer.

    Each layer sees the outputs of the layers before it as they already are quantized; inside a layer all
    matrices see the unquantized one. Returns the packed matrices by name. `calibration` are token ids, a row
    per text; raises HarnessError without any.
    """
    import torch

    if not any(len(row) for row in calibration):
        raise HarnessError("GPTQ needs texts to calibrate on, and there are none")
    packed: dict[str, Packed] = {}
    with torch.no_grad():
        inputs = [_layer_inputs(model, row) for row in calibration if len(row)]
        for index, layer in enumerate(model.model.layers):
            hessians = _hessians(layer, inputs)
            for name in LINEAR:
                weight = layer.get_submodule(name).weight
                grid = group_grid(weight, bits, GROUP)
                hessian = hessians[_SAME_INPUT.get(name, name)]
                codes = gptq_codes(weight, hessian, grid, by_activation=by_activation)
                stored = pack_codes(codes, grid, f"rtn{bits}")
                weight.copy_(unpack(stored))
                packed[f"model.layers.{index}.{name}.weight"] = stored
            inputs = [(_output(layer, hidden, named), named) for hidden, named in inputs]
    return packed


def _layer_inputs(model: Any, row: Sequence[int]) -> tuple[torch.Tensor, Mapping[str, Any]]:
    """What the first layer is called with for one text: hidden states, and its other arguments."""
    import torch

    seen: list[tuple[torch.Tensor, Mapping[str, Any]]] = []

    def catch(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.append((positional[0], named))
        raise _Caught

    hook = model.model.layers[0].register_forward_pre_hook(catch, with_kwargs=True)
    try:
        model(torch.tensor([list(row)]), use_cache=False)
    except _Caught:
        pass
    finally:
        hook.remove()
    return seen[0]


class _Caught(Exception):  # noqa: N818 (no error: the way out of a forward pass)
    """The first layer has been reached."""


def _hessians(
    layer: Any, inputs: Sequence[tuple[torch.Tensor, Mapping[str, Any]]]
) -> dict[str, torch.Tensor]:
    """The sum of x xᵀ over all calibration tokens, for each kind of input of a layer."""
    import torch

    readers = [name for name in LINEAR if name not in _SAME_INPUT]
    sums = {name: torch.zeros(layer.get_submodule(name).in_features, dtype=torch.float64) for name in readers}
    sums = {name: torch.diag(diagonal) for name, diagonal in sums.items()}
    with _watched(layer, sums):
        for hidden, named in inputs:
            _output(layer, hidden, named)
    return sums


@contextmanager
def _watched(layer: Any, sums: dict[str, torch.Tensor]) -> Iterator[None]:
    def watch(name: str) -> Any:
        def add(_: Any, positional: tuple[torch.Tensor, ...]) -> None:
            x = positional[0].flatten(0, -2).double()
            sums[name] += x.T @ x

        return layer.get_submodule(name).register_forward_pre_hook(add)

    hooks = [watch(name) for name in sums]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _output(layer: Any, hidden: torch.Tensor, named: Mapping[str, Any]) -> torch.Tensor:
    result = layer(hidden, **named)
    return result[0] if isinstance(result, tuple) else result

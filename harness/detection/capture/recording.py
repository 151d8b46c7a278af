"""One forward pass on fused attention that leaves behind only what the scores need.

The model runs as it is, with its attention function replaced by one that first keeps the selected heads'
queries at the predicting positions and their keys, then runs the fused kernel without a mask.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.detection.capture.anatomy import Anatomy, Head
from harness.detection.capture.layouts import Layout, Piece

ATTENTION = "harness_captured"
MASK_ROWS = 256
"""Rows of a mask, where responses follow a shared prompt."""
KEPT_MASKS = 16
LensPair = Callable[[int, Any, Any], None]
"""Given a layer, and its states before and after the feed-forward part at the predicting positions."""

# hooks and the attention's name belong to the model, not to a thread
_ONE_AT_A_TIME = threading.Lock()


@dataclass(slots=True)
class Kept:
    """What the attention leaves behind for a batch of N predicting positions.

    By layer with selected heads: `queries` [selected heads, N, head width], `keys` [rows, key heads, width of
    the batch, head width] of the key heads that the selected heads use. `rows` and `columns` [N] are the
    predicting positions; `masks` by rows and columns serve all layers.
    """

    heads: dict[int, list[int]]
    group: int
    rows: Any
    columns: Any
    inner: str
    pieces: tuple[Piece, ...]
    queries: dict[int, Any] = field(default_factory=dict)
    keys: dict[int, Any] = field(default_factory=dict)
    masks: dict[tuple[int, int], Any] = field(default_factory=dict)

    def take(self, layer: int, query: Any, key: Any) -> None:
        """Keep what a layer's selected heads need; both [rows, heads, width of the batch, head width]."""
        import torch

        chosen = self.heads.get(layer)
        if chosen is None:
            return
        device = query.device
        heads = torch.tensor(chosen, device=device)[:, None]
        self.queries[layer] = query[self.rows.to(device), heads, self.columns.to(device)].float()
        used = self.key_heads(layer)
        self.keys[layer] = key if len(used) == key.shape[1] else key[:, used]

    def mask(self, rows: int, columns: int, like: Any) -> Any:
        """Added to scores of the last R rows of causal attention: row i sees all but the last R - 1 - i."""
        import torch

        known = self.masks.get((rows, columns))
        if known is None:
            if len(self.masks) == KEPT_MASKS:
                self.masks.clear()
            hidden = torch.ones(rows, columns, dtype=torch.bool, device=like.device).triu(columns - rows + 1)
            known = like.new_zeros(rows, columns).masked_fill_(hidden, -torch.inf)
            self.masks[rows, columns] = known
        return known if known.device == like.device else known.to(like.device)

    def key_heads(self, layer: int) -> list[int]:
        """The key heads that are kept of a layer, ascending."""
        return sorted({head // self.group for head in self.heads[layer]})


def forward(
    anatomy: Anatomy, layout: Layout, heads: Sequence[Head], lens: LensPair | None
) -> tuple[Kept, Any]:
    """Run the model on a batch: what the attention kept, and the last normed states [rows, width, hidden].

    `lens` is called once for each layer, while the layer's states are at hand. One pass runs at a time in a
    process. Runs without gradients.
    """
    import torch

    device = anatomy.body.embed_tokens.weight.device
    device = torch.device("cpu") if device.type == "meta" else device
    rows, columns = (torch.from_numpy(index) for index in layout.query_rows())
    config = anatomy.body.config
    kept = Kept(by_layer(heads), anatomy.group, rows, columns, config._attn_implementation, layout.pieces)
    with _ONE_AT_A_TIME, torch.inference_mode(), ExitStack() as stack:
        stack.enter_context(_captured_attention(config))
        if lens is not None:
            _hook_lens(stack, anatomy, rows, columns, lens)
        output = anatomy.body(
            input_ids=torch.from_numpy(layout.tokens).to(device),
            position_ids=torch.from_numpy(layout.positions).to(device),
            use_cache=False,
            kept=kept,
        )
    return kept, output.last_hidden_state


def by_layer(heads: Sequence[Head]) -> dict[int, list[int]]:
    """The selected heads of each layer, ascending and each once."""
    found: dict[int, list[int]] = {}
    for layer, head in sorted(set(heads)):
        found.setdefault(layer, []).append(head)
    return found


@contextmanager
def _captured_attention(config: Any) -> Iterator[None]:
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, _attend)
    before = config._attn_implementation
    # no mask function has this name: the library builds no mask, of which none is needed
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before


def _hook_lens(stack: ExitStack, anatomy: Anatomy, rows: Any, columns: Any, lens: LensPair) -> None:
    before: dict[int, Any] = {}

    def keep(number: int) -> Callable[[Any, Any], None]:
        def hook(_: Any, arguments: Any) -> None:
            state = arguments[0]
            before[number] = state[rows.to(state.device), columns.to(state.device)]

        return hook

    def look(number: int) -> Callable[[Any, Any, Any], None]:
        def hook(_: Any, __: Any, output: Any) -> None:
            state = output[0] if isinstance(output, tuple) else output
            lens(number, before.pop(number), state[rows.to(state.device), columns.to(state.device)])

        return hook

    for number, layer in enumerate(anatomy.layers):
        handle = layer.post_attention_layernorm.register_forward_pre_hook(keep(number))
        stack.callback(handle.remove)
        stack.callback(layer.register_forward_hook(look(number)).remove)


def _attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, *, kept: Kept, **arguments: Any
) -> tuple[Any, None]:
    """The attention function that the library calls: [rows, width, heads, head width]."""
    kept.take(module.layer_idx, query, key)
    if kept.pieces:
        return _attend_pieces(query, key, value, kept, arguments["scaling"]), None
    if kept.inner.startswith("flash_attention"):
        from transformers import AttentionInterface

        flash = AttentionInterface()[kept.inner]
        return flash(module, query, key, value, None, **arguments)[0], None
    return _fused(query, key, value, arguments["scaling"]).transpose(1, 2), None


def _attend_pieces(query: Any, key: Any, value: Any, kept: Kept, scale: float) -> Any:
    """Attention of a packed row, block by block: no token sees another sample, and no mask spans the row."""
    import torch

    found = query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[-1])
    for piece in kept.pieces:
        own, before = slice(piece.start, piece.end), slice(*piece.before)
        if piece.before[1] == piece.before[0]:
            part = _fused(query[:, :, own], key[:, :, own], value[:, :, own], scale)
        else:
            keys = torch.cat([key[:, :, before], key[:, :, own]], dim=2)
            values = torch.cat([value[:, :, before], value[:, :, own]], dim=2)
            part = _after(query[:, :, own], keys, values, scale, kept)
        found[:, own] = part.transpose(1, 2)
    return found


def _after(query: Any, key: Any, value: Any, scale: float, kept: Kept) -> Any:
    """The last rows of causal attention, in blocks of rows, so that no mask has rows x keys."""
    import torch

    first = key.shape[2] - query.shape[2]
    found = []
    for start in range(0, query.shape[2], MASK_ROWS):
        rows = query[:, :, start : start + MASK_ROWS]
        seen = first + start + rows.shape[2]
        mask = kept.mask(rows.shape[2], seen, query)
        found.append(_fused(rows, key[:, :, :seen], value[:, :, :seen], scale, mask))
    return found[0] if len(found) == 1 else torch.cat(found, dim=2)


def _fused(query: Any, key: Any, value: Any, scale: float, mask: Any = None) -> Any:
    """Causal attention; with a mask, attention under that."""
    from torch.nn.functional import scaled_dot_product_attention

    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(
        query, key, value, mask, is_causal=mask is None, scale=scale, enable_gqa=grouped
    )

"""One teacher-forced pass with transformers: logits, hidden states, chosen rows of the attention matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from harness.engines.protocol import Capability, Forward
from harness.errors import HarnessError

OFFERED: frozenset[Capability] = frozenset({"logits", "hidden_states", "attention_rows"})


def forward_pass(
    model: Any, attention: str, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int]
) -> Forward:
    """Run the tokens once; what is wanted comes back as float32 in main memory.

    The last hidden state is the one after the final norm. Attention rows need eager attention, which forms
    the matrix of one layer, heads x tokens x tokens, at a time; only the rows asked for are kept of it.
    """
    import torch

    kept: dict[int, Any] = {}
    ids = torch.tensor([list(token_ids)], device=model.device)
    wants_rows = "attention_rows" in wants
    with (
        _implementation(model, "eager" if wants_rows else attention),
        _row_hooks(model, rows, kept) if wants_rows else nullcontext(),
    ):
        output = model(
            input_ids=ids,
            use_cache=False,
            output_hidden_states="hidden_states" in wants,
            logits_to_keep=0 if "logits" in wants else 1,
        )
    if wants_rows and not kept:
        raise HarnessError(
            "this architecture does not hand out attention rows", allowed="logits, hidden_states"
        )
    return Forward(
        tokens=len(token_ids),
        logits=_numpy(output.logits[0]) if "logits" in wants else None,
        hidden_states=_numpy(torch.cat(output.hidden_states)) if "hidden_states" in wants else None,
        attention_rows=_numpy(torch.stack([kept[at] for at in sorted(kept)])) if kept else None,
    )


def _numpy(tensor: Any) -> Any:
    return tensor.float().cpu().numpy()


@contextmanager
def _implementation(model: Any, name: str) -> Iterator[None]:
    before = model.config._attn_implementation
    if name == before:
        yield
        return
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def _row_hooks(model: Any, rows: Sequence[int], kept: dict[int, Any]) -> Iterator[None]:
    """Collect [heads, rows, tokens] of every layer into `kept`."""

    def keep(module: Any, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple) and len(output) > 1 and output[1] is not None:
            kept[module.layer_idx] = output[1][0, :, list(rows)].clone()
            return (output[0], None, *output[2:])
        return None

    attentions = [module for module in model.modules() if hasattr(module, "layer_idx")]
    hooks = [
        module.register_forward_hook(keep)
        for module in attentions
        if type(module).__name__.endswith("Attention")
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()

"""Load a checkpoint folder with transformers: local files, safetensors, no code but the library's own."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import HarnessError

Precision = Literal["checkpoint", "bfloat16", "float16", "float32"]
Quantization = Literal["none", "nf4", "int8"]
AttentionName = Literal["flash_attention_2", "sdpa", "eager"]

# FlashAttention-2's kernels: Ampere and later.
FLASH_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Attention:
    """Which implementation runs, and why."""

    name: AttentionName
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """What decides on flash attention: a CUDA card's capability, None for a CPU; whether flash_attn is there."""

    capability: tuple[int, int] | None
    has_flash: bool


def choose_attention(wanted: AttentionName | None, card: Card, dtype: str, masks: bool) -> Attention:
    """`wanted`, or the fastest that this hardware and this way of batching (`masks`: own masks) can run.

    Raises HarnessError when flash attention is asked for and cannot run.
    """
    missing = _flash_lacks(card, dtype, masks)
    if wanted == "flash_attention_2" and missing:
        raise HarnessError(f"flash_attention_2 cannot run: {missing}", allowed="sdpa, eager")
    if wanted is not None:
        return Attention(wanted, "asked for")
    if missing:
        return Attention("sdpa", f"no flash_attention_2: {missing}")
    return Attention("flash_attention_2", "the package and a card for it are there")


def _flash_lacks(card: Card, dtype: str, masks: bool) -> str:
    if card.capability is None:
        return "it needs a CUDA card"
    if card.capability < FLASH_CAPABILITY:
        have, need = (".".join(map(str, numbers)) for numbers in (card.capability, FLASH_CAPABILITY))
        return f"the card has compute capability {have}, it needs {need}"
    if not card.has_flash:
        return "the package flash-attn is not installed (make install EXTRA=gpu)"
    if dtype not in ("bfloat16", "float16"):
        return f"it runs in bfloat16 and float16, not in {dtype}"
    return "slots need a mask of their own, which it does not take" if masks else ""


def card_of(device: str) -> Card:
    """What this machine has."""
    import torch

    on_card = device.startswith("cuda")
    capability = torch.cuda.get_device_capability(device) if on_card else None
    return Card(capability, importlib.util.find_spec("flash_attn") is not None)

"""Shapes of well-known models by name, for measured tables that name a model and hold no config.json.

Copied from each model's published config.json.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType

from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError
from harness.hardware.schema import closest


def _shape(
    name: str,
    layers: int,
    hidden: int,
    intermediate: int,
    heads: tuple[int, int, int],
    vocabulary: int,
    context_tokens: int,
    *,
    tied: bool = False,
    gated: bool = True,
    experts: tuple[int, int, int] = (0, 0, 0),
    sliding: tuple[int, int] = (0, 0),
) -> ModelShape:
    """`heads`: query heads, key/value heads, width. `experts`: how many, per token, intermediate width.
    `sliding`: window in tokens, layers that use it."""
    family = name.split("-")[0].rstrip("0123456789.")
    return ModelShape(
        name=name,
        architecture=family,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads[0],
        kv_heads=heads[1],
        head_width=heads[2],
        vocabulary=vocabulary,
        tied=tied,
        context_tokens=context_tokens,
        gated=gated,
        qkv_bias=name.startswith(("qwen2", "bloom", "opt")),
        qk_norm=name.startswith("qwen3"),
        experts=experts[0],
        experts_per_token=experts[1],
        expert_intermediate=experts[2],
        shared_expert_intermediate=0,
        dense_layers=0 if experts[0] else layers,
        sliding_window=sliding[0],
        sliding_layers=sliding[1],
        norms=4 if name.startswith("gemma-2") else 2,
    )


_SHAPES = (
    _shape("llama-7b", 32, 4096, 11008, (32, 32, 128), 32000, 2048),
    _shape("llama-13b", 40, 5120, 13824, (40, 40, 128), 32000, 2048),
    _shape("llama-30b", 60, 6656, 17920, (52, 52, 128), 32000, 2048),
    _shape("llama-65b", 80, 8192, 22016, (64, 64, 128), 32000, 2048),
    _shape("llama-2-7b", 32, 4096, 11008, (32, 32, 128), 32000, 4096),
    _shape("llama-2-13b", 40, 5120, 13824, (40, 40, 128), 32000, 4096),
    _shape("llama-2-70b", 80, 8192, 28672, (64, 8, 128), 32000, 4096),
    _shape("codellama-34b", 48, 8192, 22016, (64, 8, 128), 32000, 16384),
    _shape("llama-3-8b", 32, 4096, 14336, (32, 8, 128), 128256, 8192),
    _shape("llama-3-70b", 80, 8192, 28672, (64, 8, 128), 128256, 8192),
    _shape("llama-3.1-8b", 32, 4096, 14336, (32, 8, 128), 128256, 131072),
    _shape("llama-3.1-70b", 80, 8192, 28672, (64, 8, 128), 128256, 131072),
    _shape("llama-3.1-405b", 126, 16384, 53248, (128, 8, 128), 128256, 131072),
    _shape("llama-3.2-1b", 16, 2048, 8192, (32, 8, 64), 128256, 131072, tied=True),
    _shape("llama-3.2-3b", 28, 3072, 8192, (24, 8, 128), 128256, 131072, tied=True),
    _shape("llama-3.3-70b", 80, 8192, 28672, (64, 8, 128), 128256, 131072),
    _shape("mistral-7b", 32, 4096, 14336, (32, 8, 128), 32000, 32768),
    _shape("mixtral-8x7b", 32, 4096, 14336, (32, 8, 128), 32000, 32768, experts=(8, 2, 14336)),
    _shape("mixtral-8x22b", 56, 6144, 16384, (48, 8, 128), 32768, 65536, experts=(8, 2, 16384)),
    _shape("qwen2.5-0.5b", 24, 896, 4864, (14, 2, 64), 151936, 32768, tied=True),
    _shape("qwen2.5-1.5b", 28, 1536, 8960, (12, 2, 128), 151936, 32768, tied=True),
    _shape("qwen2.5-3b", 36, 2048, 11008, (16, 2, 128), 151936, 32768, tied=True),
    _shape("qwen2.5-7b", 28, 3584, 18944, (28, 4, 128), 152064, 32768),
    _shape("qwen2.5-14b", 48, 5120, 13824, (40, 8, 128), 152064, 32768),
    _shape("qwen2.5-32b", 64, 5120, 27648, (40, 8, 128), 152064, 32768),
    _shape("qwen2.5-72b", 80, 8192, 29568, (64, 8, 128), 152064, 32768),
    _shape("qwen3-0.6b", 28, 1024, 3072, (16, 8, 128), 151936, 40960, tied=True),
    _shape("qwen3-1.7b", 28, 2048, 6144, (16, 8, 128), 151936, 40960, tied=True),
    _shape("qwen3-4b", 36, 2560, 9728, (32, 8, 128), 151936, 40960, tied=True),
    _shape("qwen3-8b", 36, 4096, 12288, (32, 8, 128), 151936, 40960),
    _shape("qwen3-14b", 40, 5120, 17408, (40, 8, 128), 151936, 40960),
    _shape("qwen3-32b", 64, 5120, 25600, (64, 8, 128), 151936, 40960),
    _shape("qwen3-30b-a3b", 48, 2048, 6144, (32, 4, 128), 151936, 40960, experts=(128, 8, 768)),
    _shape("qwen3-235b-a22b", 94, 4096, 12288, (64, 4, 128), 151936, 40960, experts=(128, 8, 1536)),
    _shape("bloom-7b1", 30, 4096, 16384, (32, 32, 128), 250880, 2048, tied=True, gated=False),
    _shape("bloom-176b", 70, 14336, 57344, (112, 112, 128), 250880, 2048, tied=True, gated=False),
    _shape("opt-6.7b", 32, 4096, 16384, (32, 32, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-13b", 40, 5120, 20480, (40, 40, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-30b", 48, 7168, 28672, (56, 56, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-66b", 64, 9216, 36864, (72, 72, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-175b", 96, 12288, 49152, (96, 96, 128), 50272, 2048, tied=True, gated=False),
    _shape("falcon-40b", 60, 8192, 32768, (128, 8, 64), 65024, 2048, gated=False),
    _shape("yi-34b", 60, 7168, 20480, (56, 8, 128), 64000, 4096),
    _shape("phi-3-mini", 32, 3072, 8192, (32, 32, 96), 32064, 4096),
    _shape("phi-4", 40, 5120, 17920, (40, 10, 128), 100352, 16384),
    _shape("gemma-2-2b", 26, 2304, 9216, (8, 4, 256), 256000, 8192, tied=True, sliding=(4096, 13)),
    _shape("gemma-2-9b", 42, 3584, 14336, (16, 8, 256), 256000, 8192, tied=True, sliding=(4096, 21)),
    _shape("gemma-2-27b", 46, 4608, 36864, (32, 16, 128), 256000, 8192, tied=True, sliding=(4096, 23)),
)
KNOWN_MODELS: Mapping[str, ModelShape] = MappingProxyType({shape.name: shape for shape in _SHAPES})
_ALIASES = {
    "bloom": "bloom-176b",
    "llama33b": "llama-30b",
    "llama130b": "llama-30b",
    "llama165b": "llama-65b",
}
# What a checkpoint's name says beside the shape.
_SUFFIXES = re.compile(
    r"^(meta|hf|chat|instruct|base|it|v\d(\.\d)?|\d{4}|awq|gptq|fp8|fp16|bf16|int4|int8|bnb|4bit|8bit)$"
)


@functools.cache
def find_model(name: str) -> ModelShape:
    """The shape of the model called `name`, in any common spelling (`Llama-2-70b-chat-hf`, `llama2-70b`).

    Raises HarnessError that lists every name.
    """
    wanted = _compact(name)
    by_name = {_compact(known): known for known in KNOWN_MODELS}
    found = by_name.get(wanted) or _ALIASES.get(wanted)
    if found:
        return KNOWN_MODELS[found]
    raise HarnessError(
        f"there is no model {name!r} in the table of shapes",
        allowed=", ".join(KNOWN_MODELS),
        next_step=closest(name.lower(), KNOWN_MODELS) or "take one of these",
    )


def _compact(name: str) -> str:
    words = re.split(r"[-_ ]+", name.lower().rsplit("/", 1)[-1])
    return re.sub(r"[^a-z0-9]", "", "".join(word for word in words if not _SUFFIXES.match(word)))

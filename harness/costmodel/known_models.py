"""Shapes of well-known models by name, for measured tables that name a model and hold no config.json.

From each model's published config.json; the tests hold them against published numbers of parameters.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType

from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError
from harness.hardware.schema import closest

_ALL_BIASES = ("bloom", "opt", "phi-2", "gpt", "pythia", "starcoder2")
_QKV_BIAS = (*_ALL_BIASES, "qwen1.5", "qwen2", "glm", "chatglm")


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
        qkv_bias=name.startswith(_QKV_BIAS),
        qk_norm=name.startswith(("qwen3", "gemma-3")),
        experts=experts[0],
        experts_per_token=experts[1],
        expert_intermediate=experts[2],
        shared_expert_intermediate=0,
        dense_layers=0 if experts[0] else layers,
        sliding_window=sliding[0],
        sliding_layers=sliding[1],
        norms=4 if name.startswith(("gemma-2-", "gemma-3")) else 2,
        output_bias=name.startswith(_ALL_BIASES),
        mlp_bias=name.startswith(_ALL_BIASES),
    )


_SHAPES = (
    _shape("llama-7b", 32, 4096, 11008, (32, 32, 128), 32000, 2048),
    _shape("llama-13b", 40, 5120, 13824, (40, 40, 128), 32000, 2048),
    _shape("llama-30b", 60, 6656, 17920, (52, 52, 128), 32000, 2048),
    _shape("llama-65b", 80, 8192, 22016, (64, 64, 128), 32000, 2048),
    _shape("llama-2-7b", 32, 4096, 11008, (32, 32, 128), 32000, 4096),
    _shape("llama-2-13b", 40, 5120, 13824, (40, 40, 128), 32000, 4096),
    _shape("llama-2-70b", 80, 8192, 28672, (64, 8, 128), 32000, 4096),
    _shape("codellama-7b", 32, 4096, 11008, (32, 32, 128), 32016, 16384),
    _shape("codellama-13b", 40, 5120, 13824, (40, 40, 128), 32016, 16384),
    _shape("codellama-34b", 48, 8192, 22016, (64, 8, 128), 32000, 16384),
    _shape("codellama-70b", 80, 8192, 28672, (64, 8, 128), 32016, 16384),
    _shape("llama-3-8b", 32, 4096, 14336, (32, 8, 128), 128256, 8192),
    _shape("llama-3-70b", 80, 8192, 28672, (64, 8, 128), 128256, 8192),
    _shape("llama-3.1-8b", 32, 4096, 14336, (32, 8, 128), 128256, 131072),
    _shape("llama-3.1-70b", 80, 8192, 28672, (64, 8, 128), 128256, 131072),
    _shape("llama-3.1-405b", 126, 16384, 53248, (128, 8, 128), 128256, 131072),
    _shape("llama-3.2-1b", 16, 2048, 8192, (32, 8, 64), 128256, 131072, tied=True),
    _shape("llama-3.2-3b", 28, 3072, 8192, (24, 8, 128), 128256, 131072, tied=True),
    _shape("llama-3.3-70b", 80, 8192, 28672, (64, 8, 128), 128256, 131072),
    _shape("tinyllama-1.1b", 22, 2048, 5632, (32, 4, 64), 32000, 2048),
    _shape("solar-10.7b", 48, 4096, 14336, (32, 8, 128), 32000, 4096),
    _shape("mistral-7b", 32, 4096, 14336, (32, 8, 128), 32000, 32768),
    _shape("mistral-nemo", 40, 5120, 14336, (32, 8, 128), 131072, 131072),
    _shape("mistral-small-24b", 40, 5120, 32768, (32, 8, 128), 131072, 32768),
    _shape("mistral-large", 88, 12288, 28672, (96, 8, 128), 32768, 131072),
    _shape("mixtral-8x7b", 32, 4096, 14336, (32, 8, 128), 32000, 32768, experts=(8, 2, 14336)),
    _shape("mixtral-8x22b", 56, 6144, 16384, (48, 8, 128), 32768, 65536, experts=(8, 2, 16384)),
    _shape("dbrx", 40, 6144, 10752, (48, 8, 128), 100352, 32768, experts=(16, 4, 10752)),
    _shape("qwen1.5-7b", 32, 4096, 11008, (32, 32, 128), 151936, 32768),
    _shape("qwen1.5-14b", 40, 5120, 13696, (40, 40, 128), 152064, 32768),
    _shape("qwen1.5-72b", 80, 8192, 24576, (64, 64, 128), 152064, 32768),
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
    _shape("deepseek-llm-7b", 30, 4096, 11008, (32, 32, 128), 102400, 4096),
    _shape("deepseek-llm-67b", 95, 8192, 22016, (64, 8, 128), 102400, 4096),
    _shape("bloom-3b", 30, 2560, 10240, (32, 32, 80), 250880, 2048, tied=True, gated=False),
    _shape("bloom-7b1", 30, 4096, 16384, (32, 32, 128), 250880, 2048, tied=True, gated=False),
    _shape("bloom-176b", 70, 14336, 57344, (112, 112, 128), 250880, 2048, tied=True, gated=False),
    _shape("opt-125m", 12, 768, 3072, (12, 12, 64), 50272, 2048, tied=True, gated=False),
    _shape("opt-1.3b", 24, 2048, 8192, (32, 32, 64), 50272, 2048, tied=True, gated=False),
    _shape("opt-2.7b", 32, 2560, 10240, (32, 32, 80), 50272, 2048, tied=True, gated=False),
    _shape("opt-6.7b", 32, 4096, 16384, (32, 32, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-13b", 40, 5120, 20480, (40, 40, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-30b", 48, 7168, 28672, (56, 56, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-66b", 64, 9216, 36864, (72, 72, 128), 50272, 2048, tied=True, gated=False),
    _shape("opt-175b", 96, 12288, 49152, (96, 96, 128), 50272, 2048, tied=True, gated=False),
    _shape("gpt-j-6b", 28, 4096, 16384, (16, 16, 256), 50400, 2048, gated=False),
    _shape("gpt-neox-20b", 44, 6144, 24576, (64, 64, 96), 50432, 2048, gated=False),
    _shape("pythia-6.9b", 32, 4096, 16384, (32, 32, 128), 50432, 2048, gated=False),
    _shape("pythia-12b", 36, 5120, 20480, (40, 40, 128), 50688, 2048, gated=False),
    _shape("mpt-7b", 32, 4096, 16384, (32, 32, 128), 50432, 2048, tied=True, gated=False),
    _shape("mpt-30b", 48, 7168, 28672, (64, 64, 112), 50432, 8192, tied=True, gated=False),
    _shape("falcon-7b", 32, 4544, 18176, (71, 1, 64), 65024, 2048, gated=False),
    _shape("falcon-40b", 60, 8192, 32768, (128, 8, 64), 65024, 2048, gated=False),
    _shape("falcon-180b", 80, 14848, 59392, (232, 8, 64), 65024, 2048, gated=False),
    _shape("starcoder2-15b", 40, 6144, 24576, (48, 4, 128), 49152, 16384, gated=False),
    _shape("command-r", 40, 8192, 22528, (64, 64, 128), 256000, 131072, tied=True),
    _shape("command-r-plus", 64, 12288, 33792, (96, 8, 128), 256000, 131072, tied=True),
    _shape("glm-4-9b", 40, 4096, 13696, (32, 2, 128), 151552, 131072),
    _shape("chatglm3-6b", 28, 4096, 13696, (32, 2, 128), 65024, 8192),
    _shape("baichuan2-7b", 32, 4096, 11008, (32, 32, 128), 125696, 4096),
    _shape("baichuan2-13b", 40, 5120, 13696, (40, 40, 128), 125696, 4096),
    _shape("internlm-20b", 60, 5120, 13824, (40, 40, 128), 103168, 4096),
    _shape("internlm2-7b", 32, 4096, 14336, (32, 8, 128), 92544, 32768),
    _shape("internlm2-20b", 48, 6144, 16384, (48, 8, 128), 92544, 32768),
    _shape("yi-6b", 32, 4096, 11008, (32, 4, 128), 64000, 4096),
    _shape("yi-34b", 60, 7168, 20480, (56, 8, 128), 64000, 4096),
    _shape("phi-2", 32, 2560, 10240, (32, 32, 80), 51200, 2048, gated=False),
    _shape("phi-3-mini", 32, 3072, 8192, (32, 32, 96), 32064, 4096),
    _shape("phi-3-medium", 40, 5120, 17920, (40, 10, 128), 32064, 4096),
    _shape("phi-4", 40, 5120, 17920, (40, 10, 128), 100352, 16384),
    _shape("phi-4-mini", 32, 3072, 8192, (24, 8, 128), 200064, 131072, tied=True),
    _shape("gemma-2b", 18, 2048, 16384, (8, 1, 256), 256000, 8192, tied=True),
    _shape("gemma-7b", 28, 3072, 24576, (16, 16, 256), 256000, 8192, tied=True),
    _shape("gemma-2-2b", 26, 2304, 9216, (8, 4, 256), 256000, 8192, tied=True, sliding=(4096, 13)),
    _shape("gemma-2-9b", 42, 3584, 14336, (16, 8, 256), 256000, 8192, tied=True, sliding=(4096, 21)),
    _shape("gemma-2-27b", 46, 4608, 36864, (32, 16, 128), 256000, 8192, tied=True, sliding=(4096, 23)),
    _shape("gemma-3-1b", 26, 1152, 6912, (4, 1, 256), 262144, 32768, tied=True, sliding=(512, 22)),
    _shape("gemma-3-4b", 34, 2560, 10240, (8, 4, 256), 262208, 131072, tied=True, sliding=(1024, 29)),
    _shape("gemma-3-12b", 48, 3840, 15360, (16, 8, 256), 262208, 131072, tied=True, sliding=(1024, 40)),
    _shape("gemma-3-27b", 62, 5376, 21504, (32, 16, 128), 262208, 131072, tied=True, sliding=(1024, 52)),
)
KNOWN_MODELS: Mapping[str, ModelShape] = MappingProxyType({shape.name: shape for shape in _SHAPES})
_OTHER_NAMES = {
    "bloom-176b": "bloom bloomz bloomz-176b",
    "bloom-7b1": "bloom-7.1b bloomz-7b1",
    "bloom-3b": "bloomz-3b",
    "gpt-j-6b": "gpt-j",
    "gpt-neox-20b": "gpt-neox",
    "llama-7b": "llama-1-7b",
    "llama-13b": "llama-1-13b",
    "llama-30b": "llama-1-30b llama-33b llama-1-33b vicuna-33b",
    "llama-65b": "llama-1-65b",
    "llama-2-7b": "vicuna-7b",
    "llama-2-13b": "vicuna-13b",
    "llama-2-70b": "llama-70b",
    "llama-3-8b": "llama-8b",
    "llama-3.1-8b": "llama-31-8b deepseek-r1-distill-llama-8b",
    "llama-3.1-70b": "llama-31-70b",
    "llama-3.1-405b": "llama-405b llama-31-405b",
    "llama-3.2-1b": "llama-32-1b",
    "llama-3.2-3b": "llama-32-3b",
    "llama-3.3-70b": "llama-33-70b deepseek-r1-distill-llama-70b",
    "mistral-7b": "mistral",
    "mistral-nemo": "mistral-nemo-12b",
    "mistral-small-24b": "mistral-small",
    "mistral-large": "mistral-large-123b",
    "mixtral-8x7b": "mixtral",
    "opt-175b": "gpt-3 gpt-3-175b",
    "phi-3-mini": "phi-3-mini-3.8b phi-3-3.8b phi-3.5-mini",
    "phi-3-medium": "phi-3-medium-14b phi-3-14b",
    "phi-4": "phi-4-14b",
    "phi-4-mini": "phi-4-mini-3.8b",
    "qwen1.5-7b": "qwen-7b",
    "qwen1.5-14b": "qwen-14b",
    "qwen1.5-72b": "qwen-72b",
    "qwen2.5-0.5b": "qwen2-0.5b qwen25-0.5b",
    "qwen2.5-1.5b": "qwen2-1.5b qwen25-1.5b",
    "qwen2.5-3b": "qwen25-3b",
    "qwen2.5-7b": "qwen2-7b qwen25-7b deepseek-r1-distill-qwen-7b",
    "qwen2.5-14b": "qwen25-14b deepseek-r1-distill-qwen-14b",
    "qwen2.5-32b": "qwen25-32b qwq-32b deepseek-r1-distill-qwen-32b",
    "qwen2.5-72b": "qwen2-72b qwen25-72b",
    "yi-6b": "yi-1.5-6b",
    "yi-34b": "yi-1.5-34b",
}
"""Of the same shape."""
# What a checkpoint's name says beside the shape: its training, its context, its version.
_SUFFIXES = re.compile(
    r"^(meta|hf|chat|coder|instruct|inst|thinking|base|it|pt|v\d+(\.\d+)?|\d+k|\d{4}|bnb|quantized|dynamic)$"
)
# How it is stored.
_FORMATS = re.compile(r"^(awq|gptq|nf4|fp8|fp16|bf16|float16|bfloat16|fp32|int4|int8|4bit|8bit|w\da\d+)$")


@functools.cache
def find_model(name: str) -> ModelShape:
    """The shape of the model called `name`, in any common spelling (`Llama-2-70b-chat-hf`, `llama2-70b`).

    Raises HarnessError that lists every name.
    """
    found = _by_compact_name().get(_compact(name))
    if found:
        return KNOWN_MODELS[found]
    raise HarnessError(
        f"there is no model {name!r} in the table of shapes",
        allowed=", ".join(KNOWN_MODELS),
        next_step=closest(name.lower(), KNOWN_MODELS) or "take one of these, or name its config.json",
    )


def precision_in_name(name: str) -> str:
    """The weight format that a checkpoint's name states, such as `fp8` or `gptqint8`; else empty."""
    return "".join(word for word in _words(name) if _FORMATS.match(word))


@functools.cache
def _by_compact_name() -> dict[str, str]:
    spellings = [(name, name) for name in KNOWN_MODELS]
    spellings += [(other, name) for name, others in _OTHER_NAMES.items() for other in others.split()]
    return {_compact(spelling): name for spelling, name in spellings}


def _compact(name: str) -> str:
    """`Llama-2-70b-chat-hf` as `llama2.70b`: separators count between digits alone."""
    words = [word for word in _words(name) if not _SUFFIXES.match(word) and not _FORMATS.match(word)]
    return re.sub(r"[^a-z0-9.]|(?<!\d)\.|\.(?!\d)", "", re.sub(r"(?<=\d)-(?=\d)", ".", "-".join(words)))


def _words(name: str) -> list[str]:
    return re.split(r"[-_ ]+|(?<=[a-z])\.", name.lower().rsplit("/", 1)[-1])

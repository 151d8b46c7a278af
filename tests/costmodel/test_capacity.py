"""Blocks and concurrency against vLLM's formulas, restated here a second time and layer by layer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.capacity import (
    GIB,
    MemorySettings,
    capacity,
    explain,
    kv_groups,
    stage_block_bytes,
)
from harness.costmodel.formats import weight_format
from harness.costmodel.memory import activation_bytes, layer_windows, stage_layers, weight_bytes
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.errors import HarnessError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "shapes"
SHAPES = {path.parent.name: shape_from_file(path) for path in sorted(FIXTURES.glob("*/config.json"))}
H100 = MemorySettings(79 * GIB, max_model_len=4096, gpu_memory_utilization=0.9)
SETTINGS = {
    "defaults": H100,
    "long": replace(H100, max_model_len=32_001),
    "fp8 cache": replace(H100, kv_bits=8.0, gpu_memory_utilization=0.95),
    "block 128": replace(H100, block_tokens=128, max_model_len=10_000),
    "two devices": replace(H100, tensor_parallel=2),
    "two stages": replace(H100, pipeline_parallel=2),
    "three stages": replace(H100, pipeline_parallel=3, max_num_batched_tokens=512, max_model_len=9000),
    "synchronous": replace(H100, async_scheduling=False, max_num_batched_tokens=300, max_model_len=6000),
}


def vllm_groups(windows: list[int]) -> list[list[int]]:
    """`get_kv_cache_groups`: layers with their window (0: full) -> groups of layers."""
    same_type: dict[int, list[int]] = defaultdict(list)
    for layer, window in enumerate(windows):
        same_type[window].append(layer)
    if len(same_type) == 1:
        return list(same_type.values())
    numbers = [len(layers) for layers in same_type.values()]
    group_size = min(numbers)
    if max(numbers) < min(numbers) * 1.5:
        group_size = max(numbers)
    groups = []
    for layers in same_type.values():
        number = -(len(layers) // -group_size)
        groups += [layers[i::number] for i in range(number)]
    return groups


def vllm_capacity(
    windows: list[int],
    page_bytes: int,
    stages: list[range],
    available: list[int],
    settings: MemorySettings,
) -> tuple[int, float] | None:
    """`get_kv_cache_configs`, `get_max_concurrency_for_kv_cache_config`; None where vLLM refuses to start."""
    per_request = 0
    groups = vllm_groups(windows)
    for group in groups:
        window = windows[group[0]]
        if window:
            batches = settings.pipeline_parallel + (1 if settings.async_scheduling else 0)
            in_flight = batches * settings.max_num_batched_tokens
            tokens = min(window - 1 + in_flight, settings.max_model_len)
            pages = -(tokens // -settings.block_tokens) + 1
        else:
            pages = -(settings.max_model_len // -settings.block_tokens)
        per_request += -(pages * page_bytes // -page_bytes)
    blocks = []
    for layers, free in zip(stages, available, strict=True):
        bytes_per_block = max(sum(page_bytes for layer in group if layer in layers) for group in groups)
        check = free - bytes_per_block  # the null block
        if check <= 0 or per_request * bytes_per_block > check:
            return None
        blocks.append(free // bytes_per_block)
    return min(blocks), min(blocks) / per_request


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("name", SHAPES)
def test_blocks_are_vllms(name: str, settings: MemorySettings) -> None:
    shape = SHAPES[name]
    if shape.kv_heads % settings.tensor_parallel and settings.tensor_parallel % shape.kv_heads:
        pytest.skip("vLLM does not split this model so")
    weights = weight_format("fp8", shape)
    windows = [shape.sliding_window if windowed else 0 for windowed in layer_windows(shape)]
    heads = max(1, shape.kv_heads // settings.tensor_parallel)
    page = heads * settings.block_tokens * 2 * shape.head_width * int(settings.kv_bits) // 8
    other = activation_bytes(
        shape, settings.max_num_batched_tokens, settings.max_num_seqs, settings.tensor_parallel
    )
    available = [
        ceil(settings.memory_bytes * settings.gpu_memory_utilization) - held - other - settings.overhead_bytes
        for held in weight_bytes(shape, weights, settings.tensor_parallel, settings.pipeline_parallel)
    ]
    stages = list(stage_layers(shape.layers, settings.pipeline_parallel))
    expected = vllm_capacity(windows, page, stages, available, settings)
    found = capacity(shape, weights, settings)
    if expected is None:
        assert (found.blocks, found.max_concurrency) == (0, 0.0)
        assert found.missing_bytes > 0
    else:
        assert (found.blocks, found.max_concurrency) == expected
        assert found.tokens == int(expected[1] * settings.max_model_len)
        assert found.fits


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("llama-3.1-8b", [(32, 0)]),
        ("mistral-7b-v0.1", [(32, 4096)]),
        ("gemma-2-9b", [(21, 0), (21, 4096)]),
        ("gemma-3-1b", [(4, 0), *[(4, 512)] * 4, *[(3, 512)] * 2]),
        ("gemma-3-4b", [(5, 0), *[(5, 1024)] * 5, (4, 1024)]),
    ],
)
def test_groups_of_layers(name: str, groups: list[tuple[int, int]]) -> None:
    assert [(len(group.layers), group.window) for group in kv_groups(SHAPES[name])] == groups


def test_groups_of_nearly_equal_kinds_take_the_larger_size() -> None:
    # 12 full and 13 sliding layers: two groups of 13, not three of 12.
    windowed = tuple(layer % 2 == 0 for layer in range(25))
    shape = replace(SHAPES["gemma-2-9b"], layers=25, windowed=windowed, sliding_layers=13)
    assert [len(group.layers) for group in kv_groups(shape)] == [12, 13]


def test_without_the_hybrid_cache_every_layer_holds_whole_sequences() -> None:
    shape = SHAPES["gemma-3-4b"]
    weights = weight_format("bf16", shape)
    settings = replace(H100, max_model_len=32_768)
    assert [len(group.layers) for group in kv_groups(shape, hybrid_kv_cache=False)] == [34]
    whole = capacity(shape, weights, replace(settings, hybrid_kv_cache=False))
    assert whole.max_concurrency < capacity(shape, weights, settings).max_concurrency / 2


def test_qwen3_4b_on_an_l4_reaches_21_with_bf16_weights() -> None:
    """The serving guide's "about 21x for 4,096 tokens" is the arithmetic of bf16 weights.

    22.0 GiB x 0.95 = 20.9 GiB, less 7.5 GiB of weights, 1.0 GiB of activations (16,384 tokens a step) and
    0.5 GiB of overhead: 11.9 GiB, and a sequence takes 576 MiB. FP8 halves the layers' 6.8 GiB, which is
    six sequences more; embeddings stay 16 bits. An FP8 checkpoint that keeps the LM head as a matrix of its
    own loads 0.7 GiB more: about 26.
    """
    shape = SHAPES["qwen3-4b"]
    l4 = MemorySettings(
        22 * GIB,
        max_model_len=4096,
        gpu_memory_utilization=0.95,
        max_num_batched_tokens=16_384,
        max_num_seqs=64,
    )
    bf16 = capacity(shape, weight_format("bf16", shape), l4)
    assert bf16.max_concurrency == pytest.approx(21.0, abs=0.2)
    assert (bf16.blocks_per_request, bf16.kv_bytes // bf16.blocks) == (256, 576 * 2**20 // 256)
    untied = replace(shape, tied=False)
    assert capacity(untied, weight_format("fp8", untied), l4).max_concurrency == pytest.approx(26.0, abs=0.5)
    assert capacity(shape, weight_format("fp8", shape), l4).max_concurrency == pytest.approx(27.1, abs=0.2)


def test_a_model_that_does_not_fit_says_by_how_much() -> None:
    shape = SHAPES["llama-2-70b"]
    weights = weight_format("bf16", shape)
    found = capacity(shape, weights, H100)
    assert (found.blocks, found.tokens, found.kv_bytes, found.longest_request_tokens) == (0, 0, 0, 0)
    assert not found.fits
    enough = ceil((ceil(79 * GIB * 0.9) + found.missing_bytes) / 0.9)
    assert capacity(shape, weights, replace(H100, memory_bytes=enough)).max_concurrency >= 1.0
    too_few = int((ceil(79 * GIB * 0.9) + found.missing_bytes - 1) / 0.9)
    assert not capacity(shape, weights, replace(H100, memory_bytes=too_few)).fits
    assert f"does not fit: {found.missing_bytes / GIB:.2f} GiB per device are missing" in explain(found)
    assert f"weights {found.weight_bytes / GIB:.2f} GiB" in explain(found)
    assert "overhead 0.50 GiB" in explain(found)


def test_a_request_that_is_too_long_says_what_would_fit() -> None:
    shape = SHAPES["llama-3.1-8b"]
    weights = weight_format("bf16", shape)
    long = replace(H100, memory_bytes=24 * GIB, max_model_len=131_072)
    found = capacity(shape, weights, long)
    assert not found.fits
    longest = found.longest_request_tokens
    assert f"{longest:,} tokens would fit" in explain(found)
    assert capacity(shape, weights, replace(long, max_model_len=longest)).fits
    assert not capacity(shape, weights, replace(long, max_model_len=longest + 1)).fits


def test_one_line_for_people() -> None:
    shape = SHAPES["llama-3.1-8b"]
    found = capacity(shape, weight_format("bf16", shape), H100)
    assert f"{found.blocks:,} blocks of 16 tokens" in explain(found)
    assert f"maximum concurrency {found.max_concurrency:.2f}x" in explain(found)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_bytes", 0),
        ("max_model_len", 0),
        ("gpu_memory_utilization", 1.1),
        ("gpu_memory_utilization", 0.0),
        ("block_tokens", 0),
        ("kv_bits", 0.0),
        ("max_num_batched_tokens", 0),
        ("max_num_seqs", -1),
        ("overhead_bytes", -1),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: float) -> None:
    with pytest.raises(HarnessError, match=field):
        replace(H100, **{field: value})


def test_a_model_that_cannot_be_split_is_refused() -> None:
    shape = SHAPES["qwen2.5-7b"]
    with pytest.raises(HarnessError, match=r"tensor_parallel.*allowed: 1, 2, 4, 28"):
        capacity(shape, weight_format("bf16", shape), replace(H100, tensor_parallel=8))


@st.composite
def cases(draw: st.DrawFn) -> tuple[ModelShape, MemorySettings]:
    shape = SHAPES[draw(st.sampled_from(sorted(SHAPES)))]
    return shape, MemorySettings(
        memory_bytes=draw(st.integers(1, 200)) * GIB + draw(st.integers(0, GIB)),
        max_model_len=draw(st.integers(1, 60_000)),
        gpu_memory_utilization=draw(st.floats(0.05, 1.0)),
        block_tokens=draw(st.sampled_from([1, 16, 32, 128])),
        kv_bits=draw(st.sampled_from([8.0, 16.0, 32.0])),
        tensor_parallel=1 if shape.kv_heads == 1 else draw(st.sampled_from([1, 2])),
        pipeline_parallel=draw(st.integers(1, 4)),
        max_num_batched_tokens=draw(st.integers(1, 20_000)),
        max_num_seqs=draw(st.integers(1, 1024)),
        async_scheduling=draw(st.booleans()),
        hybrid_kv_cache=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=60)
@given(case=cases())
def test_memory_is_never_over_committed(case: tuple[ModelShape, MemorySettings]) -> None:
    shape, settings = case
    weights = weight_format("fp8", shape)
    found = capacity(shape, weights, settings)
    assert found.fits == (found.max_concurrency > 0) == (found.missing_bytes == 0)
    assert found.fits == (found.longest_request_tokens == settings.max_model_len)
    if not found.fits:
        assert found.blocks == found.tokens == found.kv_bytes == 0
        return
    held = weight_bytes(shape, weights, settings.tensor_parallel, settings.pipeline_parallel)
    requested = ceil(settings.memory_bytes * settings.gpu_memory_utilization)
    fixed = found.activation_bytes + found.overhead_bytes
    for stage, block in zip(held, stage_block_bytes(shape, settings), strict=True):
        assert stage + fixed + found.blocks * block <= requested
    assert found.blocks > found.blocks_per_request


@settings(deadline=None, max_examples=60)
@given(case=cases(), more=st.integers(0, 40 * GIB), higher=st.floats(0.0, 0.5))
def test_capacity_grows_with_memory_and_utilization(
    case: tuple[ModelShape, MemorySettings], more: int, higher: float
) -> None:
    shape, settings = case
    weights = weight_format("fp8", shape)
    found = capacity(shape, weights, settings)
    utilization = min(1.0, settings.gpu_memory_utilization + higher)
    for larger in (
        replace(settings, memory_bytes=settings.memory_bytes + more),
        replace(settings, gpu_memory_utilization=utilization),
    ):
        other = capacity(shape, weights, larger)
        assert other.blocks >= found.blocks
        assert other.missing_bytes <= found.missing_bytes
        assert other.longest_request_tokens >= found.longest_request_tokens


@settings(deadline=None, max_examples=60)
@given(case=cases(), times=st.integers(2, 8))
def test_larger_blocks_hold_no_more(case: tuple[ModelShape, MemorySettings], times: int) -> None:
    shape, settings = case
    weights = weight_format("fp8", shape)
    found = capacity(shape, weights, settings)
    larger = capacity(shape, weights, replace(settings, block_tokens=times * settings.block_tokens))
    assert larger.blocks <= found.blocks // times
    assert larger.max_concurrency <= found.max_concurrency + 1e-9

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.formats import weight_format
from harness.costmodel.memory import (
    activation_bytes,
    kv_bytes,
    kv_bytes_per_token,
    layer_windows,
    require_split,
    stage_layers,
    weight_bytes,
)
from harness.costmodel.parameters import total_parameters
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.errors import HarnessError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "shapes"
SHAPES = {path.parent.name: shape_from_file(path) for path in sorted(FIXTURES.glob("*/config.json"))}
NAMES = st.sampled_from(sorted(SHAPES))
FORMATS = st.sampled_from(["bf16", "fp8", "nf4", "gptq_4bit", "q4_k_m"])


def degrees(shape: ModelShape) -> list[int]:
    """The tensor-parallel degrees up to 16 that this model can be split over."""
    found = []
    for degree in range(1, 17):
        try:
            require_split(shape, degree, 1)
        except HarnessError:
            continue
        found.append(degree)
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_bf16_weights_are_two_bytes_per_parameter(name: str) -> None:
    shape = SHAPES[name]
    assert weight_bytes(shape, weight_format("bf16", shape)) == (2 * total_parameters(shape),)


def test_tensor_parallel_share_by_hand() -> None:
    # Llama-2-70B on 16 devices: 4 heads, 1 of 8 key/value heads (each on two devices), norms whole.
    shape = SHAPES["llama-2-70b"]
    layer = 8192 * 128 * (4 + 4 + 1 + 1) + 3 * 8192 * 1792 + 2 * 8192
    parameters = 80 * layer + 2 * 2000 * 8192 + 8192
    assert weight_bytes(shape, weight_format("bf16", shape), 16) == (2 * parameters,)


def test_pipeline_stages_hold_their_layers_and_ends() -> None:
    shape = SHAPES["qwen3-4b"]
    first, middle, last = weight_bytes(shape, weight_format("bf16", shape), 1, 3)
    table = 2 * shape.vocabulary * shape.hidden
    assert first - middle == table
    assert last - middle == table + 2 * shape.hidden  # the tied head is a copy there, behind the last norm


def test_vocabulary_is_padded() -> None:
    shape = SHAPES["llama-3.1-8b"]
    odd = replace(shape, vocabulary=shape.vocabulary - 1)
    weights = weight_format("bf16", shape)
    assert weight_bytes(odd, weights) == weight_bytes(shape, weights)


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [
        (80, 4, [20] * 4),
        (10, 4, [2, 3, 3, 2]),
        (7, 2, [4, 3]),
        (11, 4, [3, 3, 3, 2]),
        (42, 4, [10, 11, 11, 10]),
    ],
)
def test_layers_that_are_left_over(layers: int, stages: int, sizes: list[int]) -> None:
    assert [len(stage) for stage in stage_layers(layers, stages)] == sizes


@settings(deadline=None, max_examples=50)
@given(layers=st.integers(1, 130), data=st.data())
def test_stages_cover_every_layer_once(layers: int, data: st.DataObject) -> None:
    stages = data.draw(st.integers(1, layers))
    split = stage_layers(layers, stages)
    assert [layer for stage in split for layer in stage] == list(range(layers))
    assert max(map(len, split)) - min(map(len, split)) <= 1


def test_kv_bytes_of_known_models() -> None:
    assert kv_bytes_per_token(SHAPES["qwen3-4b"]) == (147_456,)
    assert kv_bytes(SHAPES["qwen3-4b"], 4096) == (576 * 2**20,)
    assert kv_bytes_per_token(SHAPES["llama-2-70b"], 8.0, 8) == (80 * 2 * 128,)
    assert kv_bytes_per_token(SHAPES["llama-2-70b"], 16.0, 16) == kv_bytes_per_token(
        SHAPES["llama-2-70b"], 16.0, 8
    )
    assert kv_bytes_per_token(SHAPES["llama-3.1-8b"], 16.0, 1, 2) == (65_536, 65_536)


def test_windows_hold_no_more_than_the_window() -> None:
    mistral, gemma = SHAPES["mistral-7b-v0.1"], SHAPES["gemma-2-9b"]
    assert kv_bytes(mistral, 30_000) == kv_bytes(mistral, 4096)
    each = kv_bytes_per_token(gemma)[0]
    assert kv_bytes(gemma, 8192)[0] == each * (8192 + 4096) / 2


def test_windows_are_spread_where_their_place_is_unknown() -> None:
    shape = replace(SHAPES["gemma-2-9b"], windowed=())
    assert sum(layer_windows(shape)) == shape.sliding_layers
    assert [sum(layer_windows(shape)[stage.start : stage.stop]) for stage in stage_layers(42, 3)] == [7, 7, 7]
    assert layer_windows(replace(SHAPES["phi-4"], windowed=())) == (False,) * 40


def test_activations_by_hand() -> None:
    shape, tokens = SHAPES["qwen3-4b"], 16_384
    # Two hidden states, and gate, up and their product.
    assert activation_bytes(shape, tokens, 64) == tokens * 2 * (2 * 2560 + 3 * 9728)
    # Few tokens and a large vocabulary: 16-bit and float32 logits.
    assert activation_bytes(shape, 64, 64) == 64 * (2 * 2 * 2560 + 6 * 151_936)
    # Split over many devices, the MLP's output is larger than its share of the inner state.
    wide = SHAPES["llama-2-70b"]
    assert activation_bytes(wide, 8192, 1, 8) == 8192 * 2 * (2 * 8192 + 8192 + 3584)


def test_activations_of_attention_where_the_mlp_is_narrow() -> None:
    narrow = replace(SHAPES["llama-2-70b"], intermediate=64, vocabulary=64)
    queries, keys = 64 * 128, 8 * 128
    workspace = 50 * 64 * (128 + 1) * 4
    inside = 1000 * 2 * (2 * queries + 2 * keys) + workspace
    assert activation_bytes(narrow, 1000, 50) == 2 * 1000 * 8192 * 2 + inside
    # On 8 devices the projection's whole hidden state outweighs an eighth of the heads.
    assert activation_bytes(narrow, 1000, 1, 8) == 1000 * 2 * (2 * 8192 + queries // 8 + 8192)


def test_a_wide_shared_expert_outweighs_the_routed_ones() -> None:
    shape = replace(SHAPES["qwen3-30b-a3b"], shared_expert_intermediate=40_000)
    assert activation_bytes(shape, 100, 1) == 100 * 2 * (2 * 2048 + 3 * 40_000 + 2048)


def test_experts_hold_activations_for_each_chosen_expert() -> None:
    shape, tokens = SHAPES["qwen3-30b-a3b"], 4096
    routed = 8 * (2048 + 768) * 2 + 128 * 4 + 2048 * 2
    assert activation_bytes(shape, tokens, 1) == tokens * (2 * 2048 * 2 + routed)


@pytest.mark.parametrize(("tensor", "pipeline"), [(3, 1), (0, 1), (128, 1), (1, 0), (1, 81)])
def test_impossible_splits_are_refused(tensor: int, pipeline: int) -> None:
    shape = SHAPES["llama-2-70b"]
    with pytest.raises(HarnessError, match="cannot be split"):
        weight_bytes(shape, weight_format("bf16", shape), tensor, pipeline)


@settings(deadline=None, max_examples=50)
@given(name=NAMES, fmt=FORMATS, data=st.data())
def test_splitting_loses_no_bytes(name: str, fmt: str, data: st.DataObject) -> None:
    shape = SHAPES[name]
    weights = weight_format(fmt, shape)
    tensor = data.draw(st.sampled_from(degrees(shape)))
    pipeline = data.draw(st.integers(1, min(8, shape.layers)))
    tokens = data.draw(st.integers(1, 20_000))
    split = weight_bytes(shape, weights, tensor, pipeline)
    assert len(split) == pipeline
    assert tensor * sum(split) >= weight_bytes(shape, weights)[0]
    assert max(split) <= weight_bytes(shape, weights)[0]
    cache = kv_bytes(shape, tokens, 16.0, tensor, pipeline)
    assert tensor * sum(cache) >= kv_bytes(shape, tokens)[0]
    if tensor <= shape.kv_heads:
        assert tensor * sum(cache) == pytest.approx(kv_bytes(shape, tokens)[0])


@settings(deadline=None, max_examples=50)
@given(
    name=NAMES, tokens=st.integers(1, 40_000), more=st.integers(0, 5000), bits=st.sampled_from([8.0, 16.0])
)
def test_kv_cache_grows_with_the_sequence(name: str, tokens: int, more: int, bits: float) -> None:
    shape = SHAPES[name]
    shorter, longer = kv_bytes(shape, tokens, bits)[0], kv_bytes(shape, tokens + more, bits)[0]
    assert shorter <= longer <= shorter + more * kv_bytes_per_token(shape, bits)[0]


@settings(deadline=None, max_examples=50)
@given(name=NAMES, tokens=st.integers(1, 20_000), more=st.integers(0, 5000), data=st.data())
def test_activations_grow_with_tokens_and_shrink_with_devices(
    name: str, tokens: int, more: int, data: st.DataObject
) -> None:
    shape = SHAPES[name]
    sequences = data.draw(st.integers(1, 512))
    tensor = data.draw(st.sampled_from(degrees(shape)))
    one = activation_bytes(shape, tokens, sequences)
    assert one <= activation_bytes(shape, tokens + more, sequences)
    assert activation_bytes(shape, tokens, sequences, tensor) <= one
    assert one >= 2 * tokens * shape.hidden * 2

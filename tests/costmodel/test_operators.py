"""Operators of a step: FLOPs and bytes counted by hand, and what must hold for any shape."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel import operators as ops
from harness.costmodel.known_models import find_model
from harness.costmodel.load import StepLoad, decode_load, prefill_load
from harness.costmodel.precision import find_precision

FP16 = find_precision("fp16", find_model("llama-2-7b"))
TINY = replace(
    find_model("llama-2-7b"),
    layers=3, hidden=8, intermediate=20, heads=4, kv_heads=2, head_width=2, vocabulary=50, dense_layers=3,
)  # fmt: skip
TINY_EXPERTS = replace(
    TINY, experts=4, experts_per_token=2, expert_intermediate=6, shared_expert_intermediate=5, dense_layers=1
)
NO_LOAD = StepLoad(0, 0, 0, 0, 0, 0)


def _flops(shape, tokens, tensor_parallel=1):
    found = (ops.matmul_operator(m, tokens, FP16, 8, 0.5) for m in ops.layer_matmuls(shape, tensor_parallel))
    return sum(operator.repeats * operator.flops for operator in found)


def test_products_of_a_dense_layer_by_hand():
    weights = 8 * (8 + 2 * 4) + 8 * 8 + 3 * 8 * 20
    assert _flops(TINY, 5) == 3 * 2 * 5 * weights


def test_two_matrices_without_a_gate():
    weights = 8 * (8 + 2 * 4) + 8 * 8 + 2 * 8 * 20
    assert _flops(replace(TINY, gated=False), 5) == 3 * 2 * 5 * weights


def test_products_with_experts_by_hand():
    attention = 8 * (8 + 2 * 4) + 8 * 8
    sparse = attention + 8 * 4 + 2 * 3 * 8 * 6 + 3 * 8 * 5
    dense = attention + 3 * 8 * 20
    assert _flops(TINY_EXPERTS, 5) == pytest.approx(2 * 5 * (dense + 2 * sparse), rel=1e-12)


def test_experts_touched_by_one_token_and_by_many():
    assert ops.experts_touched(128, 8, 1) == pytest.approx(8)
    assert ops.experts_touched(128, 8, 2) == pytest.approx(8 + 8 * 120 / 128)
    assert ops.experts_touched(8, 2, 10_000) == pytest.approx(8)


def test_weight_bytes_of_one_token_are_those_of_touched_experts():
    up = next(m for m in ops.layer_matmuls(TINY_EXPERTS, 1) if m.name == "experts up")
    activations = 2 * (8 + 12) * 2
    assert ops.matmul_operator(up, 1, FP16, 8, 0.5).bytes == pytest.approx(2 * 12 * 8 * 2 + activations)


def test_few_bits_are_fewer_bytes_but_routers_stay_wide():
    int4 = find_precision("awq", TINY_EXPERTS)
    for matrix in ops.layer_matmuls(TINY_EXPERTS, 1):
        wide, narrow = (ops.matmul_operator(matrix, 1, p, 8, 0.5).bytes for p in (FP16, int4))
        assert (wide == narrow) == (matrix.name == "router")


def test_tensor_parallelism_splits_products_and_copies_missing_kv_heads():
    qkv = ops.layer_matmuls(TINY, 4)[0]
    assert (qkv.outputs, qkv.inputs) == ((1 + 2 * 1) * 2, 8)
    assert _flops(TINY, 5, 2) == _flops(TINY, 5) / 2


def test_attention_of_a_prompt_by_hand():
    (operator,) = ops.attention_operators(TINY, prefill_load(4, context_before=3), FP16, 1)
    pairs = 4 + 5 + 6 + 7
    assert operator.flops == 4 * 4 * 2 * pairs
    assert operator.bytes == 7 * (2 * 2 * 2 * 2) + 2 * 4 * 8 * 2


def test_attention_of_decoding_sequences_by_hand():
    (operator,) = ops.attention_operators(TINY, decode_load(3, 100), FP16, 2)
    assert operator.flops == 4 * 2 * 2 * 100
    assert operator.bytes == 100 * (2 * 1 * 2 * 2) + 2 * 3 * 4 * 2


def test_a_window_bounds_what_its_layers_read():
    shape = replace(TINY, sliding_window=10, sliding_layers=2)
    full, windowed = ops.attention_operators(shape, decode_load(3, 100), FP16, 1)
    assert (full.repeats, windowed.repeats) == (1, 2)
    assert windowed.flops == full.flops * 30 / 100
    full, windowed = ops.attention_operators(shape, prefill_load(100), FP16, 1)
    assert full.flops == 4 * 8 * 5050
    assert windowed.flops == 4 * 8 * 1000


def test_head_counts_only_sequences_that_sample():
    operator = ops.matmul_operator(ops.head_matmul(TINY, 1), 3, FP16, 8, 0.5)
    assert operator.flops == 2 * 3 * 50 * 8


def test_an_all_reduce_sends_what_a_ring_sends():
    operator = ops.all_reduce_operator(TINY, 5, FP16, 4)
    assert operator.repeats == 2 * 3
    assert operator.bytes == 2 * 3 / 4 * 5 * 8 * 2


def test_a_pipeline_transfers_hidden_states_between_stages():
    operator = ops.transfer_operator(TINY, 5, FP16, 3)
    assert (operator.repeats, operator.bytes) == (2, 5 * 8 * 2)


def test_elementwise_traffic_comes_from_the_cache_while_it_fits():
    small, large = (ops.elementwise_operator(TINY, 10, 1, 1.0, cache) for cache in (1e9, 0.0))
    assert small.bytes == pytest.approx(large.bytes * ops.CACHED_COST)
    split = 2 * (4 + 2 * 2) * 2 + 3 * 20
    assert large.bytes == 10 * (8 * 8 + split) * 2
    assert ops.elementwise_operator(TINY, 0, 1, 1.0, 0.0).bytes == 0.0


@pytest.mark.parametrize(
    ("rows", "covered"), [(1, 16), (16, 16), (17, 32), (33, 64), (64, 64), (65, 128), (129, 256)]
)
def test_tiles_cover_whole_rows(rows, covered):
    assert ops.tile_rows(rows) == covered


def test_a_large_product_loses_half_a_wave():
    tiles = 4 * 2
    assert ops.padded_flops(512, 256, 64, 10, 0.5) == 2 * 128 * 128 * 64 * (tiles + 5)


def test_a_product_of_few_tiles_is_split_along_its_inputs():
    """2 tiles on 80 multiprocessors: in 4 parts, since each keeps 512 of 2,048 inputs."""
    assert ops.padded_flops(16, 256, 2048, 80, 0.5) == 2 * 16 * 128 * 2048 * (2 + 40 / 4)


@settings(deadline=None)
@given(
    rows=st.floats(0.1, 5000.0), outputs=st.integers(1, 5000), inputs=st.integers(1, 5000),
    multiprocessors=st.integers(1, 200), loss=st.floats(0.0, 1.0),
)  # fmt: skip
def test_padding_never_saves_work_and_grows_with_rows(rows, outputs, inputs, multiprocessors, loss):
    padded = ops.padded_flops(rows, outputs, inputs, multiprocessors, loss)
    assert padded >= 2.0 * rows * outputs * inputs * (1 - 1e-12)
    assert padded <= ops.padded_flops(rows * 1.5, outputs, inputs, multiprocessors, loss)


@settings(deadline=None)
@given(tokens=st.integers(1, 3000), more=st.integers(0, 500), expert=st.booleans(), degree=st.integers(1, 4))
def test_bytes_and_flops_grow_with_tokens(tokens, more, expert, degree):
    for matrix in ops.layer_matmuls(TINY_EXPERTS if expert else TINY, degree):
        few, many = (ops.matmul_operator(matrix, n, FP16, 20, 0.5) for n in (tokens, tokens + more))
        slack = 1 + 1e-12
        assert few.bytes <= many.bytes * slack
        assert few.flops <= many.flops * slack
        assert few.padded_flops <= many.padded_flops * slack
        assert few.flops <= few.padded_flops * slack


@settings(deadline=None)
@given(chunks=st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_chunks_of_a_prompt_have_the_pairs_of_the_whole(chunks):
    load, before = NO_LOAD, 0
    for new in chunks:
        load = load.with_chunk(new, before)
        before += new
    assert load.prefill_pairs == prefill_load(sum(chunks)).prefill_pairs
    assert load.tokens == sum(chunks)
    assert load.sequences == len(chunks)


def test_kv_bytes_of_a_known_model():
    shape = find_model("qwen3-4b")
    assert shape.layers * ops.kv_bytes_per_token(shape, FP16, 1) == 147_456


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llama-2-70b", 69.0), ("llama-30b", 32.5), ("llama-3-8b", 8.0), ("mistral-7b", 7.2),
        ("mixtral-8x7b", 46.7), ("qwen2.5-7b", 7.6), ("qwen3-30b-a3b", 30.5), ("bloom-176b", 176.0),
        ("opt-66b", 66.0), ("gemma-2-9b", 9.2), ("phi-4", 14.7), ("qwen2.5-0.5b", 0.49), ("opt-1.3b", 1.3),
        ("gemma-7b", 8.5), ("gemma-2b", 2.5), ("gemma-3-27b", 27.0), ("falcon-7b", 7.2),
        ("falcon-180b", 180.0),
        ("phi-2", 2.78), ("phi-3-medium", 14.0), ("phi-4-mini", 3.8), ("dbrx", 132.0), ("gpt-neox-20b", 20.6),
        ("gpt-j-6b", 6.05), ("mpt-30b", 30.0), ("command-r-plus", 104.0), ("mistral-large", 123.0),
        ("mistral-nemo", 12.2), ("internlm2-20b", 19.9), ("glm-4-9b", 9.4), ("deepseek-llm-67b", 67.4),
        ("starcoder2-15b", 16.0), ("baichuan2-13b", 13.9), ("qwen1.5-72b", 72.3), ("tinyllama-1.1b", 1.1),
    ],
)  # fmt: skip
def test_known_shapes_have_the_published_number_of_parameters(name, billions):
    shape = find_model(name)
    layers = sum(m.repeats * m.outputs * m.inputs * max(m.experts, 1) for m in ops.layer_matmuls(shape, 1))
    head = ops.head_matmul(shape, 1)
    total = layers + head.outputs * head.inputs * (1 if shape.tied else 2)
    assert total / 1e9 == pytest.approx(billions, rel=0.02)
    assert not math.isnan(total)


def test_loads_by_hand():
    assert decode_load(3, 100) == StepLoad(0, 0, 0, 0, 3, 100)
    assert prefill_load(4, 2, context_before=3) == StepLoad(8, 2 * (4 * 3 + 10), 14, 2, 0, 0)
    assert decode_load(3, 100).with_chunk(4, 3).with_chunk(2) == StepLoad(6, 25, 9, 2, 3, 100)


def test_the_elementwise_inner_state_is_that_of_the_chosen_experts_and_splits():
    dense, sparse = (ops.elementwise_operator(shape, 10, 1, 1.0, 0.0).bytes for shape in (TINY, TINY_EXPERTS))
    assert dense - sparse == 10 * 3 * (20 - (2 * 6 + 5)) * 2
    plain = ops.elementwise_operator(replace(TINY, gated=False), 10, 1, 1.0, 0.0).bytes
    assert dense - plain == 10 * 20 * 2
    split = ops.elementwise_operator(TINY, 10, 2, 1.0, 0.0)
    assert dense - split.bytes == 10 * (2 * (4 + 2 * 2) * 2 + 3 * 20) / 2 * 2
    assert (split.flops, split.padded_flops) == (0.0, 0.0)
    half_cached = ops.elementwise_operator(TINY, 10, 1, 1.0, 10 * 8 * 2 / 2)
    assert half_cached.bytes == pytest.approx(dense * (1.0 + ops.CACHED_COST) / 2.0)


def test_tensor_parallelism_splits_every_expert_and_copies_the_router():
    whole, split = (
        {m.name: (m.outputs, m.inputs) for m in ops.layer_matmuls(replace(TINY_EXPERTS, dense_layers=0), n)}
        for n in (1, 2)
    )
    assert split["experts up"] == (whole["experts up"][0] // 2, 8)
    assert split["experts down"] == (8, 3)
    assert (split["shared expert up"], split["shared expert down"]) == ((6, 8), (8, 3))
    assert split["router"] == whole["router"] == (4, 8)


def test_a_product_of_no_rows_with_experts_reads_no_activations():
    up = next(m for m in ops.layer_matmuls(TINY_EXPERTS, 1) if m.name == "experts up")
    assert ops.matmul_operator(up, 0, FP16, 8, 0.5).flops == 0.0

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.formats import FORMAT_NAMES, weight_format
from harness.costmodel.gguf_mixes import BLOCKS, MIXES, layer_types, use_more_bits
from harness.costmodel.memory import weight_bytes
from harness.costmodel.parameters import total_parameters
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.errors import HarnessError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "shapes"
SHAPES = {path.parent.name: shape_from_file(path) for path in sorted(FIXTURES.glob("*/config.json"))}
LLAMA_8B, LLAMA_70B = SHAPES["llama-3.1-8b"], SHAPES["llama-2-70b"]


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("Q8_0", 8.5),
        ("Q6_K", 6.5625),
        ("Q5_K", 5.5),
        ("Q4_K", 4.5),
        ("Q3_K", 3.4375),
        ("Q2_K", 2.625),
        ("TQ2_0", 2.0625),
        ("TQ1_0", 1.6875),
        ("Q5_1", 6.0),
        ("Q5_0", 5.5),
        ("Q4_1", 5.0),
        ("Q4_0", 4.5),
        ("IQ4_NL", 4.5),
        ("F16", 16.0),
    ],
)
def test_bits_of_gguf_blocks(kind: str, bits: float) -> None:
    assert BLOCKS[kind].bits_per_weight == bits


def test_blocks_are_those_of_the_gguf_package() -> None:
    gguf = pytest.importorskip("gguf", reason="needs the gguf package of the `models` extra")
    for kind, block in BLOCKS.items():
        weights, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        assert (block.weights, block.bits) == (weights, 8 * size)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("bf16", 16.0),
        ("fp16", 16.0),
        ("fp8", 8.0 + 32 / 128**2),
        ("nf4", 4.5),
        ("nf4_double", 4.0 + 8 / 64 + 32 / (64 * 256)),
        ("gptq_4bit", 4.0 + 20 / 128),
        ("awq_4bit_g64", 4.0 + 20 / 64),
        ("gptq_3bit", 3.0 + 19 / 128),
    ],
)
def test_bits_of_formats_with_equal_blocks(name: str, bits: float) -> None:
    found = weight_format(name, LLAMA_8B)
    assert found.linear_bits == pytest.approx(bits, rel=1e-12)
    assert (found.embedding_bits, found.head_bits) == (16.0, 16.0)
    if found.block:
        assert found.block.bits_per_weight == pytest.approx(bits, rel=1e-12)


def test_int8_has_one_scale_per_output() -> None:
    # By hand: six of seven matrices have 4,096 inputs, ffn_down 14,336.
    long_rows = 4096 * 14336
    weights = 4096 * (4096 * 2 + 1024 * 2) + 3 * long_rows
    scales = 32 * (4096 * 2 + 1024 * 2 + 2 * 14336 + 4096)
    assert weight_format("int8", LLAMA_8B).linear_bits == pytest.approx(8 + scales / weights)


# Quoted: GB (10^9 bytes) that the publishers of these quantizations list; made with the present rules.
@pytest.mark.parametrize(
    ("model", "mix", "file_gb"),
    [
        ("llama-2-70b", "q3_k_l", 36.15),
        ("llama-2-70b", "q4_k_m", 41.42),
        ("llama-2-70b", "q5_k_s", 47.46),
        ("llama-2-70b", "q5_k_m", 48.75),
        ("llama-2-70b", "q6_k", 56.59),
        ("llama-2-70b", "q8_0", 73.29),
        ("llama-2-70b", "q4_0", 38.87),
        ("llama-3.1-8b", "q2_k", 3.18),
        ("llama-3.1-8b", "q3_k_m", 4.02),
        ("llama-3.1-8b", "q4_k_s", 4.69),
        ("llama-3.1-8b", "q4_k_m", 4.92),
        ("llama-3.1-8b", "q5_k_m", 5.73),
        ("mistral-7b-v0.1", "q3_k_m", 3.52),
        ("mistral-7b-v0.1", "q4_k_m", 4.37),
        ("mixtral-8x7b", "q6_k", 38.38),
        ("phi-3-mini-4k", "q2_k", 1.42),
        ("phi-3-mini-4k", "q3_k_m", 1.96),
        ("phi-3-mini-4k", "q4_k_m", 2.39),
        ("gemma-2-9b", "q4_k_m", 5.76),
        ("qwen2.5-7b", "q4_k_m", 4.68),
        ("qwen3-4b", "q4_k_m", 2.50),
    ],
)
def test_gguf_files_have_their_published_size(model: str, mix: str, file_gb: float) -> None:
    # The file also holds the tokenizer, up to 10 MB.
    shape = SHAPES[model]
    assert weight_bytes(shape, weight_format(mix, shape))[0] / 1e9 == pytest.approx(file_gb, abs=0.012)


def test_q4_k_m_is_no_constant() -> None:
    bits = {
        name: 8 * weight_bytes(shape, weight_format("q4_k_m", shape))[0] / total_parameters(shape)
        for name, shape in SHAPES.items()
    }
    assert bits["llama-2-70b"] == pytest.approx(4.80, abs=0.01)
    assert bits["llama-3.1-8b"] == pytest.approx(4.89, abs=0.01)
    assert bits["phi-3-mini-4k"] == pytest.approx(5.01, abs=0.01)


def test_layers_that_get_more_bits() -> None:
    # 32 layers: four at either end, then every third.
    assert [layer for layer in range(32) if use_more_bits(layer, 32)] == [
        *range(4),
        *(6, 9, 12, 15, 18, 21, 24, 27),
        *range(28, 32),
    ]


def types(mix: str, shape: ModelShape, layer: int) -> dict[str, str]:
    return {linear.role: kind for linear, kind in layer_types(mix, shape, layer)}


def test_types_of_one_layer() -> None:
    assert types("q4_k_m", LLAMA_8B, 0) == {
        **dict.fromkeys(("attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"), "Q4_K"),
        **dict.fromkeys(("attn_v", "ffn_down"), "Q6_K"),
    }
    assert set(types("q4_k_m", LLAMA_8B, 4).values()) == {"Q4_K"}
    assert types("q4_k_m", LLAMA_70B, 10)["attn_v"] == "Q5_K"
    q2 = types("q2_k", LLAMA_8B, 9)
    assert (q2["attn_v"], q2["attn_output"], q2["ffn_down"], q2["attn_q"]) == ("Q4_K", "Q3_K", "Q3_K", "Q2_K")
    q3 = [types("q3_k_m", LLAMA_8B, layer) for layer in (0, 2)]
    assert [(layer["attn_v"], layer["ffn_down"]) for layer in q3] == [("Q5_K", "Q5_K"), ("Q4_K", "Q4_K")]
    mixtral = types("q4_k_m", SHAPES["mixtral-8x7b"], 9)
    assert (mixtral["attn_k"], mixtral["attn_v"], mixtral["attn_output"]) == ("Q8_0", "Q8_0", "Q5_K")
    assert types("q4_k_m", SHAPES["phi-4"], 9)["attn_q"] == "Q5_K"


def test_rows_that_fill_no_block_take_another_type() -> None:
    narrow = replace(LLAMA_8B, hidden=896)
    assert types("q4_k_m", narrow, 5)["attn_q"] == "Q5_0"
    assert weight_format("q4_k_m", narrow).head_bits == 8.5
    odd = replace(LLAMA_8B, hidden=900)
    assert types("q8_0", odd, 5)["attn_q"] == "F16"


def test_tied_embeddings_have_the_heads_type() -> None:
    tied, untied = weight_format("q4_k_m", SHAPES["qwen3-4b"]), weight_format("q4_k_m", LLAMA_8B)
    assert (tied.embedding_bits, tied.head_bits) == (6.5625, 6.5625)
    assert (untied.embedding_bits, untied.head_bits) == (4.5, 6.5625)


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("fp32", "float32 F32 torch.float32"),
        ("fp16", "FP16 float16 half f16 torch.float16 16bit"),
        ("bf16", "BF16 bfloat16 torch.bfloat16 none"),
        ("fp8", "FP8 fp8_e4m3 fp8-e5m2 FP8(E4M3) float8_e4m3fn fp8_w8a8 w8a8_fp8"),
        ("fp8_tensor", "fp8-dynamic FP8_TENSOR"),
        ("int8", "INT8 8bit 8-bit w8a8 W8A8-INT8 int8_w8a8 llm.int8 smoothquant bnb_8bit"),
        ("nf4", "NF4 4bit 4-bit bnb-4bit bnb_nf4 bitsandbytes fp4"),
        ("nf4_double", "nf4-double NF4_double_quant"),
        ("gptq_4bit", "GPTQ int4 INT4 w4a16 gptq-int4 gptq_4 gptq_marlin GPTQ-W4A16"),
        ("gptq_8bit", "w8a16 gptq_int8 int8_w8a16"),
        ("gptq_4bit_g32", "gptq-4bit-32g W4A16_g32 int4-g32"),
        ("awq_4bit", "AWQ awq-int4 AWQ_4bit awq_marlin W4A16_AWQ"),
        ("awq_4bit_g64", "awq-4bit-g64 AWQ_INT4_G64"),
        ("q4_k_m", "Q4_K_M Q4_K q4-k-m gguf_q4_k_m Q4_K_M.gguf"),
        ("q8_0", "Q8_0 q8-0"),
    ],
)
def test_names_in_other_spellings(name: str, spellings: str) -> None:
    for spelling in spellings.split():
        assert weight_format(spelling, LLAMA_8B) == weight_format(name, LLAMA_8B), spelling


def test_eight_bits_of_gptq_are_unpacked_and_have_a_scale_and_a_zero_per_group() -> None:
    found = weight_format("gptq_8bit", LLAMA_8B)
    assert found.linear_bits == pytest.approx(8.0 + 24 / 128)
    assert found.compute == "fp16"


@pytest.mark.parametrize(
    "name",
    ["q4_k_x", "gptq_5bit", "gptq_4bit_g7", "int5", "mxfp4", "iq4_xs", "tf32", "auto", "4", "-", ""],
)
def test_an_unknown_format_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(HarnessError, match="no weight format") as caught:
        weight_format(name, LLAMA_8B)
    assert "nf4_double" in str(caught.value)


@settings(deadline=None, max_examples=50)
@given(name=st.sampled_from(FORMAT_NAMES), model=st.sampled_from(sorted(SHAPES)))
def test_bits_lie_between_the_smallest_and_largest_type(name: str, model: str) -> None:
    found = weight_format(name, SHAPES[model])
    assert found.name == name
    assert found.source
    least = BLOCKS[MIXES[name]].bits_per_weight if name in MIXES else 3.0
    assert least <= found.linear_bits <= 32.0
    if name in MIXES and name not in ("q8_0", "q6_k", "q5_1"):
        assert found.linear_bits < 6.5625

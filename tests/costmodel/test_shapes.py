from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.parameters import (
    active_parameters,
    embedding_parameters,
    head_parameters,
    layer_linears,
    layer_parameters,
    total_parameters,
)
from harness.costmodel.shapes import shape_from_config, shape_from_file
from harness.errors import HarnessError

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "shapes"
PUBLISHED = {
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-4b": 4_022_468_096,
    "qwen3-30b-a3b": 30_532_122_624,
    "mistral-7b-v0.1": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "phi-3-mini-4k": 3_821_079_552,
    "phi-4": 14_659_507_200,
    "gemma-2-9b": 9_241_705_984,
    "gemma-3-1b": 999_885_952,
}
SMALL = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "vocab_size": 1000,
}


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_parameters_are_the_published_number(name: str, parameters: int) -> None:
    assert total_parameters(shape_from_file(FIXTURES / name)) == parameters


def test_every_fixture_is_read_and_has_its_origin() -> None:
    origins = (FIXTURES / "README.md").read_text(encoding="utf-8")
    folders = sorted(path.parent for path in FIXTURES.glob("*/config.json"))
    assert {folder.name for folder in folders} == {*PUBLISHED, "gemma-3-4b"}
    for folder in folders:
        assert f"`{folder.name}`" in origins
        assert shape_from_file(folder).name == folder.name


def test_active_parameters_of_experts() -> None:
    # Published as "12.9B" and "3.3B" active parameters.
    mixtral, qwen = (shape_from_file(FIXTURES / name) for name in ("mixtral-8x7b", "qwen3-30b-a3b"))
    assert active_parameters(mixtral) == 12_879_925_248
    assert active_parameters(qwen) == pytest.approx(3.3e9, rel=0.02)
    dense = shape_from_file(FIXTURES / "llama-3.1-8b")
    assert active_parameters(dense) == total_parameters(dense)


def test_one_layer_of_llama_2_70b() -> None:
    # The 856 M parameters of which the published layer times are.
    shape = shape_from_file(FIXTURES / "llama-2-70b")
    assert layer_parameters(shape) == 855_654_400
    assert embedding_parameters(shape) == head_parameters(shape) == 262_144_000


def test_tied_head_adds_nothing() -> None:
    shape = shape_from_file(FIXTURES / "qwen3-4b")
    assert shape.tied
    assert head_parameters(shape) == 0


def test_nested_text_config_takes_the_defaults_of_the_language_model() -> None:
    shape = shape_from_file(FIXTURES / "gemma-3-4b")
    assert (shape.heads, shape.kv_heads, shape.head_width, shape.vocabulary) == (8, 4, 256, 262_208)
    assert (shape.sliding_window, shape.sliding_layers) == (1024, 29)
    assert shape.tied
    assert shape.qk_norm
    # By hand: 34 layers (15,728,640 attention, 78,643,200 MLP, 10,752 norms), embeddings, the last norm.
    assert total_parameters(shape) == 34 * 94_382_592 + 262_208 * 2560 + 2560


def test_defaults_of_a_short_config() -> None:
    shape = shape_from_config(SMALL, "small")
    assert (shape.kv_heads, shape.head_width, shape.context_tokens) == (4, 16, 2048)
    assert not shape.tied
    assert shape.dense_layers == shape.layers


def test_biases_count() -> None:
    plain = shape_from_config(SMALL, "small")
    biased = shape_from_config({**SMALL, "attention_bias": True, "mlp_bias": True}, "biased")
    assert layer_parameters(biased) - layer_parameters(plain) == 4 * 64 + 2 * 160 + 64


def windows(architecture: str, **keys: object) -> tuple[int, list[int]]:
    config = {**SMALL, "num_key_value_heads": 4, "architectures": [architecture], **keys}
    shape = shape_from_config(config, "windowed")
    assert shape.sliding_layers == sum(shape.windowed)
    return shape.sliding_window, [layer for layer, windowed in enumerate(shape.windowed) if windowed]


def test_windows_of_each_family() -> None:
    assert windows("MistralForCausalLM") == (4096, [0, 1, 2, 3])
    assert windows("MistralForCausalLM", sliding_window=0) == (0, [])
    assert windows("LlamaForCausalLM") == (0, [])
    assert windows("Phi3ForCausalLM", sliding_window=8) == (8, [0, 1, 2, 3])
    assert windows("Gemma2ForCausalLM") == (4096, [0, 2])
    assert windows("Gemma3ForCausalLM", sliding_window_pattern=3) == (4096, [0, 1, 3])
    assert windows("Gemma3ForCausalLM", num_hidden_layers=7) == (4096, [0, 1, 2, 3, 4, 6])


def test_windows_that_must_be_switched_on() -> None:
    on = {"use_sliding_window": True, "sliding_window": 16}
    assert windows("Qwen2ForCausalLM", sliding_window=16) == (0, [])
    assert windows("Qwen2ForCausalLM", max_window_layers=3, **on) == (16, [3])
    assert windows("Qwen3ForCausalLM", max_window_layers=4, **on) == (0, [])
    assert windows("Qwen3MoeForCausalLM", **on) == (16, [0, 1, 2, 3])
    assert windows("Qwen2MoeForCausalLM", max_window_layers=3, **on) == (16, [0, 2])


def test_layer_types_win_over_patterns() -> None:
    types = ["sliding_attention", "full_attention", "full_attention", "full_attention"]
    assert windows("Gemma2ForCausalLM", layer_types=types) == (4096, [0])
    assert windows("Gemma2ForCausalLM", layer_types=["full_attention"] * 4) == (0, [])


def test_layers_without_experts() -> None:
    config = {**SMALL, "architectures": ["Qwen2MoeForCausalLM"], "num_key_value_heads": 4}
    shape = shape_from_config({**config, "decoder_sparse_step": 2, "mlp_only_layers": [1]}, "moe")
    assert (shape.experts, shape.experts_per_token, shape.dense_layers) == (60, 4, 3)
    assert (shape.expert_intermediate, shape.shared_expert_intermediate) == (1408, 5632)
    assert shape.qkv_bias
    roles = [linear.role for linear in layer_linears(shape, 3)]
    assert roles.count("router") == 2  # the experts' and the shared expert's gate
    assert "router" not in [linear.role for linear in layer_linears(shape, 0)]


def test_model_type_where_no_architecture_is_named() -> None:
    config = {key: value for key, value in SMALL.items() if key != "architectures"}
    assert shape_from_config({**config, "model_type": "llama"}, "x").architecture == "LlamaForCausalLM"
    for kind in ("qwen3_moe", "gemma3_text"):
        wider = {**config, "model_type": kind, "num_key_value_heads": 4}
        assert shape_from_config(wider, "x").layers == 4


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"architectures": ["MambaForCausalLM"]}, ("architectures", "MambaForCausalLM", "Gemma2ForCausalLM")),
        ({"architectures": None}, ("model_type", "LlamaForCausalLM")),
        ({"architectures": []}, ("model_type", "LlamaForCausalLM")),
        (
            {"architectures": ["Gemma2ForCausalLM"], "num_key_value_heads": 4, "sliding_window_pattern": 0},
            ("sliding_window_pattern", "is 0", "from 1"),
        ),
        ({"hidden_size": None}, ("hidden_size", "missing", "whole number")),
        ({"num_hidden_layers": 0}, ("num_hidden_layers", "is 0", "from 1")),
        ({"vocab_size": -5}, ("vocab_size", "-5")),
        ({"vocab_size": 32000.5}, ("vocab_size", "32000.5")),
        ({"vocab_size": True}, ("vocab_size", "True")),
        ({"intermediate_size": "160"}, ("intermediate_size", "'160'")),
        ({"num_key_value_heads": 3}, ("num_key_value_heads", "divisor of 4")),
        ({"num_attention_heads": 5}, ("hidden_size", "multiple of 5")),
        ({"tie_word_embeddings": "yes"}, ("tie_word_embeddings", "true, false")),
        ({"sliding_window": 8, "layer_types": ["full_attention"]}, ("layer_types", "4 times")),
        (
            {"sliding_window": 8, "layer_types": ["linear_attention"] * 4},
            ("layer_types", "sliding_attention"),
        ),
        ({"num_local_experts": 4, "num_experts_per_tok": 5}, ("num_experts_per_tok", "1 to 4")),
    ],
)
def test_a_wrong_key_is_named_with_its_file(change: dict[str, object], names: tuple[str, ...]) -> None:
    with pytest.raises(HarnessError) as caught:
        shape_from_config({**SMALL, **change}, "x", where="models/x/config.json")
    for part in ("models/x/config.json", *names):
        assert part in str(caught.value)


def test_files_that_are_no_config(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        shape_from_file(tmp_path)
    file = tmp_path / "config.json"
    for text, what in (("{", "not JSON"), ("[1]", "no JSON object")):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(HarnessError, match=what):
            shape_from_file(file)
    file.write_text(json.dumps(SMALL), encoding="utf-8")
    assert shape_from_file(file) == replace(shape_from_config(SMALL, "x"), name=tmp_path.name)


@settings(deadline=None, max_examples=50)
@given(
    heads=st.sampled_from([(4, 4), (8, 2), (16, 1)]),
    layers=st.integers(1, 9),
    width=st.integers(1, 64),
    inner=st.integers(1, 300),
    experts=st.integers(0, 6),
)
def test_parameters_are_those_of_the_layers(
    heads: tuple[int, int], layers: int, width: int, inner: int, experts: int
) -> None:
    config = {
        **SMALL,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "head_dim": width,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_local_experts": experts,
        "num_experts_per_tok": min(2, experts) or None,
    }
    shape = shape_from_config(config, "drawn")
    attention = 64 * width * 2 * (heads[0] + heads[1])
    mlp = 3 * 64 * inner * max(1, experts) + 64 * experts
    assert layer_parameters(shape, 0) == attention + mlp + 2 * 64
    assert total_parameters(shape) == layers * layer_parameters(shape) + 2 * 1000 * 64 + 64
    assert active_parameters(shape) <= total_parameters(shape)

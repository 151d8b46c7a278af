"""The table of shapes says what the models' own config.json say."""

import re
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from harness.costmodel.formats import weight_format
from harness.costmodel.known_models import KNOWN_MODELS, find_model, precision_in_name
from harness.costmodel.parameters import total_parameters
from harness.costmodel.shapes import ModelShape, shape_from_file
from harness.errors import HarnessError

CONFIGS = Path(__file__).resolve().parents[2] / "fixtures" / "shapes"
# Left out: mistral-7b-v0.1 and phi-3-mini-4k, whose windows later versions dropped.
BOTH = (
    "gemma-2-9b", "gemma-3-1b", "gemma-3-4b", "llama-2-70b", "llama-3.1-8b", "mixtral-8x7b", "phi-4",
    "qwen2.5-7b", "qwen3-30b-a3b", "qwen3-4b",
)  # fmt: skip


def sizes(shape: ModelShape) -> tuple[object, ...]:
    """All but the names, how matrices are stored, and what a user may set: the context and its windows."""
    same = {"name": "", "architecture": "", "context_tokens": 0, "windowed": (), "fused_qkv": False}
    return astuple(replace(shape, **same))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BOTH)
def test_sizes_are_those_of_the_config(name: str) -> None:
    assert sizes(find_model(name)) == sizes(shape_from_file(CONFIGS / name / "config.json"))


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("llama2-70b", "llama-2-70b"), ("Llama-2-70b-chat-hf", "llama-2-70b"), ("phi4", "phi-4"),
        ("meta-llama/Llama-2-70B", "llama-2-70b"), ("llama_2_13b", "llama-2-13b"),
        ("llama1-30b", "llama-30b"), ("Mixtral 8x22B", "mixtral-8x22b"),
        ("llama-33b", "llama-30b"), ("bigscience/bloom", "bloom-176b"), ("bloom-7.1b", "bloom-7b1"),
        ("facebook/opt-1.3b", "opt-1.3b"), ("OPT-13B", "opt-13b"), ("llama3-8b", "llama-3-8b"),
        ("Meta-Llama-3.1-70B-Instruct-FP8", "llama-3.1-70b"), ("llama-3-1-8b", "llama-3.1-8b"),
        ("Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "llama-3.1-8b"), ("qwen2-7b", "qwen2.5-7b"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b"), ("Qwen2.5-7B-Instruct-GPTQ-Int4", "qwen2.5-7b"),
        ("Qwen3-4B-Instruct-2507", "qwen3-4b"), ("Phi-3-mini-4k-instruct", "phi-3-mini"),
        ("gemma-2-9b-it", "gemma-2-9b"), ("gemma-2b-it", "gemma-2b"), ("gemma2-2b", "gemma-2-2b"),
        ("tiiuae/falcon-40b-instruct", "falcon-40b"), ("vicuna-13b-v1.5", "llama-2-13b"),
    ],
)  # fmt: skip
def test_models_are_found_by_common_spellings(spelling: str, name: str) -> None:
    assert find_model(spelling).name == name


@pytest.mark.parametrize("name", KNOWN_MODELS)
def test_every_model_is_found_by_its_own_name(name: str) -> None:
    assert find_model(name) is KNOWN_MODELS[name]
    assert find_model(name.upper().replace("-", "_")) is KNOWN_MODELS[name]


@pytest.mark.parametrize("name", ["qwen2-57b-a14b", "llama-2", "deepseek-v3", "gpt-oss-20b", "-", ""])
def test_another_model_is_not_taken_for_one_of_these(name: str) -> None:
    with pytest.raises(HarnessError, match="no model"):
        find_model(name)


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("Llama-2-7b-chat-hf", ""), ("Qwen3-30B-A3B-FP8", "fp8"), ("TheBloke/Llama-2-7B-AWQ", "awq"),
        ("Qwen2.5-7B-Instruct-GPTQ-Int8", "gptqint8"), ("Llama-3.1-8B-quantized.w8a8", "w8a8"),
    ],
)  # fmt: skip
def test_a_name_may_state_a_weight_format(name: str, stated: str) -> None:
    assert precision_in_name(name) == stated
    if stated:
        assert weight_format(stated, find_model(name)).linear_bits < 9.0


SIZES = {name: re.search(r"-(\d+(?:\.\d+)?)b", name) for name in KNOWN_MODELS}


@pytest.mark.parametrize(("name", "billions"), [(name, found[1]) for name, found in SIZES.items() if found])
def test_a_size_in_the_name_is_the_number_of_parameters(name: str, billions: str) -> None:
    # Names round, some of them down: gemma-7b has 8.5 billion, gemma-2-2b 2.6.
    assert total_parameters(KNOWN_MODELS[name]) / 1e9 == pytest.approx(float(billions), rel=0.32)

"""Which weights a role uses on a row, and whether they are here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.hardware import (
    ModelOverride,
    hub_folder,
    load_matrix,
    missing_weights,
    resolve_model,
    weights_folder,
)

SHIPPED = load_matrix(Path(__file__).parents[2] / "hardware_matrix.toml")


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def snapshot(hub: Path, name: str) -> Path:
    return hub / f"models--{name.replace('/', '--')}" / "snapshots" / "0123abc"


def test_the_pair_of_the_document() -> None:
    remote = resolve_model(SHIPPED, "prompts_optimize", "l4")
    local = resolve_model(SHIPPED, "prompts_deploy", "l4")
    assert remote is not None
    assert local is not None
    assert (remote.location, remote.quantization) == ("unsloth/Qwen3-4B-Instruct-2507-FP8", "fp8")
    assert (local.file, local.quantization) == ("Qwen3-4B-Instruct-2507-Q4_K_M.gguf", "q4_k_m")
    pair = SHIPPED.rows["l4"].quantization
    assert (pair["optimized_on"], pair["deployed"]) == (remote.quantization, local.quantization)


@pytest.mark.parametrize("row", sorted(SHIPPED.rows))
def test_a_row_with_a_deployed_pair_has_both_models(row: str) -> None:
    pair = SHIPPED.rows[row].quantization
    if pair:
        roles = {"prompts_optimize": pair["optimized_on"], "prompts_deploy": pair["deployed"]}
        for role, precision in roles.items():
            checkpoint = resolve_model(SHIPPED, role, row)
            assert checkpoint is not None
            assert checkpoint.quantization == precision


def test_the_memory_of_a_row_holds_its_models() -> None:
    bits = {"fp8": 8.0, "q4_k_m": 4.9, "nf4": 4.5, "none": 16.0}
    for entries in SHIPPED.models.values():
        for entry in (entry for entry in entries if entry.engine != "none"):
            gib = entry.parameters_billions * 1e9 * bits[entry.quantization] / 8 / 2**30
            for row in (SHIPPED.rows[name] for name in entry.rows):
                assert gib < 0.9 * row.memory_gib * max(row.gpus, 1)


def test_unknown_role_suggests_the_closest() -> None:
    with pytest.raises(HarnessError, match=r"'detecton'.*did you mean 'detection'"):
        resolve_model(SHIPPED, "detecton", "l4")


def test_no_model_for_a_row_names_the_options(tmp_path: Path) -> None:
    reason = missing_weights(SHIPPED, "extraction", "t4", tmp_path)
    assert reason == "no model for extraction on t4: pass --model PATH|ID or --endpoint URL"


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    reason = missing_weights(SHIPPED, "prompts_optimize", "l4", tmp_path)
    assert reason == (
        "needs weights unsloth/Qwen3-4B-Instruct-2507-FP8: hf download unsloth/Qwen3-4B-Instruct-2507-FP8"
    )


def test_downloaded_weights_are_found(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "unsloth/Qwen3-4B-Instruct-2507-FP8")
    write(folder / "config.json")
    assert missing_weights(SHIPPED, "prompts_optimize", "l4", tmp_path) is not None
    write(folder / "model.safetensors")
    assert missing_weights(SHIPPED, "prompts_optimize", "l4", tmp_path) is None


def test_one_shard_of_two_is_not_enough(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "meta-llama/Llama-2-7b-chat-hf")
    shards = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    write(folder / "model.safetensors.index.json", json.dumps(index))
    write(folder / shards[0])
    assert missing_weights(SHIPPED, "detection", "t4", tmp_path) is not None
    write(folder / shards[1])
    assert missing_weights(SHIPPED, "detection", "t4", tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_a_broken_index_counts_as_missing(text: str, tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "meta-llama/Llama-2-7b-chat-hf")
    write(folder / "model.safetensors.index.json", text)
    write(folder / "model.safetensors")
    assert missing_weights(SHIPPED, "detection", "t4", tmp_path) is not None


def test_a_gguf_of_another_quantization_is_not_it(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, "unsloth/Qwen3-4B-Instruct-2507-GGUF")
    write(folder / "Qwen3-4B-Instruct-2507-Q8_0.gguf")
    assert missing_weights(SHIPPED, "prompts_deploy", "l4", tmp_path) is not None
    write(folder / "Qwen3-4B-Instruct-2507-Q4_K_M.gguf")
    assert missing_weights(SHIPPED, "prompts_deploy", "l4", tmp_path) is None


def test_embedded_models_lie_beside_the_matrix(tmp_path: Path) -> None:
    matrix = replace(SHIPPED, path=tmp_path / "hardware_matrix.toml")
    reason = missing_weights(matrix, "prompts_deploy", "cpu", tmp_path / "hub")
    assert reason == "needs weights fixtures/models/entities: git checkout -- fixtures/models"
    folder = write(tmp_path / "fixtures/models/entities/model.safetensors").parent
    assert missing_weights(matrix, "prompts_deploy", "cpu", tmp_path / "hub") is None
    checkpoint = resolve_model(matrix, "prompts_deploy", "cpu")
    assert checkpoint is not None
    assert weights_folder(checkpoint, tmp_path, tmp_path / "hub") == folder


def test_an_override_by_path(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.gguf")
    override = ModelOverride(model=str(file))
    assert missing_weights(SHIPPED, "extraction", "t4", tmp_path, override) is None
    gone = ModelOverride(model=str(tmp_path / "gone.gguf"))
    assert missing_weights(SHIPPED, "extraction", "t4", tmp_path, gone) == (
        f"needs weights {gone.model}: put it at {gone.model}"
    )


def test_an_override_by_name(tmp_path: Path) -> None:
    override = ModelOverride(model="org/other-model")
    assert missing_weights(SHIPPED, "detection", "l4", tmp_path, override) == (
        "needs weights org/other-model: hf download org/other-model"
    )
    write(snapshot(tmp_path, "org/other-model") / "model.safetensors")
    assert missing_weights(SHIPPED, "detection", "l4", tmp_path, override) is None


def test_an_endpoint_needs_no_weights(tmp_path: Path) -> None:
    override = ModelOverride(endpoint="http://localhost:8000/v1")
    assert missing_weights(SHIPPED, "extraction", "t4", tmp_path, override) is None


@given(
    st.text(max_size=20) | st.sampled_from(["localhost:8000", "ftp://host", "http://", "http://[", "/tmp"])
)
def test_what_is_no_url_is_one_message(endpoint: str) -> None:
    if not endpoint or endpoint.startswith(("http://h", "https://")):
        return
    with pytest.raises(HarnessError, match="is no endpoint"):
        missing_weights(SHIPPED, "detection", "l4", Path("hub"), ModelOverride(endpoint=endpoint))


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "home/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/huggingface/hub"),
        ({"HF_HOME": "hf", "XDG_CACHE_HOME": "xdg"}, "hf/hub"),
        ({"HF_HUB_CACHE": "cache", "HF_HOME": "hf"}, "cache"),
        ({"HUGGINGFACE_HUB_CACHE": "old"}, "old"),
    ],
)
def test_the_hub_folder(environ: dict[str, str], folder: str) -> None:
    assert hub_folder(environ, Path("home")) == Path(folder)

import json
import shutil
import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.models.checkpoint import (
    CONFIG,
    INDEX,
    MANIFEST,
    WEIGHTS,
    folder_hashes,
    read_checkpoint,
    read_tensors,
    weights_hash,
    write_bytes,
)


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))


def test_a_whole_folder_is_read(tiny_model: Path) -> None:
    model = read_checkpoint(tiny_model)
    assert (model.shape.architecture, model.shape.hidden, model.shape.layers) == ("qwen2", 256, 2)
    assert model.chat_template.startswith("{% for")
    tensors = dict(read_tensors(model))
    assert tensors["model.embed_tokens.weight"].shape == (384, 256)
    assert "lm_head.weight" not in tensors


def test_saving_twice_gives_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    from models_fixtures import write_tiny_model

    assert folder_hashes(write_tiny_model(tmp_path / "again")) == folder_hashes(tiny_model)


def test_a_missing_package(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(HarnessError, match="safetensors is not installed; make install EXTRA=models"):
        read_checkpoint(tiny_model)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(HarnessError, match=f"{name} is missing"):
        read_checkpoint(folder)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such folder"):
        read_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 7, 100, 50_000, -1])
def test_truncated_weights(folder: Path, kept: int) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:kept])
    with pytest.raises(HarnessError, match="truncated or damaged"):
        read_checkpoint(folder)


def test_a_pickle_is_refused_with_the_reason(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    with pytest.raises(HarnessError, match=r"pytorch_model\.bin is a pickle.*runs whatever code"):
        read_checkpoint(folder)


def test_hashes_of_the_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"files": folder_hashes(folder)}))
    read_checkpoint(folder)
    damaged = bytearray((folder / WEIGHTS).read_bytes())
    damaged[-1] ^= 1
    (folder / WEIGHTS).write_bytes(damaged)
    with pytest.raises(HarnessError, match=r"model\.safetensors: the SHA-256 is not the one"):
        read_checkpoint(folder)


def test_a_manifest_cannot_point_outside(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"files": {"../copy/config.json": "0"}}))
    with pytest.raises(HarnessError, match="is missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "'GPT2LMHeadModel'.*Qwen3ForCausalLM"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope scaling"),
        ({"quantization_config": {}}, "already quantized"),
        ({"hidden_size": "wide"}, "no number"),
        ({"num_hidden_layers": 3}, "12 tensors are missing, first model.layers.2"),
        ({"num_hidden_layers": 1}, "belongs to no tensor"),
        ({"vocab_size": 400}, r"config.json makes it \(400, 256\)"),
    ],
)
def test_what_the_config_and_the_weights_disagree_on(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    change_config(folder, **changes)
    with pytest.raises(HarnessError, match=message):
        read_checkpoint(folder)


def test_no_json_in_config(folder: Path) -> None:
    (folder / CONFIG).write_text("{")
    with pytest.raises(HarnessError, match="no readable JSON"):
        read_checkpoint(folder)


def test_nan_is_refused(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    tensors["model.norm.weight"][3] = torch.nan
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(HarnessError, match=r"model\.norm\.weight holds NaN"):
        list(read_tensors(read_checkpoint(folder)))


def test_shards_are_read_as_one(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    whole = load_file(folder / WEIGHTS)
    names = sorted(whole)
    places = {name: f"model-{index % 2}.safetensors" for index, name in enumerate(names)}
    for file in set(places.values()):
        save_file({name: whole[name] for name in names if places[name] == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    (folder / WEIGHTS).unlink()
    read = dict(read_tensors(read_checkpoint(folder)))
    assert all(torch.equal(read[name], whole[name].float()) for name in names)
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(HarnessError, match=r"model-1\.safetensors is missing"):
        read_checkpoint(folder)


def test_the_hash_covers_what_is_exported(folder: Path) -> None:
    before = weights_hash(read_checkpoint(folder))
    (folder / "notes.txt").write_text("not exported")
    assert weights_hash(read_checkpoint(folder)) == before
    (folder / "chat_template.jinja").write_text("other")
    assert weights_hash(read_checkpoint(folder)) != before


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]

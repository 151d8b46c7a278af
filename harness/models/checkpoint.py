"""A checkpoint folder in Hugging Face's layout: read, checked, written. safetensors only, never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.models.architecture import Shape, read_shape, tensor_shapes
from harness.models.packages import package
from harness.models.qwen2_pieces import with_qwen2_pieces

if TYPE_CHECKING:
    import torch

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TOKENIZER, TOKENIZER_CONFIG, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
MANIFEST = "manifest.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A checked checkpoint folder. `files` holds which weights file each tensor is in."""

    folder: Path
    config: Mapping[str, Any]
    shape: Shape
    files: Mapping[str, Path]
    tokenizer: Mapping[str, Any]
    chat_template: str


def read_checkpoint(folder: Path) -> SavedModel:
    """Check a folder without loading its weights: files, hashes (where a manifest is), tensors and shapes.

    Raises HarnessError, which names what is missing, damaged or not supported.
    """
    if not folder.is_dir():
        raise HarnessError("there is no such folder", where=str(folder), next_step="give a checkpoint folder")
    if (folder / MANIFEST).exists():
        check_hashes(folder)
    config = read_object(folder / CONFIG)
    shape = read_shape(config, str(folder / CONFIG))
    found: dict[str, Path] = {}
    for path in _weight_files(folder):
        found |= _tensors_in(path, tensor_shapes(shape))
    if shape.tied:
        found.pop("lm_head.weight", None)
    missing = [name for name in tensor_shapes(shape) if name not in found]
    if missing:
        raise HarnessError(
            f"{len(missing)} tensors are missing, first {missing[0]}",
            where=str(folder),
            next_step="fetch the checkpoint again",
        )
    return SavedModel(folder, config, shape, found, read_object(folder / TOKENIZER), _chat_template(folder))


def read_tensors(model: SavedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and float32 values of every tensor, in the order of `tensor_shapes`.

    Raises HarnessError for a value that is not finite.
    """
    torch, safetensors = package("torch"), package("safetensors")
    opened = {path: safetensors.safe_open(path, "pt") for path in set(model.files.values())}
    for name in tensor_shapes(model.shape):
        tensor = opened[model.files[name]].get_tensor(name).to(torch.float32)
        if not torch.isfinite(tensor).all():
            raise HarnessError(f"{name} holds NaN or infinity", where=str(model.files[name]))
        yield name, tensor


def weights_hash(model: SavedModel) -> str:
    """SHA-256 over everything that reaches an exported file: config, weights, tokenizer, chat template."""
    whole = hashlib.sha256()
    names = [CONFIG, TOKENIZER, *sorted({path.name for path in model.files.values()})]
    for name in names:
        whole.update(f"{name} {file_hash(model.folder / name)}\n".encode())
    whole.update(model.chat_template.encode())
    return whole.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in the folder but the manifest, by name: its `files` entry."""
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    return {path.name: file_hash(path) for path in paths}


def check_hashes(folder: Path) -> None:
    """Compare every file that the manifest's `files` lists; raises HarnessError on the first difference."""
    manifest = folder / MANIFEST
    listed = read_object(manifest).get("files")
    if not isinstance(listed, dict) or not all(isinstance(value, str) for value in listed.values()):
        raise HarnessError("`files` must map file names to SHA-256 values", where=str(manifest))
    for name, wanted in sorted(listed.items()):
        path = folder / name
        if path.name != name or not path.is_file():
            raise HarnessError(f"{name}, which the manifest lists, is missing", where=str(folder))
        if file_hash(path) != wanted:
            raise HarnessError(
                "the SHA-256 is not the one in the manifest",
                where=str(path),
                next_step="restore the file, or write the manifest anew if the change is meant",
            )


def save_checkpoint(model: Any, tokenizer: Any, chat_template: str, folder: Path) -> None:
    """Write a Qwen2 model (as bf16 safetensors) and a `tokenizers` tokenizer in this layout.

    Same model and tokenizer, same bytes. Tied output weights are left out; the tokenizer is written with
    Qwen2's pieces, as every engine will read it.
    """
    import torch
    from safetensors.torch import save

    from harness.models.example import END, PAD

    config = model.config.to_dict() | {"architectures": [type(model).__name__], "dtype": "bfloat16"}
    names = tensor_shapes(read_shape(config, str(folder / CONFIG)))
    state = model.state_dict()
    tensors = {name: state[name].detach().to(torch.bfloat16).contiguous() for name in names}
    words = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": model.config.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
    write_bytes(folder / CONFIG, _json_bytes(config))
    write_bytes(folder / TOKENIZER, (with_qwen2_pieces(tokenizer).to_str(pretty=True) + "\n").encode())
    write_bytes(folder / TOKENIZER_CONFIG, _json_bytes(words))
    write_bytes(folder / TEMPLATE, chat_template.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: to a name of its own first, then renamed."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises HarnessError when there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarnessError(f"{path.name} is missing", where=str(path.parent)) from None
    except (OSError, ValueError) as error:
        raise HarnessError(f"no readable JSON: {error}", where=str(path)) from None
    if not isinstance(value, dict):
        raise HarnessError("no JSON object", where=str(path))
    return value


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _weight_files(folder: Path) -> list[Path]:
    index = folder / INDEX
    if index.is_file():
        places = read_object(index).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise HarnessError("there is no `weight_map`", where=str(index))
        paths = [folder / Path(str(name)).name for name in sorted(set(places.values()))]
    else:
        paths = [folder / WEIGHTS]
    for path in paths:
        if not path.is_file():
            _refuse_pickles(folder)
            raise HarnessError(f"{path.name} is missing", where=str(folder), next_step="fetch it again")
    return paths


def _refuse_pickles(folder: Path) -> None:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise HarnessError(
            f"{pickles[0]} is a pickle, and reading one runs whatever code it holds",
            where=str(folder),
            allowed="safetensors",
            next_step="save the weights as safetensors",
        )


def _tensors_in(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Path]:
    safetensors = package("safetensors")
    found = {}
    try:
        with safetensors.safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                dimensions = tuple(file.get_slice(name).get_shape())
                if name in wanted and dimensions != wanted[name]:
                    raise HarnessError(
                        f"{name} is {dimensions}, config.json makes it {wanted[name]}", where=str(path)
                    )
                if name not in wanted and name != "lm_head.weight":
                    raise HarnessError(f"{name} belongs to no tensor of this architecture", where=str(path))
                found[name] = path
    except (safetensors.SafetensorError, OSError) as error:
        raise HarnessError(
            f"truncated or damaged: {error}", where=str(path), next_step="fetch the file again"
        ) from None
    return found


def _chat_template(folder: Path) -> str:
    """The template in its own file or in tokenizer_config.json; empty when there is none."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    template = read_object(folder / TOKENIZER_CONFIG).get("chat_template") or ""
    if not isinstance(template, str):
        raise HarnessError("chat_template is no text", where=str(folder / TOKENIZER_CONFIG))
    return template

"""What is in a model's files: one SHA-256 over all that reaches its answers."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from harness.errors import HarnessError
from harness.models.checkpoint import file_hash

_WEIGHTS = ("*.safetensors", "*.gguf", "*.bin")
_BESIDE = ("config.json", "generation_config.json", "tokenizer*", "chat_template*", "vocab*", "merges*")


def weights_digest(path: Path) -> str:
    """SHA-256 of a weights file, or of a folder's weights, configuration, tokenizer and chat template.

    A file is read again only when its size or its time of change is another. Raises HarnessError where
    there are no weights.
    """
    if path.is_file():
        return _file_digest(path)
    weights = {file for pattern in _WEIGHTS for file in path.glob(pattern) if file.is_file()}
    if not weights:
        raise HarnessError(
            "there are no weights", where=str(path), allowed="a GGUF file, or a folder with safetensors"
        )
    beside = {file for pattern in _BESIDE for file in path.glob(pattern) if file.is_file()}
    whole = hashlib.sha256()
    for file in sorted(weights | beside):
        whole.update(f"{file.name} {_file_digest(file)}\n".encode())
    return whole.hexdigest()


def _file_digest(path: Path) -> str:
    status = path.stat()
    return _hashed(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _hashed(path: Path, _size: int, _changed_ns: int) -> str:
    return file_hash(path)

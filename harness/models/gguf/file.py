"""What a GGUF file holds, checked without loading it: architecture, tensor types, bytes, fallbacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.architecture import ARCHITECTURES
from harness.models.packages import package


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A whole and known GGUF file.

    `precision` is llama.cpp's name of the file type, such as Q4_K_M. `types` counts tensors by ggml type.
    `fallbacks` names each matrix whose rows the asked type cannot divide, with the type it has instead.
    """

    path: Path
    architecture: str
    precision: str
    context_tokens: int
    size_bytes: int
    types: Mapping[str, int]
    fallbacks: tuple[str, ...]


def read_gguf(path: Path) -> GgufFile:
    """Read keys and tensor table; raises HarnessError: missing, truncated, no GGUF, another architecture."""
    gguf = package("gguf")

    if not path.is_file():
        raise HarnessError("there is no such file", where=str(path), next_step="harness models export")
    try:
        reader = gguf.GGUFReader(path)
        keys = {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, IndexError, KeyError, OverflowError, OSError, MemoryError) as error:
        raise HarnessError(
            f"truncated, damaged or no GGUF: {error}", where=str(path), next_step="make or fetch it again"
        ) from None
    architecture = keys.get("general.architecture")
    if architecture not in ARCHITECTURES.values():
        raise HarnessError(
            f"the architecture is {architecture!r}",
            where=str(path),
            allowed=", ".join(ARCHITECTURES.values()),
            next_step="give a GGUF file of one of these",
        )
    precision = _precision(keys.get("general.file_type"), path)
    return GgufFile(
        path=path,
        architecture=str(architecture),
        precision=precision,
        context_tokens=int(keys.get(f"{architecture}.context_length", 0)),
        size_bytes=path.stat().st_size,
        types=dict(sorted(Counter(tensor.tensor_type.name for tensor in reader.tensors).items())),
        fallbacks=tuple(_fallbacks(reader.tensors, precision)),
    )


def _precision(file_type: Any, path: Path) -> str:
    gguf = package("gguf")

    try:
        name = str(gguf.LlamaFileType(file_type).name)
    except ValueError:
        raise HarnessError(f"its file type {file_type!r} is unknown", where=str(path)) from None
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def _fallbacks(tensors: Any, precision: str) -> list[str]:
    """llama.cpp quantizes blocks of a row; a row that is no whole number of blocks gets another type."""
    gguf = package("gguf")

    name = precision.removesuffix("_S").removesuffix("_M").removesuffix("_L")
    kind = gguf.GGMLQuantizationType.__members__.get(name)
    if kind is None:  # a mixture without a type of its own name
        return []
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    return [
        f"{tensor.name} is {tensor.tensor_type.name}: {int(tensor.shape[0])} is no multiple of {block}"
        for tensor in tensors
        if len(tensor.shape) > 1 and int(tensor.shape[0]) % block
    ]

"""GGUF files of any precision, quantized by llama.cpp itself and kept by what they were made from."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.models.checkpoint import SavedModel, read_checkpoint, weights_hash
from harness.models.gguf.export import export_gguf

QUANTIZED = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K", "TQ2_0")
# name in GGUF -> name in the export
UNQUANTIZED = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
PRECISIONS = (*UNQUANTIZED, *QUANTIZED)
# raise it when the export writes other bytes
EXPORT_VERSION = 1


def quantize(source: Path, to: str, out: Path | None = None) -> Path:
    """The GGUF file of a checkpoint folder in precision `to`: from the cache, or made now.

    With `out` it is written there instead; `gguf_file.read_gguf` tells what came out. Raises HarnessError
    for an unknown precision or a checkpoint that cannot be exported, EngineFailure when llama.cpp crashed.
    """
    if to not in PRECISIONS:
        raise HarnessError(f"{to!r} is no precision", where="--to", allowed=", ".join(PRECISIONS))
    model = read_checkpoint(source)
    cached = cache_folder(os.environ) / f"{source.resolve().name}-{to}-{_key(model, to)}.gguf"
    if out is None:
        return cached if cached.exists() else _make(model, to, cached)
    if cached.exists():
        return _copy(cached, out)
    return _make(model, to, out)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """HARNESS_CACHE, or build/models in the project, or a folder of the user's where there is no project."""
    if environ.get("HARNESS_CACHE"):
        return Path(environ["HARNESS_CACHE"]).expanduser()
    root = Path(__file__).resolve().parents[3]
    if (root / "pyproject.toml").is_file():
        return root / "build" / "models"
    return Path.home() / ".cache" / "optimization-harness" / "models"


def _key(model: SavedModel, to: str) -> str:
    """Identifies the bytes of a result: what it is made from, by what, into what."""
    try:
        made_by = version("llama-cpp-python")
    except PackageNotFoundError:
        raise HarnessError(
            "llama-cpp-python is not installed", next_step="make install EXTRA=models"
        ) from None
    text = f"{weights_hash(model)} {to} llama-cpp-python {made_by} export {EXPORT_VERSION}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make(model: SavedModel, to: str, out: Path) -> Path:
    if to in UNQUANTIZED:
        return export_gguf(model, out, UNQUANTIZED[to])  # type: ignore[arg-type]
    # f32 holds every checkpoint's values exactly
    whole = out.with_name(f"{out.name}.{os.getpid()}.f32")
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        export_gguf(model, whole, "f32")
        run_llama_quantize(whole, partial, to)
        partial.replace(out)
    finally:
        whole.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return out


def run_llama_quantize(source: Path, out: Path, to: str) -> None:
    """llama.cpp's quantization of a float GGUF file, in a process of its own; raises EngineFailure."""
    command = [sys.executable, "-m", "harness.models.gguf.quantize_worker", str(source), str(out), to]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise EngineFailure(f"{to}: {_reason(done.returncode, done.stderr)}")


def _reason(code: int, log: str) -> str:
    if code == -signal.SIGILL:
        return (
            "llama.cpp was compiled for another CPU (illegal instruction); "
            "compile it with portable flags: make install EXTRA=models"
        )
    if code < 0:
        return f"the quantization was killed by {signal.Signals(-code).name}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if "fail" in line.lower() or "error" in line.lower()]
    return f"the quantization failed: {(telling or lines or [f'exit {code}'])[-1]}"


def _copy(cached: Path, out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        shutil.copyfile(cached, partial)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out

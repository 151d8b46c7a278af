"""The servers that can be started: for each its command line, its environment and what it needs."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.engines import vllm_settings
from harness.engines.threads import is_small
from harness.errors import HarnessError
from harness.hardware.nvidia_smi import query_gpus

ServerEngine = Literal["xllamacpp", "transformers", "vllm"]
VLLM_PYTHON = "HARNESS_VLLM_PYTHON"

_CHILD = Path(__file__).with_name("server_child.py")
_TRANSFORMERS_QUANTIZATION = {"": "", "int8": "bnb-8bit", "nf4": "bnb-4bit"}
# what transformers allots memory by
_BLOCK_TOKENS = 256
# on a CPU; a GPU gets what transformers works out from its memory
_BATCH_TOKENS = 512


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One server. `model` is a GGUF file for xllamacpp, else a checkpoint folder.

    Up to `parallel` requests run at once, each with a prompt and completion of `context` tokens together.
    `port` 0 takes a free one, `threads` 0 is one for a small model (`threads.is_small`), else the engine's
    choice. `quantization` is done while loading: int8 or nf4 (transformers), vLLM's own names (vllm).
    `continuous` and `prefix_cache` off are for comparison, where the engine has a switch. `log` is a file for
    the server's output; without one it is kept only when the server fails.
    """

    model: Path
    engine: ServerEngine = "xllamacpp"
    host: str = "127.0.0.1"
    port: int = 0
    parallel: int = 8
    context: int = 4096
    quantization: str = ""
    continuous: bool = True
    prefix_cache: bool = True
    threads: int = 0
    start_s: float = 600.0
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """How one server is started: its command line, and what is added to the environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def launch(spec: ServerSpec, port: int) -> Launch:
    """How to start it on this port. HarnessError when the model is none for it, or a package is missing."""
    if not spec.threads and is_small(spec.model):
        spec = replace(spec, threads=1)
    started = _KINDS[spec.engine](spec, port)
    # spinning threads of OpenMP starve everything else on a shared machine
    environment = {"OMP_WAIT_POLICY": "passive", "PYTHONUNBUFFERED": "1"}
    if spec.threads:
        environment["OMP_NUM_THREADS"] = str(spec.threads)
    return replace(started, environment=environment | dict(started.environment))


def _xllamacpp(spec: ServerSpec, port: int) -> Launch:
    _needs("server", "xllamacpp")
    if spec.quantization:
        raise HarnessError(
            "xllamacpp quantizes nothing while loading",
            where=str(spec.model),
            next_step="quantize the checkpoint to a GGUF file first",
        )
    try:
        with spec.model.open("rb") as file:
            is_gguf = file.read(4) == b"GGUF"
    except OSError as error:
        raise HarnessError(
            f"cannot be read ({error.strerror})", where=str(spec.model), allowed="a GGUF file"
        ) from None
    if not is_gguf:
        raise HarnessError(
            "is no GGUF file", where=str(spec.model), next_step="export the checkpoint to GGUF"
        )
    arguments = [
        f"--model={spec.model}", f"--host={spec.host}", f"--port={port}", f"--parallel={spec.parallel}",
        f"--context={spec.context}", f"--threads={spec.threads}",
        "--continuous" if spec.continuous else "--no-continuous",
        "--prefix-cache" if spec.prefix_cache else "--no-prefix-cache",
    ]  # fmt: skip
    return Launch(_child(sys.executable, "harness.engines.server_xllamacpp", *arguments))


def _transformers(spec: ServerSpec, port: int) -> Launch:
    _needs("models", "transformers", "torch")
    _needs("server", "fastapi", "uvicorn", "openai")
    _needs_checkpoint(spec)
    if spec.quantization not in _TRANSFORMERS_QUANTIZATION:
        raise HarnessError(
            f"transformers serve cannot load {spec.quantization}",
            allowed=", ".join(filter(None, _TRANSFORMERS_QUANTIZATION)),
        )
    if not spec.prefix_cache:
        raise HarnessError("transformers serve cannot be told not to share prefixes")
    device = _device()
    arguments = [
        f"--model={spec.model}", f"--host={spec.host}", f"--port={port}", f"--context={spec.context}",
        f"--device={device}", f"--quantization={_TRANSFORMERS_QUANTIZATION[spec.quantization]}",
        "--continuous" if spec.continuous else "--no-continuous",
        f"--blocks={-(-spec.context // _BLOCK_TOKENS) * spec.parallel}",
        f"--batch-tokens={_BATCH_TOKENS if device == 'cpu' else 0}",
    ]  # fmt: skip
    environment = {"HF_HUB_OFFLINE": "1"}
    return Launch(_child(sys.executable, "harness.engines.server_transformers", *arguments), environment)


def _vllm(spec: ServerSpec, port: int) -> Launch:
    _needs_checkpoint(spec)
    if not spec.continuous:
        raise HarnessError("vLLM always batches continuously", next_step="serve with parallel 1 instead")
    model = str(spec.model)
    if _device() == "cpu":
        base = vllm_settings.cpu_settings(model, threads=spec.threads)
    else:
        base = vllm_settings.VllmSettings(model)
    settings = replace(
        base, max_model_len=spec.context, max_num_seqs=spec.parallel, quantization=spec.quantization,
        prefix_caching=spec.prefix_cache,
    )  # fmt: skip
    python, _, *rest = vllm_settings.server_command(settings, _vllm_python(), host=spec.host, port=port)
    return Launch(_child(python, *rest), vllm_settings.environment(settings))


_KINDS: Mapping[ServerEngine, Callable[[ServerSpec, int], Launch]] = {
    "xllamacpp": _xllamacpp,
    "transformers": _transformers,
    "vllm": _vllm,
}


def _child(python: str, module: str, *arguments: str) -> tuple[str, ...]:
    # -P: modules of this folder are named like packages, and the user's folder may have such too
    return (python, "-P", str(_CHILD), module, *arguments)


def _device() -> str:
    return "cuda" if query_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))[0] else "cpu"


def _vllm_python() -> Path:
    """HARNESS_VLLM_PYTHON, this interpreter if it has vLLM, or the CPU build's below this folder."""
    named = os.environ.get(VLLM_PYTHON)
    if named:
        if not (Path(named).is_file() and os.access(named, os.X_OK)):
            raise HarnessError("is no program", where=f"{VLLM_PYTHON}={named}", allowed="a Python with vLLM")
        return Path(named)
    if importlib.util.find_spec("vllm") is not None:
        return Path(sys.executable)
    return vllm_settings.cpu_python(Path.cwd())


def _needs(extra: str, *modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise HarnessError(
                f"needs {module}, which is not installed", next_step=f"make install EXTRA={extra}"
            )


def _needs_checkpoint(spec: ServerSpec) -> None:
    if not (spec.model / "config.json").is_file():
        raise HarnessError(
            "is no checkpoint", where=str(spec.model), allowed="a folder with config.json and weights"
        )

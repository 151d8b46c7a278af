"""Why an optimization does not apply to a row, or cannot be measured on this machine, in one line each."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from harness.errors import HarnessError
from harness.hardware.rows import HOST_ROW, Row
from harness.hardware.schema import closest
from harness.measure.spec import Requires

PROBES: dict[str, tuple[str, ...]] = {
    "models": ("torch", "transformers", "llama_cpp", "gguf", "bitsandbytes"),
    "prompts": ("dspy", "gepa"),
    "extraction": ("rank_bm25", "bm25s", "pydantic"),
    "detection": ("sklearn", "numba", "onnx", "onnxruntime"),
    "server": ("xllamacpp", "fastapi", "openai", "uvicorn"),
    "gpu": ("vllm",),
}
"""Extra of this project -> the modules whose absence means that it is not installed."""


def lacks(row: Row, requires: Requires) -> str | None:
    """Why an optimization with these requirements does not apply to `row`; None when it does."""
    reasons = (
        _lacks_kind(row, requires),
        _lacks_row(row, requires),
        _lacks_capability(row, requires),
        _lacks_gpus(row, requires),
        _lacks_memory(row, requires),
    )
    return next((reason for reason in reasons if reason), None)


def module_is_installed(name: str) -> bool:
    """Whether top-level module `name` could be imported, without importing it."""
    try:
        return find_spec(name) is not None
    except ValueError:  # a module that was put into sys.modules by hand has no spec
        return True


def missing_here(
    row: Row,
    machine_row: str,
    requires: Requires,
    is_installed: Callable[[str], bool] = module_is_installed,
) -> str | None:
    """Why `row` cannot be measured on a machine that is row `machine_row`; None when it can.

    Every machine has a host, so the host row can be measured on each of them.

    Raises HarnessError (exit 4) when `requires` names an extra this project does not have.
    """
    for extra in requires.extras:
        if extra not in PROBES:
            raise HarnessError(
                f"there is no extra {extra!r}",
                where="Requires(extras=...)",
                allowed=", ".join(PROBES),
                next_step=closest(extra, PROBES) or "take one of these",
            )
    if row.kind != "host" and row.name != machine_row:
        return f"needs {row.name}; this machine is {machine_row}"
    for extra in requires.extras:
        absent = [module for module in PROBES[extra] if not is_installed(module)]
        if absent:
            return f"needs extra {extra} ({', '.join(absent)} missing): make install EXTRA={extra}"
    return None


def _lacks_kind(row: Row, requires: Requires) -> str | None:
    if requires.kind == "host" and row.kind != "host":
        return f"host-only: measured on row {HOST_ROW}, the accelerator changes nothing"
    if requires.kind == "cuda" and row.kind != "cuda":
        # The more telling requirement, if there is one, speaks for the missing device.
        return _lacks_capability(row, requires) or f"needs a CUDA device, this is {row.name}"
    return None


def _lacks_row(row: Row, requires: Requires) -> str | None:
    if requires.rows and row.name not in requires.rows:
        return f"only for {', '.join(requires.rows)}, this is {row.name}"
    return None


def _lacks_capability(row: Row, requires: Requires) -> str | None:
    if not requires.capability:
        return None
    if not row.capability:
        return f"needs compute capability {requires.capability}, this is {row.name}"
    if _version(row.capability) < _version(requires.capability):
        return f"needs compute capability {requires.capability}, {row.name} has {row.capability}"
    return None


def _lacks_gpus(row: Row, requires: Requires) -> str | None:
    if requires.gpus <= row.gpus:
        return None
    plural = "" if requires.gpus == 1 else "s"
    return f"needs {requires.gpus} GPU{plural}, {row.name} has {row.gpus or 'none'}"


def _lacks_memory(row: Row, requires: Requires) -> str | None:
    if requires.memory_gib <= row.memory_gib:
        return None
    per_gpu = "" if row.gpus < 2 else " per GPU"
    return f"needs {requires.memory_gib:g} GiB{per_gpu}, {row.name} has {row.memory_gib:g}"


def _version(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))

"""What this machine is, and which hardware row that makes it; reads /proc and `nvidia-smi`, not torch."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.hardware.nvidia_smi import Gpu, query_gpus
from harness.hardware.rows import HOST_ROW, Matrix, Row

PACKAGES = [
    "numpy",
    "pandas",
    "scipy",
    "highspy",
    "pyarrow",
    "pytest",
    "pytest-benchmark",
    "hypothesis",
    "torch",
    "transformers",
    "tokenizers",
    "llama-cpp-python",
    "bitsandbytes",
    "gguf",
    "dspy",
    "gepa",
    "litellm",
    "rank-bm25",
    "numba",
    "scikit-learn",
    "onnxruntime",
    "vllm",
    "flash-attn",
    "xllamacpp",
]

# How far the memory a driver reports may be from the row's figure: ECC and driver versions move it.
_MEMORY_TOLERANCE = 0.12


@dataclass(frozen=True, slots=True)
class Cpu:
    """The host processor; `usable_cores` is what this process may run on. Unreadable facts are empty."""

    model: str
    physical_cores: int
    logical_cores: int
    usable_cores: int
    memory_gib: float
    governor: str
    turbo: str


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine now.

    `load` is the load average over 1, 5 and 15 minutes; `gpu_note` says why GPUs could not be read
    although a driver is there.
    """

    cpu: Cpu
    gpus: tuple[Gpu, ...]
    os: str
    python: str
    packages: Mapping[str, str]
    load: tuple[float, float, float]
    gpu_note: str = ""


def describe_machine(root: Path = Path("/")) -> Machine:
    """Describes the machine this runs on. `root` is where /proc and /sys are found (tests use another).

    Never raises: what cannot be read is left empty. Under 50 ms without a GPU.
    """
    gpus, note = query_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
    return Machine(
        cpu=_cpu(root),
        gpus=gpus,
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages=_package_versions(),
        load=_load(),
        gpu_note=note,
    )


def fingerprint(machine: Machine) -> str:
    """`sha256:...` over what does not change from run to run: processor, cores, GPUs, system, Python minor.

    Load, free memory, driver and package versions stay outside: they are recorded, not identity.
    """
    stable = {
        "cpu": machine.cpu.model,
        "physical_cores": machine.cpu.physical_cores,
        "logical_cores": machine.cpu.logical_cores,
        "gpus": [[gpu.name, gpu.mig_profile, round(gpu.memory_gib)] for gpu in machine.gpus],
        "os": machine.os.split(".")[0],
        "python": ".".join(machine.python.split(".")[:2]),
    }
    return "sha256:" + hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()


def matching_row(machine: Machine, matrix: Matrix) -> str:
    """The name of the row that this machine is.

    GPUs decide: all of them have to match one row by name, memory and count. A machine without GPUs, or
    whose GPUs no row describes, is the row `cpu` (see `unmatched_note`: it still measures everything that
    runs on the host). Raises HarnessError (exit 4) when several rows describe it.
    """
    names = [row.name for row in matrix.rows.values() if row.kind == "cuda" and _is_row(machine, row)]
    if len(names) > 1:
        raise HarnessError(
            f"rows {', '.join(names)} all describe this machine ({_gpu_list(machine)})",
            where=str(matrix.path),
            allowed="one row per machine",
            next_step="make their gpu_names, gpus or memory_gib differ",
        )
    return names[0] if names else HOST_ROW


def unmatched_note(machine: Machine, matrix: Matrix) -> str | None:
    """Why this machine's GPUs are not used, in one line; None when there are none or a row describes them."""
    if machine.gpu_note:
        return machine.gpu_note
    if not machine.gpus or matching_row(machine, matrix) != HOST_ROW:
        return None
    fewer = [
        row
        for row in matrix.rows.values()
        if row.kind == "cuda" and row.gpus < len(machine.gpus) and _gpus_match(machine.gpus[: row.gpus], row)
    ]
    if fewer:
        best = max(fewer, key=lambda row: row.gpus)
        visible = ",".join(str(index) for index in range(best.gpus))
        return f"{_gpu_list(machine)}: to measure row {best.name}, set CUDA_VISIBLE_DEVICES={visible}"
    return f"{_gpu_list(machine)}: no row of {matrix.path} describes it; see docs/hardware.md to add one"


def machine_document(machine: Machine) -> dict[str, Any]:
    """The machine as JSON data for a run document: fingerprint, cpu, gpus, os, python, packages, load.

    UUIDs of GPUs stay out: a report may be published.
    """
    cpu = machine.cpu
    return {
        "fingerprint": fingerprint(machine),
        "cpu": {"model": cpu.model, "cores": cpu.usable_cores, "memory_gib": cpu.memory_gib},
        "gpus": [
            {
                "name": gpu.name,
                "memory_gib": gpu.memory_gib,
                "capability": gpu.capability,
                "driver": gpu.driver,
            }
            for gpu in machine.gpus
        ],
        "os": machine.os,
        "python": machine.python,
        "packages": dict(machine.packages),
        "load": list(machine.load),
    }


def _is_row(machine: Machine, row: Row) -> bool:
    return len(machine.gpus) == row.gpus and _gpus_match(machine.gpus, row)


def _gpus_match(gpus: tuple[Gpu, ...], row: Row) -> bool:
    return all(
        any(re.fullmatch(pattern, gpu.name) for pattern in row.gpu_names)
        and abs(gpu.memory_gib / row.memory_gib - 1) <= _MEMORY_TOLERANCE
        for gpu in gpus
    )


def _gpu_list(machine: Machine) -> str:
    counts: dict[str, int] = {}
    for gpu in machine.gpus:
        text = f"{gpu.name} with {gpu.memory_gib:.1f} GiB"
        counts[text] = counts.get(text, 0) + 1
    return ", ".join(f"{count} x {text}" for text, count in counts.items())


def _cpu(root: Path) -> Cpu:
    text = _read(root / "proc/cpuinfo")
    model = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    logical = os.cpu_count() or 1
    # One (socket, core) pair per physical core; hyper-threads repeat it.
    cores = set(
        re.findall(r"^physical id\s*:\s*(\d+)$.*?^core id\s*:\s*(\d+)$", text, re.MULTILINE | re.DOTALL)
    )
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    devices = root / "sys/devices/system/cpu"
    return Cpu(
        model=" ".join(model[1].split()) if model else platform.processor(),
        physical_cores=len(cores) or logical,
        logical_cores=logical,
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical,
        memory_gib=round(int(memory[1]) / 2**20, 1) if memory else 0.0,
        governor=_read(devices / "cpu0/cpufreq/scaling_governor").strip(),
        turbo=_turbo(devices),
    )


def _turbo(devices: Path) -> str:
    """`on`, `off`, or empty when the system does not say."""
    boost = _read(devices / "cpufreq/boost").strip()
    no_turbo = _read(devices / "intel_pstate/no_turbo").strip()
    if no_turbo:
        return "off" if no_turbo == "1" else "on"
    return {"1": "on", "0": "off"}.get(boost, "")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _load() -> tuple[float, float, float]:
    try:
        one, five, fifteen = os.getloadavg()
    except (AttributeError, OSError):
        return (0.0, 0.0, 0.0)
    return (round(one, 2), round(five, 2), round(fifteen, 2))


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions

"""The GPUs of this machine as `nvidia-smi` lists them, MIG slices included."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from dataclasses import dataclass, replace

_FIELDS = "index,uuid,name,memory.total,compute_cap,driver_version,mig.mode.current"
_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device as CUDA sees it. A MIG slice has its own entry, named as torch names it."""

    name: str
    memory_gib: float
    capability: str
    driver: str
    mig_profile: str = ""
    uuid: str = ""


def query_gpus(visible: str | None) -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that `CUDA_VISIBLE_DEVICES=visible` leaves (None: all), and a note if they cannot be read."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (), ""
    try:
        table = _run(program, f"--query-gpu={_FIELDS}", "--format=csv")
        listing = _run(program, "-L") if "Enabled" in table else ""
        return visible_gpus(parse_gpus(table, listing), visible), ""
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        # A failing nvidia-smi explains itself on standard output.
        detail = str(getattr(error, "stdout", None) or error).strip() or type(error).__name__
        return (), f"nvidia-smi is there but failed: {detail.splitlines()[0]}"


def parse_gpus(table: str, listing: str) -> tuple[Gpu, ...]:
    """The GPUs in `nvidia-smi --query-gpu=... --format=csv` (with its header) and, for MIG, `nvidia-smi -L`.

    Columns are found by name, so that other columns and another order do no harm. A GPU in MIG mode is
    replaced by its slices. Raises ValueError when the text is something else.
    """
    lines = list(csv.reader(table.strip().splitlines(), skipinitialspace=True))
    if not lines or "name" not in lines[0]:
        raise ValueError(f"unexpected answer: {table.strip()[:80]!r}")
    header = [re.sub(r" \[.*\]$", "", column) for column in lines[0]]
    gpus: list[Gpu] = []
    for line in lines[1:]:
        fields = dict(zip(header, line, strict=True))
        gpu = Gpu(
            name=fields["name"],
            memory_gib=_gib(fields["memory.total"]),
            capability=_known(fields.get("compute_cap", "")),
            driver=_known(fields.get("driver_version", "")),
            uuid=_known(fields.get("uuid", "")),
        )
        slices = _slices(gpu, listing) if fields.get("mig.mode.current") == "Enabled" else []
        gpus += slices or [gpu]
    return tuple(gpus)


def visible_gpus(gpus: tuple[Gpu, ...], visible: str | None) -> tuple[Gpu, ...]:
    """What CUDA would see: indexes or UUID beginnings in order, ending at the first that names nothing."""
    if visible is None:
        return gpus
    chosen: list[Gpu] = []
    for token in (part.strip() for part in visible.split(",")):
        if token.isdigit():
            found = gpus[int(token)] if int(token) < len(gpus) else None
        else:
            found = next((gpu for gpu in gpus if token and gpu.uuid.startswith(token)), None)
        if found is None:
            break
        chosen.append(found)
    return tuple(chosen)


def _slices(gpu: Gpu, listing: str) -> list[Gpu]:
    """The MIG devices listed under the GPU with this UUID; `4g.20gb` names their memory in GB, about GiB."""
    slices: list[Gpu] = []
    is_ours = False
    for line in listing.splitlines():
        if line.startswith("GPU "):
            is_ours = gpu.uuid in line
        found = re.match(r"\s+MIG (\S*?g\.(\d+)gb\S*)\s+Device\s+\d+: \(UUID: (\S+)\)", line)
        if found and is_ours:
            name = f"{gpu.name} MIG {found[1]}"
            slices.append(
                replace(gpu, name=name, memory_gib=float(found[2]), mig_profile=found[1], uuid=found[3])
            )
    return slices


def _gib(text: str) -> float:
    """From `23034 MiB`."""
    found = re.fullmatch(r"(\d+)( MiB)?", text.strip())
    if not found:
        raise ValueError(f"unexpected memory.total: {text!r}")
    return round(int(found[1]) / 1024, 2)


def _known(text: str) -> str:
    return "" if text.startswith("[") else text


def _run(program: str, *arguments: str) -> str:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
    ).stdout

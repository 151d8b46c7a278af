"""Describing a machine, its fingerprint, and which row it is."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.hardware import (
    describe_machine,
    fingerprint,
    load_matrix,
    machine_document,
    matching_row,
    unmatched_note,
)
from harness.hardware.machine import Cpu, Machine
from harness.hardware.nvidia_smi import Gpu, parse_gpus

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "fixtures" / "recorded" / "nvidia_smi"
MATRIX = load_matrix(ROOT / "hardware_matrix.toml")
CUDA_ROWS = [row.name for row in MATRIX.rows.values() if row.kind == "cuda"]
HOST = Machine(
    cpu=Cpu("EPYC", 2, 2, 2, 23.5, "", ""),
    gpus=(),
    os="Linux 6.1.0",
    python="3.11.7",
    packages={},
    load=(0.0, 0.0, 0.0),
)


def recorded(row: str) -> Machine:
    listing = RECORDED / f"{row}.list.txt"
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    return replace(HOST, gpus=parse_gpus((RECORDED / f"{row}.csv").read_text(encoding="utf-8"), text))


def with_gpus(*names_and_gib: tuple[str, float]) -> Machine:
    return replace(HOST, gpus=tuple(Gpu(name, gib, "8.0", "580.95.05") for name, gib in names_and_gib))


@pytest.mark.parametrize("row", CUDA_ROWS)
def test_recorded_machines_are_their_rows(row: str) -> None:
    machine = recorded(row)
    assert matching_row(machine, MATRIX) == row
    assert unmatched_note(machine, MATRIX) is None
    assert {gpu.capability for gpu in machine.gpus} == {MATRIX.rows[row].capability}


def test_every_recorded_file_is_a_row() -> None:
    assert {path.stem for path in RECORDED.glob("*.csv")} == set(CUDA_ROWS)


def test_without_gpus_it_is_the_cpu() -> None:
    assert matching_row(HOST, MATRIX) == "cpu"
    assert unmatched_note(HOST, MATRIX) is None


def test_gpus_that_no_row_describes_leave_the_cpu_and_a_note() -> None:
    machine = with_gpus(("NVIDIA GeForce RTX 3060", 12.0))
    assert matching_row(machine, MATRIX) == "cpu"
    note = unmatched_note(machine, MATRIX)
    assert note is not None
    assert "1 x NVIDIA GeForce RTX 3060 with 12.0 GiB" in note
    assert "docs/hardware.md" in note


def test_more_gpus_than_any_row_has_can_be_hidden() -> None:
    four = with_gpus(*[("Tesla T4", 15.0)] * 4)
    assert matching_row(four, MATRIX) == "cpu"
    note = unmatched_note(four, MATRIX)
    assert note == "4 x Tesla T4 with 15.0 GiB: to measure row t4x2, set CUDA_VISIBLE_DEVICES=0,1"


@pytest.mark.parametrize(
    ("name", "gib", "row"),
    [
        ("NVIDIA A100-SXM4-40GB", 39.4, "a100_40gb"),
        ("NVIDIA A100-SXM4-40GB", 80.0, "cpu"),
        ("NVIDIA A100 80GB PCIe", 80.0, "a100_80gb"),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20.0, "cpu"),
        ("NVIDIA A100-SXM4-40GB MIG 4g.20gb", 19.5, "a100_20gb"),
        ("NVIDIA L40", 45.0, "cpu"),
        ("NVIDIA A10", 22.5, "cpu"),
        ("NVIDIA H100 PCIe", 79.6, "cpu"),
        ("Tesla V100-SXM2-16GB", 15.8, "v100"),
        ("Tesla V100-SXM2-32GB", 32.0, "cpu"),
        ("NVIDIA GeForce RTX 4090 D", 24.0, "cpu"),
    ],
)
def test_cousins_are_told_apart(name: str, gib: float, row: str) -> None:
    assert matching_row(with_gpus((name, gib)), MATRIX) == row


def test_mixed_gpus_are_no_row() -> None:
    assert matching_row(with_gpus(("Tesla T4", 15.0), ("NVIDIA L4", 22.5)), MATRIX) == "cpu"


def test_a_machine_that_two_rows_describe_is_an_error() -> None:
    twin = replace(MATRIX, rows={**MATRIX.rows, "l4_twin": replace(MATRIX.rows["l4"], name="l4_twin")})
    with pytest.raises(HarnessError, match=r"rows l4, l4_twin all describe this machine"):
        matching_row(recorded("l4"), twin)


def test_a_driver_that_failed_is_noted() -> None:
    machine = replace(HOST, gpu_note="nvidia-smi is there but failed: no driver")
    assert unmatched_note(machine, MATRIX) == "nvidia-smi is there but failed: no driver"


def test_this_machine_is_described_quickly() -> None:
    describe_machine()
    taken = []
    for _ in range(3):
        start = time.thread_time()
        machine = describe_machine()
        taken.append(time.thread_time() - start)
    assert min(taken) < 0.05
    assert machine.cpu.logical_cores >= machine.cpu.usable_cores >= 1
    assert "pytest" in machine.packages
    assert matching_row(machine, MATRIX) in MATRIX.rows


def test_it_does_not_import_what_is_slow() -> None:
    code = (
        "import sys, harness.hardware as h; h.describe_machine(); "
        "print(sorted({'torch', 'jsonschema', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_proc_and_sys_are_read(tmp_path: Path) -> None:
    thread = "processor : {n}\nmodel name\t: Intel(R)  Xeon(R) CPU\nphysical id\t: 0\ncore id\t\t: {core}\n\n"
    write(tmp_path / "proc/cpuinfo", "".join(thread.format(n=n, core=n // 2) for n in range(4)))
    write(tmp_path / "proc/meminfo", "MemTotal:       25165824 kB\n")
    write(tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
    write(tmp_path / "sys/devices/system/cpu/intel_pstate/no_turbo", "0\n")
    cpu = describe_machine(tmp_path).cpu
    assert (cpu.model, cpu.physical_cores, cpu.memory_gib) == ("Intel(R) Xeon(R) CPU", 2, 24.0)
    assert (cpu.governor, cpu.turbo) == ("powersave", "on")


def test_nothing_readable_is_no_error(tmp_path: Path) -> None:
    cpu = describe_machine(tmp_path).cpu
    assert (cpu.memory_gib, cpu.governor, cpu.turbo) == (0.0, "", "")
    assert cpu.physical_cores >= 1


@given(
    load=st.tuples(*[st.floats(0, 99)] * 3),
    patch=st.integers(0, 99),
    packages=st.dictionaries(st.sampled_from(["torch", "numpy"]), st.text()),
)
def test_the_fingerprint_ignores_what_changes_daily(
    load: tuple[float, float, float], patch: int, packages: dict[str, str]
) -> None:
    later = replace(HOST, load=load, python=f"3.11.{patch}", os=f"Linux 6.{patch}.1", packages=packages)
    assert fingerprint(later) == fingerprint(HOST)


def test_the_fingerprint_sees_other_hardware() -> None:
    others = [
        HOST,
        replace(HOST, cpu=replace(HOST.cpu, model="Xeon")),
        replace(HOST, cpu=replace(HOST.cpu, logical_cores=4)),
        replace(HOST, python="3.12.1"),
        replace(HOST, os="Linux 7.0.0"),
        recorded("t4"),
        recorded("t4x2"),
        recorded("a100_20gb"),
        recorded("a100_40gb"),
    ]
    prints = {fingerprint(machine) for machine in others}
    assert len(prints) == len(others)
    assert all(text.startswith("sha256:") and len(text) == 71 for text in prints)


def test_the_document_has_the_agreed_keys_and_no_uuid() -> None:
    document = machine_document(recorded("l4"))
    assert set(document) == {"fingerprint", "cpu", "gpus", "os", "python", "packages", "load"}
    assert document["cpu"] == {"model": "EPYC", "cores": 2, "memory_gib": 23.5}
    assert document["gpus"] == [
        {"name": "NVIDIA L4", "memory_gib": 22.49, "capability": "8.9", "driver": "580.95.05"}
    ]

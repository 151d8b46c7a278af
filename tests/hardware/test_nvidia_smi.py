"""Reading nvidia-smi's answers."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hardware.nvidia_smi import Gpu, parse_gpus, query_gpus, visible_gpus

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "nvidia_smi"
T4X2 = (RECORDED / "t4x2.csv").read_text(encoding="utf-8")
MIG = (RECORDED / "a100_20gb.csv").read_text(encoding="utf-8")
MIG_LIST = (RECORDED / "a100_20gb.list.txt").read_text(encoding="utf-8")


def test_two_gpus() -> None:
    first, second = parse_gpus(T4X2, "")
    assert (first.name, first.memory_gib, first.capability) == ("Tesla T4", 15.0, "7.5")
    assert first.uuid != second.uuid


def test_a_slice_replaces_its_card() -> None:
    (slice_,) = parse_gpus(MIG, MIG_LIST)
    assert slice_.name == "NVIDIA A100-PCIE-40GB MIG 4g.20gb"
    assert (slice_.mig_profile, slice_.memory_gib) == ("4g.20gb", 20.0)
    assert slice_.uuid.startswith("MIG-")


def test_slices_of_another_card_stay_there() -> None:
    other = MIG_LIST.replace("GPU-00000001", "GPU-00000009")
    assert [gpu.mig_profile for gpu in parse_gpus(MIG, other)] == [""]


def test_several_slices_and_a_media_profile() -> None:
    more = MIG_LIST + "  MIG 1g.5gb+me   Device  1: (UUID: MIG-00000003-0000-5000-8000-000000000003)\n"
    assert [gpu.mig_profile for gpu in parse_gpus(MIG, more)] == ["4g.20gb", "1g.5gb+me"]


def test_columns_are_found_by_name() -> None:
    table = "memory.total [MiB], name\n23034 MiB, NVIDIA L4\n"
    assert parse_gpus(table, "") == (Gpu(name="NVIDIA L4", memory_gib=22.49, capability="", driver=""),)


@pytest.mark.parametrize(
    "text", ["", "No devices were found", "name, memory.total [MiB]\nNVIDIA L4, [N/A]\n"]
)
def test_another_answer_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="unexpected"):
        parse_gpus(text, "")


@given(st.text(max_size=80), st.text(max_size=40))
def test_no_text_gives_another_kind_of_error(table: str, listing: str) -> None:
    for text in (table, T4X2 + table, MIG + table):
        try:
            parse_gpus(text, listing)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("visible", "left"),
    [
        (None, [0, 1]),
        ("0", [0]),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("", []),
        ("-1", []),
        ("0,7,1", [0]),
        ("0, 1", [0, 1]),
    ],
)
def test_cuda_visible_devices(visible: str | None, left: list[int]) -> None:
    gpus = parse_gpus(T4X2, "")
    assert visible_gpus(gpus, visible) == tuple(gpus[index] for index in left)


def test_cuda_visible_devices_by_uuid() -> None:
    gpus = parse_gpus(T4X2, "")
    assert visible_gpus(gpus, gpus[1].uuid[:12]) == (gpus[1],)


def program(folder: Path, script: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_program_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'if [ "$1" = -L ]; then /bin/cat "{RECORDED}/a100_20gb.list.txt"; '
    program(tmp_path, script + f'else /bin/cat "{RECORDED}/a100_20gb.csv"; fi')
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus, note = query_gpus(None)
    assert [gpu.mig_profile for gpu in gpus] == ["4g.20gb"]
    assert note == ""


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("echo 'NVIDIA-SMI has failed because it could not talk to the driver'; exit 9", "could not talk"),
        ("echo No devices were found", "No devices were found"),
        ("exit 6", "exit status 6"),
    ],
)
def test_a_failing_program_is_a_note(
    script: str, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus, said = query_gpus(None)
    assert gpus == ()
    assert said.startswith("nvidia-smi is there but failed: ")
    assert note in said


def test_no_program_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert query_gpus(None) == ((), "")

"""Reasons why an optimization does not apply to a row or cannot be measured here."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.hardware import lacks, load_matrix, missing_here
from harness.hardware.requirements import PROBES, module_is_installed
from harness.measure.spec import Requires

ROOT = Path(__file__).parents[2]
ROWS = load_matrix(ROOT / "hardware_matrix.toml").rows


@pytest.mark.parametrize(
    ("row", "requires", "reason"),
    [
        ("l4", Requires(kind="host"), "host-only: measured on row cpu, the accelerator changes nothing"),
        ("cpu", Requires(kind="host"), None),
        ("cpu", Requires(kind="cuda"), "needs a CUDA device, this is cpu"),
        ("cpu", Requires(kind="cuda", capability="8.0"), "needs compute capability 8.0, this is cpu"),
        ("cpu", Requires(capability="8.0"), "needs compute capability 8.0, this is cpu"),
        ("t4", Requires(kind="cuda", capability="8.0"), "needs compute capability 8.0, t4 has 7.5"),
        ("a100_40gb", Requires(capability="8.9"), "needs compute capability 8.9, a100_40gb has 8.0"),
        ("h100", Requires(capability="8.9"), None),
        ("h100", Requires(capability="10.0"), "needs compute capability 10.0, h100 has 9.0"),
        ("a100_40gb", Requires(capability="8.0"), None),
        ("t4x2", Requires(gpus=2), None),
        ("l4", Requires(gpus=2), "needs 2 GPUs, l4 has 1"),
        ("cpu", Requires(gpus=1), "needs 1 GPU, cpu has none"),
        ("t4", Requires(memory_gib=24), "needs 24 GiB, t4 has 15"),
        ("t4x2", Requires(memory_gib=24), "needs 24 GiB per GPU, t4x2 has 15"),
        ("rtx4090", Requires(memory_gib=24), None),
        ("l4", Requires(rows=("t4", "t4x2")), "only for t4, t4x2, this is l4"),
        ("t4", Requires(rows=("t4", "t4x2")), None),
        ("cpu", Requires(), None),
    ],
)
def test_reasons(row: str, requires: Requires, reason: str | None) -> None:
    assert lacks(ROWS[row], requires) == reason


@pytest.mark.parametrize("row", sorted(ROWS))
def test_flash_attention_2_needs_ampere(row: str) -> None:
    # The guide says "T4 works!"; it does not, and neither does a V100.
    reason = lacks(ROWS[row], Requires(kind="cuda", capability="8.0"))
    assert (reason is not None) == (row in ("cpu", "t4", "t4x2", "v100"))


REQUIRES = st.builds(
    Requires,
    kind=st.sampled_from(["any", "host", "cuda"]),
    capability=st.sampled_from(["", "7.5", "8.0", "8.9", "9.0", "10.0"]),
    memory_gib=st.floats(0, 200),
    gpus=st.integers(0, 3),
)


@given(row=st.sampled_from(sorted(ROWS)), requires=REQUIRES)
def test_a_reason_is_one_line_that_names_the_row(row: str, requires: Requires) -> None:
    reason = lacks(ROWS[row], requires)
    if reason is not None:
        assert "\n" not in reason
        assert row in reason or "row cpu" in reason


@given(row=st.sampled_from(sorted(ROWS)), requires=REQUIRES)
def test_asking_for_less_never_adds_a_reason(row: str, requires: Requires) -> None:
    if lacks(ROWS[row], requires) is None:
        less = Requires(kind=requires.kind, memory_gib=requires.memory_gib / 2, gpus=requires.gpus // 2)
        assert lacks(ROWS[row], less) is None


def test_another_machine() -> None:
    assert missing_here(ROWS["l4"], "cpu", Requires()) == "needs l4; this machine is cpu"
    assert missing_here(ROWS["t4"], "t4x2", Requires()) == "needs t4; this machine is t4x2"
    assert missing_here(ROWS["l4"], "l4", Requires()) is None


@pytest.mark.parametrize("machine", sorted(ROWS))
def test_every_machine_has_a_host(machine: str) -> None:
    assert missing_here(ROWS["cpu"], machine, Requires()) is None


def test_a_missing_extra_names_the_command() -> None:
    reason = missing_here(
        ROWS["cpu"], "cpu", Requires(extras=("models",)), lambda name: name not in ("torch", "gguf")
    )
    assert reason == "needs extra models (torch, gguf missing): make install EXTRA=models"
    assert missing_here(ROWS["cpu"], "cpu", Requires(extras=("models",)), lambda name: True) is None


def test_an_unknown_extra_is_an_error() -> None:
    with pytest.raises(HarnessError, match=r"'model'.*did you mean 'models'"):
        missing_here(ROWS["cpu"], "cpu", Requires(extras=("model",)))


def test_every_extra_of_the_project_has_probes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(PROBES) == set(project["optional-dependencies"]) - {"dev"}


def test_looking_for_a_module_does_not_import_it() -> None:
    assert module_is_installed("this_module_does_not_exist") is False
    assert module_is_installed("wave") is True
    assert "wave" not in sys.modules


def test_a_module_without_a_spec_counts_as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = type(sys)("stand_in")
    stand_in.__spec__ = None
    monkeypatch.setitem(sys.modules, "stand_in", stand_in)
    assert module_is_installed("stand_in") is True

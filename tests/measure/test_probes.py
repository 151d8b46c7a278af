"""Probes see what an arm costs, leave nothing switched on, and say what they cannot see."""

import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.measure import probes
from harness.measure.probes import Tally, probe

MIB = 2**20 / probes.GIB


def test_a_tally_starts_again_from_zero():
    tally = Tally(calls=3, tokens=5, bytes=7)
    tally.reset()
    assert (tally.calls, tally.tokens, tally.bytes) == (0, 0, 0)


@pytest.mark.parametrize("size_mib", [4, 32])
def test_python_memory_is_the_peak_above_what_was_held(size_mib):
    held = np.ones(8 * 2**20, dtype=np.uint8)
    peak = probe("tracemalloc_peak", lambda: np.ones(size_mib * 2**20, dtype=np.uint8).sum())
    assert peak == pytest.approx(size_mib * MIB, rel=0.1)
    assert held.size
    assert not tracemalloc.is_tracing()


def test_tracing_stops_when_the_arm_fails_and_goes_on_where_it_was_on():
    with pytest.raises(ZeroDivisionError):
        probe("tracemalloc_peak", lambda: 1 // 0)
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        probe("tracemalloc_peak", lambda: None)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_resident_memory_is_read_or_refused_with_the_way_out():
    def run():
        return np.ones(64 * 2**20, dtype=np.uint8)

    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        with pytest.raises(HarnessError, match="use tracemalloc_peak"):
            probe("peak_rss", run)
    else:
        assert probe("peak_rss", run) - probe("peak_rss", lambda: None) > 32 * MIB


def test_resident_memory_elsewhere_than_linux_says_what_to_use(monkeypatch, tmp_path):
    monkeypatch.setattr(probes, "_SELF", tmp_path / "absent")
    with pytest.raises(HarnessError, match="use tracemalloc_peak"):
        probe("peak_rss", lambda: None)


def test_device_memory_is_the_peak_between_synchronisations(monkeypatch):
    log = []
    cuda = SimpleNamespace(
        is_available=lambda: True,
        synchronize=lambda: log.append("synchronize"),
        reset_peak_memory_stats=lambda: log.append("reset"),
        max_memory_allocated=lambda: 3 * 2**30,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert probe("cuda_memory", lambda: log.append("run")) == 3.0
    assert log == ["synchronize", "reset", "run", "synchronize"]


def test_energy_is_the_difference_of_the_counters_of_all_devices(monkeypatch):
    millijoules = [1_000, 5_000]
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda device: millijoules[device],
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)

    def run():
        millijoules[0] += 2_000
        millijoules[1] += 500

    assert probe("energy", run) == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("name", "module", "said"),
    [("energy", "pynvml", "needs an NVIDIA GPU and NVML"), ("cuda_memory", "torch", "needs a CUDA device")],
)
def test_a_probe_without_its_device_never_runs_the_arm(monkeypatch, name, module, said):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(HarnessError, match=said):
        probe(name, lambda: pytest.fail("ran"))


def test_what_was_held_before_does_not_count_where_tracing_was_on():
    tracemalloc.start()
    try:
        held = bytearray(16 * 2**20)
        assert probe("tracemalloc_peak", lambda: bytearray(2**20)) == pytest.approx(MIB, rel=0.1)
        assert held
    finally:
        tracemalloc.stop()

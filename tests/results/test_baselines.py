import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_builders import bounded, cell, counted, timed

from harness.errors import EXIT_BASELINE, HarnessError
from harness.results.baselines import (
    Baselines,
    Origin,
    mismatch,
    pin_baseline,
    read_baselines,
    vanished,
    write_baselines,
)
from harness.results.gate import gate_cell
from harness.results.update import update_baselines

ORIGIN = Origin("run-1", "c0ffee", "2026-11-21", "sha256:0123")
LATER = Origin("run-2", "decade", "2026-11-22", "sha256:0123")


def states(one):
    return {finding.metric: finding.gate_result.state for finding in one.findings}


def test_a_row_without_files_has_no_baselines(tmp_path):
    assert read_baselines(tmp_path, "cpu") == Baselines("cpu")


def test_what_is_recorded_reads_back(tmp_path):
    one = cell(timed(), counted(), bounded(), fidelity="held", model="m1", engine="toy")
    update_baselines(tmp_path, "cpu", [one], ORIGIN)
    entry = read_baselines(tmp_path, "cpu").find(one)
    assert (entry.benchmark_hash, entry.workload_hash, entry.model) == ("b" * 64, "w" * 64, "m1")
    assert (entry.origin, entry.fidelity) == (ORIGIN, "held")
    assert entry.metrics["latency"].ratio == 0.5
    assert (entry.metrics["segments"].baseline, entry.metrics["segments"].optimized) == (4797, 2788)
    assert entry.metrics["loss"].fidelity == "held"


def test_writing_is_independent_of_order(tmp_path):
    many = [cell(timed(), counted(), nodeid=f"t.py::t{index}") for index in range(4)]
    update_baselines(tmp_path / "a", "cpu", many, ORIGIN)
    swapped = [replace(one, findings=one.findings[::-1]) for one in reversed(many)]
    update_baselines(tmp_path / "b", "cpu", swapped, ORIGIN)
    assert (tmp_path / "a" / "cpu.json").read_bytes() == (tmp_path / "b" / "cpu.json").read_bytes()


def test_reading_and_writing_again_changes_no_byte(tmp_path):
    update_baselines(tmp_path, "cpu", [cell(timed(), counted())], ORIGIN)
    before = (tmp_path / "cpu.json").read_bytes()
    write_baselines(tmp_path, "cpu", read_baselines(tmp_path, "cpu").rolling)
    assert (tmp_path / "cpu.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "schema_version"),
        (lambda text: text.replace('"benchmark_hash"', '"bench"'), "bench"),
        (lambda text: text.replace('"hardware": "cpu"', '"hardware": "l4"'), "baseline of 'l4'"),
    ],
)
def test_a_damaged_file_is_exit_13_and_named(tmp_path, change, named):
    update_baselines(tmp_path, "cpu", [cell(timed())], ORIGIN)
    path = tmp_path / "cpu.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(HarnessError, match=named) as caught:
        read_baselines(tmp_path, "cpu")
    assert caught.value.exit_code == EXIT_BASELINE
    assert str(path) in caught.value.message


def test_pinning_copies_the_rolling_baseline(tmp_path):
    update_baselines(tmp_path, "cpu", [cell(timed())], ORIGIN)
    pin_baseline(tmp_path, "cpu")
    both = read_baselines(tmp_path, "cpu")
    assert both.pinned == both.rolling


def test_there_must_be_something_to_pin(tmp_path):
    with pytest.raises(HarnessError, match="no baseline of cpu to pin") as caught:
        pin_baseline(tmp_path, "cpu")
    assert caught.value.exit_code == EXIT_BASELINE
    assert "pytest benchmarks -m cpu --update-baseline" in caught.value.next_step


@pytest.mark.parametrize(
    ("field", "word"), [("benchmark_hash", "benchmark"), ("workload_hash", "workload"), ("model", "model")]
)
def test_a_mismatch_names_what_changed_and_both_sides(tmp_path, field, word):
    old = cell(timed(), **{field: "aaaa"})
    update_baselines(tmp_path, "cpu", [old], ORIGIN)
    entry = read_baselines(tmp_path, "cpu").find(old)
    assert mismatch(old, entry) == ""
    assert mismatch(replace(old, **{field: "zzzz"}), entry) == f"{word} changed: aaaa -> zzzz"


def test_vanished_benchmarks_are_found_in_both_files(tmp_path):
    update_baselines(tmp_path, "cpu", [cell(timed(), nodeid="b/old.py::t[cpu]")], ORIGIN)
    pin_baseline(tmp_path, "cpu")
    kept = cell(timed(), nodeid="b/new.py::t[cpu]")
    update_baselines(tmp_path, "cpu", [kept], ORIGIN, drop=["b/old.py::t[cpu]"])
    baselines = read_baselines(tmp_path, "cpu")
    assert [nodeid for nodeid, _ in vanished(baselines, [kept.nodeid])] == ["b/old.py::t[cpu]"]
    advice = dict(vanished(baselines, []))
    assert advice["b/old.py::t[cpu]"].endswith(
        "still pinned: pytest benchmarks -m cpu --pin-baseline drops it"
    )
    assert advice["b/new.py::t[cpu]"].endswith("pytest benchmarks -m cpu --update-baseline drops it")
    assert [nodeid for nodeid, _ in vanished(baselines, [])] == ["b/new.py::t[cpu]", "b/old.py::t[cpu]"]
    assert vanished(baselines, [kept.nodeid, "b/old.py::t[cpu]"]) == []


@pytest.mark.parametrize(
    ("asked", "lost"),
    [
        ("", True),
        (".", True),
        ("b", True),
        ("b/", True),
        ("b/a.py", True),
        ("b/a.py::t", True),
        ("b/a.py::t[cpu]", True),
        ("b/a.p", False),
        ("b/a.py::t2", False),
        ("c", False),
    ],
)
def test_only_what_was_looked_for_can_vanish(tmp_path, asked, lost):
    update_baselines(tmp_path, "cpu", [cell(timed(), nodeid="b/a.py::t[cpu]")], ORIGIN)
    assert bool(vanished(read_baselines(tmp_path, "cpu"), [], [asked])) is lost


def test_the_difference_shows_old_and_new(tmp_path):
    first = update_baselines(tmp_path, "cpu", [cell(timed(), counted())], ORIGIN)
    assert "segments: nothing -> 4,797 / 2,788 segments" in first
    second = update_baselines(tmp_path, "cpu", [cell(timed(0.4), counted(optimized=2700.0))], LATER)
    assert "cpu.json: 1 changed, 0 unchanged" in second
    assert "segments: 4,797 / 2,788 segments -> 4,797 / 2,700 segments" in second
    assert "latency: ratio 0.5 [0.495, 0.505] -> ratio 0.4 [0.396, 0.404]" in second


def test_an_unchanged_entry_keeps_its_origin_and_bytes(tmp_path):
    update_baselines(tmp_path, "cpu", [cell(timed(), counted())], ORIGIN)
    before = (tmp_path / "cpu.json").read_bytes()
    text = update_baselines(tmp_path, "cpu", [cell(timed(), counted())], LATER)
    assert text == "cpu.json: 0 changed, 1 unchanged\n"
    assert (tmp_path / "cpu.json").read_bytes() == before


def test_entries_not_measured_this_time_stay(tmp_path):
    old = cell(counted(), nodeid="t.py::old")
    update_baselines(tmp_path, "cpu", [old], ORIGIN)
    others = [
        cell(counted(), nodeid="t.py::new"),
        cell(nodeid="t.py::skipped", state="not run"),
        cell(counted(), nodeid="t.py::elsewhere", hardware="l4"),
    ]
    update_baselines(tmp_path, "cpu", others, LATER)
    assert set(read_baselines(tmp_path, "cpu").rolling) == {"t.py::old", "t.py::new"}


def test_inconclusive_findings_are_not_recorded_and_it_says_so(tmp_path):
    noisy = timed(0.9, verdict="inconclusive", reason="the canary alarms")
    text = update_baselines(tmp_path, "cpu", [cell(noisy, counted())], ORIGIN)
    assert "latency: not recorded: inconclusive (the canary alarms)" in text
    assert set(read_baselines(tmp_path, "cpu").find(cell()).metrics) == {"segments"}


def test_an_inconclusive_finding_keeps_the_figure_recorded_before(tmp_path):
    update_baselines(tmp_path, "cpu", [cell(timed(0.5))], ORIGIN)
    update_baselines(tmp_path, "cpu", [cell(timed(0.9, verdict="inconclusive"))], LATER)
    assert read_baselines(tmp_path, "cpu").find(cell()).metrics["latency"].ratio == 0.5


def test_a_changed_benchmark_drops_its_old_figures(tmp_path):
    update_baselines(tmp_path, "cpu", [cell(timed(), counted())], ORIGIN)
    text = update_baselines(tmp_path, "cpu", [cell(timed(), benchmark_hash="n" * 64)], LATER)
    assert "benchmark changed: bbbbbbbbbbbb -> nnnnnnnnnnnn; the old figures are dropped" in text
    assert set(read_baselines(tmp_path, "cpu").find(cell()).metrics) == {"latency"}


def test_a_shipped_cell_over_its_limit_is_not_recorded(tmp_path):
    broken = cell(timed(), bounded(0.2), role="shipped", fidelity="broken")
    text = update_baselines(tmp_path, "cpu", [broken], ORIGIN)
    assert "not recorded: shipped, and over its fidelity limit" in text
    assert read_baselines(tmp_path, "cpu").find(broken) is None


def test_report_only_and_quoted_figures_are_not_recorded(tmp_path):
    one = cell(timed(gate="report"), counted(provenance="quoted"))
    assert update_baselines(tmp_path, "cpu", [one], ORIGIN) == "cpu.json: 0 changed, 0 unchanged\n"
    assert read_baselines(tmp_path, "cpu").rolling == {}


def test_measured_and_modelled_figures_live_side_by_side(tmp_path):
    measured = cell(counted())
    modelled = cell(counted(optimized=3000.0, provenance="modelled"), state="modelled", model="constants-1")
    update_baselines(tmp_path, "cpu", [measured], ORIGIN)
    update_baselines(tmp_path, "cpu", [modelled], LATER)
    baselines = read_baselines(tmp_path, "cpu")
    assert states(gate_cell(measured, baselines)) == {"segments": "pass"}
    assert states(gate_cell(modelled, baselines)) == {"segments": "pass"}


def test_an_open_interval_is_recorded_as_unknown(tmp_path):
    one = cell(replace(bounded(), effect=replace(bounded().effect, high=float("inf"))), fidelity="held")
    update_baselines(tmp_path, "cpu", [one], ORIGIN)
    text = (tmp_path / "cpu.json").read_text()
    assert json.loads(text)["entries"][one.nodeid]["measured"]["metrics"]["loss"]["high"] is None


@given(
    ratio=st.floats(0.01, 100),
    half=st.floats(0, 0.5),
    better=st.sampled_from(["lower", "higher"]),
    optimized=st.floats(-1e9, 1e9),
)
def test_an_updated_baseline_passes_the_run_that_made_it(tmp_path_factory, ratio, half, better, optimized):
    folder = tmp_path_factory.mktemp("baselines")
    one = cell(timed(ratio, half, better=better), counted(optimized=optimized), bounded(), fidelity="held")
    update_baselines(folder, "cpu", [one], ORIGIN)
    pin_baseline(folder, "cpu")
    assert set(states(gate_cell(one, read_baselines(folder, "cpu"))).values()) == {"pass"}

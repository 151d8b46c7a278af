import copy
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_builders import bounded, cell, counted, document, machine_info, run_info, timed

from harness.errors import HarnessError
from harness.results.compare import COMPARE_COLUMNS, compare_runs, merge_documents, read_documents
from harness.results.documents import json_text, validate_results
from harness.results.store import create_run, save_cell

L4 = {"nodeid": "benchmarks/toy/test_toy.py::test_toy[l4-4]", "hardware": "l4"}


def compared(a, b):
    """The only row of comparing two one-metric cells."""
    (row,) = compare_runs(document(a), document(b)).to_dict("records")
    return row


def test_a_change_has_its_interval_from_both_sides():
    row = compared(cell(timed(0.5, 0.03)), cell(timed(0.6, 0.04)))
    half = math.hypot(math.log1p(0.03), math.log1p(0.04))
    assert (row["ratio_a"], row["ratio_b"]) == (0.5, 0.6)
    assert row["change"] == pytest.approx(1.2)
    assert math.log(row["change_high"] / row["change"]) == pytest.approx(half, rel=1e-6)
    assert math.log(row["change"] / row["change_low"]) == pytest.approx(half, rel=1e-6)
    assert (row["moved"], row["refused"]) == ("worse", "")


@pytest.mark.parametrize(
    ("ratio", "better", "moved"),
    [
        (0.6, "lower", "worse"),
        (0.4, "lower", "better"),
        (0.6, "higher", "better"),
        (0.4, "higher", "worse"),
        (0.501, "lower", "no difference"),
    ],
)
def test_worse_and_better_follow_the_metric(ratio, better, moved):
    assert compared(cell(timed(0.5, better=better)), cell(timed(ratio, better=better)))["moved"] == moved


@given(ratio=st.floats(0.01, 100), half=st.floats(0, 0.5))
def test_a_run_against_itself_shows_no_difference(ratio, half):
    one = document(cell(timed(ratio, half), counted(), bounded()))
    table = compare_runs(one, one)
    assert tuple(table.columns) == COMPARE_COLUMNS
    assert set(table["moved"]) == {"no difference"}
    assert set(table["refused"]) == {""}


@pytest.mark.parametrize(
    ("optimized", "moved"), [(2788.0, "no difference"), (2787.0, "better"), (2789.0, "worse")]
)
def test_counted_figures_are_compared_exactly(optimized, moved):
    row = compared(cell(counted()), cell(counted(optimized=optimized)))
    assert row["moved"] == moved
    assert row["change"] == pytest.approx(optimized / 2788)


def test_losses_are_compared_by_their_intervals_and_never_divided():
    assert compared(cell(bounded(0.02)), cell(bounded(0.2)))["moved"] == "worse"
    assert compared(cell(bounded(0.2)), cell(bounded(0.02)))["moved"] == "better"
    row = compared(cell(bounded(0.02)), cell(bounded(0.021)))
    assert row["moved"] == "no difference"
    assert math.isnan(row["change"])


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (cell(timed(), benchmark_hash="x"), "the benchmark differs"),
        (cell(timed(), workload_hash="x"), "the workload differs"),
        (cell(timed(), model="x"), "the model differs: None and x"),
        (cell(timed(provenance="modelled"), state="modelled"), "provenance differs: measured and modelled"),
        (cell(timed(effect=None)), "no interval on one side"),
    ],
)
def test_what_cannot_be_compared_stays_with_the_reason(other, reason):
    row = compared(cell(timed()), other)
    assert (row["refused"], row["moved"]) == (reason, "not compared")
    assert math.isnan(row["change"])


def test_a_metric_of_one_run_only_is_listed():
    table = compare_runs(document(cell(timed())), document(cell(counted()))).set_index("metric")
    assert table.loc["latency", "refused"] == "only in A"
    assert table.loc["segments", "refused"] == "only in B"


def test_another_hardware_row_is_not_compared_and_named():
    table = compare_runs(document(cell(timed())), document(cell(timed(), **L4))).set_index("hardware")
    assert table.loc["cpu", "refused"] == "only in A; the other has it on l4"
    assert table.loc["l4", "refused"] == "only in B; the other has it on cpu"


def test_nothing_to_compare_is_an_empty_table():
    assert compare_runs(document(), document()).empty


def test_merged_runs_keep_the_same_cell_twice_told_apart_by_run():
    late = document(cell(timed(0.6)), id="run-b", started="2026-11-22")
    early = document(cell(timed(0.5)), id="run-a", started="2026-11-21")
    merged = merge_documents([late, early])
    assert [run["run"]["id"] for run in merged["runs"]] == ["run-a", "run-b"]
    assert [len(run["cells"]) for run in merged["runs"]] == [1, 1]
    validate_results(merged, "merged")
    assert merge_documents([early, late]) == merged


def test_merging_again_changes_nothing():
    merged = merge_documents([document(cell(timed()), id="run-a"), document(id="run-b")])
    assert merge_documents([merged, document(id="run-b")]) == merged


def test_two_different_runs_of_one_id_are_refused():
    with pytest.raises(HarnessError, match="two different runs have this id") as caught:
        merge_documents([document(cell(timed(0.5))), document(cell(timed(0.6)))])
    assert caught.value.where == "run-20261121T010203-ab12cd"


def test_another_schema_version_is_not_merged():
    newer = {**copy.deepcopy(document(id="run-new")), "schema_version": 2}
    with pytest.raises(HarnessError, match=r"run-new.*schema_version"):
        merge_documents([document(), newer])


def test_merging_nothing_is_an_error():
    with pytest.raises(HarnessError, match="no run to merge"):
        merge_documents([])


def test_reading_takes_finished_killed_and_merged_runs(tmp_path):
    killed = create_run(tmp_path, "run-k", run_info("run-k", finished=None), machine_info())
    save_cell(killed, cell(timed()))
    single, merged = tmp_path / "single.json", tmp_path / "merged.json"
    single.write_text(json_text(document(id="run-s")))
    merged.write_text(json_text(merge_documents([document(id="run-a"), document(id="run-b")])))
    found = read_documents([killed, single, merged])
    assert [one["run"]["id"] for one in found] == ["run-k", "run-s", "run-a", "run-b"]
    assert len(found[0]["cells"]) == 1


def test_a_damaged_document_is_named(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("{")
    with pytest.raises(HarnessError, match="cut short") as caught:
        read_documents([path])
    assert str(path) in caught.value.message


def test_zero_before_leaves_the_change_open():
    row = compared(cell(counted(optimized=0.0)), cell(counted(optimized=3.0)))
    assert row["moved"] == "worse"
    assert math.isnan(row["change"])
    assert (
        compared(cell(counted()), replace(cell(counted(optimized=None))))["refused"]
        == "no figure on one side"
    )

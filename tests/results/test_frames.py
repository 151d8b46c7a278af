import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_builders import (
    bounded,
    cell,
    cells,
    counted,
    document,
    effect,
    machine_info,
    run_info,
    timed,
    with_samples,
)

from harness.errors import HarnessError
from harness.measure.outcome import ClaimFinding
from harness.results.documents import run_document
from harness.results.frames import (
    CELL_COLUMNS,
    CLAIM_COLUMNS,
    FINDING_COLUMNS,
    RUN_COLUMNS,
    before_after,
    claims_frame,
    findings_frame,
    history_frame,
    ratio_between,
    samples_frame,
)
from harness.results.store import SAMPLE_COLUMNS, create_run, save_cell, save_samples

L4 = {"nodeid": "benchmarks/toy/test_toy.py::test_toy[l4-4]", "hardware": "l4"}


def test_samples_are_the_same_from_parquet_and_from_cells(tmp_path):
    one = with_samples(cell(timed()))
    killed = create_run(tmp_path, "run-1", run_info("run-1"), machine_info())
    save_cell(killed, one)
    from_cells = samples_frame([killed])
    save_samples(killed, [one])
    from_parquet = samples_frame([killed])
    assert tuple(from_cells.columns) == SAMPLE_COLUMNS
    assert from_cells.to_numpy().tolist() == from_parquet.to_numpy().tolist()
    assert len(samples_frame([killed, killed])) == 2 * len(one.samples)
    assert samples_frame([]).empty


def test_a_damaged_sample_table_is_named(tmp_path):
    run_dir = create_run(tmp_path, "run-1")
    (run_dir / "samples.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(HarnessError, match=r"samples\.parquet: damaged"):
        samples_frame([run_dir])


@given(st.lists(cells, max_size=3, unique_by=lambda one: one.nodeid))
def test_one_row_per_cell_and_metric_and_one_for_an_empty_cell(many):
    table = findings_frame([run_document(run_info(), machine_info(), many)])
    assert tuple(table.columns) == (*RUN_COLUMNS, *CELL_COLUMNS, *FINDING_COLUMNS)
    assert len(table) == sum(max(1, len(one.findings)) for one in many)
    assert table["ratio"].dtype == np.float64


def test_a_row_carries_where_its_figure_comes_from():
    (row,) = findings_frame([document(cell(timed(), engine="toy", model="m", seed=7))]).to_dict("records")
    expected = {
        "run": "run-20261121T010203-ab12cd",
        "commit": "c0ffee",
        "fingerprint": "sha256:0123",
        "hardware": "cpu",
        "params": '{"size": 4}',
        "test": "benchmarks/toy/test_toy.py::test_toy",
        "engine": "toy",
        "model": "m",
        "seed": 7,
        "provenance": "measured",
        "ratio": 0.5,
        "baseline": 0.2,
        "gate_state": "not gated",
    }
    assert {name: row[name] for name in expected} == expected


def test_a_cell_that_was_not_run_keeps_its_row():
    (row,) = findings_frame([document(cell(state="not run", reason="needs l4"))]).to_dict("records")
    assert (row["state"], row["cell_reason"]) == ("not run", "needs l4")
    assert pd.isna(row["metric"])


def test_before_and_after_by_row():
    here = document(cell(timed(0.5), counted()))
    there = document(cell(timed(0.25), **L4), id="run-b")
    table = before_after(findings_frame([here, there]))
    assert list(table.index.names) == ["optimization", "test", "params", "metric", "unit", "provenance"]
    assert set(table.columns.get_level_values("hardware")) == {"cpu", "l4"}
    latency = table.xs("latency", level="metric").iloc[0]
    assert latency["cpu", "ratio"] == 0.5
    assert latency["l4", "ratio"] == 0.25
    segments = table.xs("segments", level="metric").iloc[0]
    assert segments["cpu", "baseline"] == 4797
    assert math.isnan(segments["l4", "baseline"])


def test_two_runs_of_one_row_are_told_apart():
    table = before_after(
        findings_frame([document(cell(timed(0.5)), id="run-a"), document(cell(timed(0.4)), id="run-b")])
    )
    assert set(table.columns.get_level_values("hardware")) == {"cpu (run-a)", "cpu (run-b)"}


def test_measured_and_modelled_figures_are_different_rows():
    measured = cell(timed(0.5))
    modelled = cell(timed(0.3, provenance="modelled"), state="modelled", **L4)
    table = before_after(findings_frame([document(measured, modelled)]))
    assert sorted(table.index.get_level_values("provenance")) == ["measured", "modelled"]
    assert table.notna().xs("ratio", level="figure", axis=1).sum(axis=1).tolist() == [1, 1]


def test_nothing_measured_is_an_empty_table():
    assert before_after(findings_frame([])).empty
    assert before_after(findings_frame([document(cell(state="not run"))])).empty


def test_indistinguishable_cells_are_refused():
    twins = [cell(timed(), nodeid=f"t.py::t[cpu-{name}]") for name in "ab"]
    with pytest.raises(HarnessError, match="has the parameters of another cell"):
        before_after(findings_frame([document(*twins)]))


def test_a_ratio_across_rows_divides_like_by_like():
    table = findings_frame([document(cell(timed(0.5)), cell(timed(0.25), **L4))])
    ratio = ratio_between(table[table["hardware"] == "l4"], table[table["hardware"] == "cpu"], "optimized")
    assert ratio.tolist() == [pytest.approx(0.5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"provenance": "modelled"}, "modelled divided by measured"), ({"unit": "ms"}, "ms divided by s")],
)
def test_a_ratio_across_provenances_or_units_is_refused(changes, message):
    table = findings_frame([document(cell(timed()), cell(timed(**changes), **L4))])
    with pytest.raises(HarnessError, match=message) as caught:
        ratio_between(table[table["hardware"] == "l4"], table[table["hardware"] == "cpu"], "optimized")
    assert "latency" in caught.value.where


def test_claims_stand_beside_what_was_found():
    open_claim = ClaimFinding("ratio", -math.inf, 0.6, "a.md", "at least 40 % less", "met")
    loss_claim = ClaimFinding("value", 0.0, 0.05, "a.md", "within 5 %", "refuted")
    one = cell(timed(claims=(open_claim,)), bounded(0.2, claims=(loss_claim,)))
    table = claims_frame([document(one)]).set_index("metric")
    assert set(table.reset_index().columns) == set(CLAIM_COLUMNS)
    assert table.loc["latency", ["claim_low", "claim_high", "found", "claim_state"]].tolist() == [
        -math.inf,
        0.6,
        0.5,
        "met",
    ]
    assert table.loc["loss", ["kind", "found", "quote"]].tolist() == ["value", 0.2, "within 5 %"]


def test_a_claim_on_the_value_of_an_arm_stands_beside_that_value():
    reached = ClaimFinding("value", 0.0, 1.5, "a.md", "within 1.5 s", "met")
    finding = timed(claims=(reached,))
    row = claims_frame([document(cell(finding))]).iloc[0]
    assert row["found"] == finding.optimized
    assert row[["low", "high"]].isna().all()
    assert tuple(claims_frame([]).columns) == CLAIM_COLUMNS


def test_history_links_only_comparable_runs():
    days = [
        document(cell(timed(0.5)), id="run-1", started="2026-11-01"),
        document(cell(timed(0.6)), id="run-2", started="2026-11-02"),
        document(cell(timed(0.3), benchmark_hash="n"), id="run-3", started="2026-11-03"),
        document(cell(timed(0.3, effect=effect(0.33)), benchmark_hash="n"), id="run-4", started="2026-11-04"),
    ]
    table = history_frame(days[::-1])
    assert table["run"].tolist() == ["run-1", "run-2", "run-3", "run-4"]
    assert table["comparable"].tolist() == [False, True, False, True]
    assert table["change"].fillna(0).tolist() == pytest.approx([0, 1.2, 0, 1.1])


def test_history_keeps_rows_apart_and_divides_no_losses():
    days = [
        document(cell(timed(), bounded()), cell(timed(0.1), **L4), id=f"run-{day}", started=f"2026-11-0{day}")
        for day in (1, 2)
    ]
    table = history_frame(days)
    assert table["comparable"].sum() == 3
    assert table.loc[table["metric"] == "loss", "change"].isna().all()
    assert table.loc[table["metric"] == "latency", "change"].dropna().tolist() == [1.0, 1.0]
    assert history_frame([]).empty


def test_a_model_that_changed_is_not_comparable():
    days = [document(cell(timed(), model=model), id=f"run-{model}", started=model) for model in ("a", "b")]
    assert not history_frame(days)["comparable"].any()
    same = [document(replace(cell(timed()), model=None), id=f"run-{day}", started=day) for day in ("a", "b")]
    assert history_frame(same)["comparable"].tolist() == [False, True]

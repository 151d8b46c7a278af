"""Run log entries: the documented row and table, and what a line must hold."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.report.run_log import (
    DOCUMENTED,
    HEAD,
    Entry,
    LoggedScore,
    entry_from,
    entry_line,
    log_table,
)
from harness.render.tables import markdown_lines

OURS = Entry(
    date="2026-01-31",
    optimizer="gepa",
    train=60,
    validation=60,
    test=120,
    place="local",
    weights="Q4_K_M",
    compute="FP32",
    hardware="cpu",
    seconds=192.4,
    baseline=LoggedScore(0.5, 0.45, 0.55),
    optimized=LoggedScore(0.75, 0.7, 0.8),
    notes="20 threads",
    seed=7,
    metric_calls=392,
    fingerprint={"data": "ab" * 32},
)

shares = st.floats(0, 1)
scores = st.one_of(
    st.builds(LoggedScore, shares),
    st.tuples(shares, shares, shares).map(sorted).map(lambda s: LoggedScore(s[1], s[0], s[2])),
)
entries = st.builds(
    Entry,
    date=st.dates().map(str),
    optimizer=st.text(),
    train=st.integers(0, 10**9),
    validation=st.integers(0, 10**9),
    test=st.integers(0, 10**9),
    place=st.sampled_from(["local", "remote"]),
    weights=st.text(max_size=9),
    compute=st.text(max_size=9),
    hardware=st.text(max_size=9),
    seconds=st.floats(0, 1e9),
    baseline=scores,
    optimized=scores,
    scored_on=st.sampled_from(["test", "validation"]),
    provenance=st.sampled_from(["measured", "modelled", "quoted"]),
    notes=st.text(),
    seed=st.none() | st.integers(0, 99),
    metric_calls=st.none() | st.integers(0, 99),
    fingerprint=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@settings(deadline=None)
@given(entries)
def test_an_entry_is_one_line_that_says_it_again(entry):
    line = entry_line(entry)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert entry_from(json.loads(line)) == entry


def test_the_documented_row_is_quoted_with_both_dtypes_apart():
    assert (DOCUMENTED.provenance, DOCUMENTED.weights, DOCUMENTED.compute) == ("quoted", "FP8", "BF16")
    assert entry_from(json.loads(entry_line(DOCUMENTED))) == DOCUMENTED
    (row,) = log_table([]).rows
    assert row == (
        "2025-11-25", "extract_nodes", "3 (2t/1v)", "remote/FP8 weights/BF16 compute/L4", "60m", "66.7%",
        "66.7%",
        "quoted, scored on validation examples; FP8, pre-dynamic threads, 20 threads hardcoded",
    )  # fmt: skip


def test_ours_are_measured_on_held_out_examples_with_intervals():
    head, rule, _, ours = markdown_lines(log_table([OURS]))
    assert head == "| Date | Optimizer | Examples | Mode | Time | Baseline | Optimized | Notes |"
    assert rule.count("|") == len(HEAD) + 1
    assert "120 (60t/60v) + 120 test" in ours
    assert "local/Q4_K_M weights/FP32 compute/cpu" in ours
    assert "3m 12s" in ours
    assert "50.0% \\[45.0, 55.0\\]" in ours
    assert ours.endswith("| measured; 20 threads |")


def test_times():
    times = [log_table([replace(OURS, seconds=s)]).rows[1][4] for s in (0.0, 3.25, 42.4, 59.99, 60.0, 7261.0)]
    assert times == ["0s", "3.25s", "42s", "60s", "1m", "121m 1s"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"date": "25.11.2025"}, "`date`"),
        ({"optimizer": 3}, "`optimizer` is no text"),
        ({"train": -1}, "`train` is no count"),
        ({"train": True}, "`train` is no count"),
        ({"seed": 1.5}, "`seed` is no count"),
        ({"seconds": -1.0}, "`seconds`"),
        ({"seconds": float("nan")}, "`seconds`"),
        ({"seconds": 10**400}, "`seconds`"),
        ({"provenance": "guessed"}, "`provenance` is one of measured"),
        ({"scored_on": "train"}, "`scored_on` is one of"),
        ({"baseline": {"f1": 66.7}}, "`baseline` is no share"),
        ({"baseline": {"f1": 0.5, "low": 0.6, "high": 0.7}}, "`baseline` is no share"),
        ({"baseline": {"f1": 0.5, "low": 0.4}}, "no number"),
        ({"baseline": {"f1": "0.5"}}, "no number"),
        ({"baseline": 0.5}, "`baseline` is an object"),
        ({"optimized": {"f1": 0.5, "n": 3}}, "`optimized` is an object"),
        ({"fingerprint": {"data": 1}}, "`fingerprint`"),
        ({"format": 2}, "`format` is 2"),
        ({"colour": "red"}, "`colour` is no field"),
    ],
)
def test_what_no_entry_has_is_named(change, what):
    document = json.loads(entry_line(OURS)) | change
    with pytest.raises(ValueError, match=what):
        entry_from(document)


def test_a_missing_field_is_named():
    document = json.loads(entry_line(OURS))
    del document["weights"]
    with pytest.raises(ValueError, match="`weights` is missing"):
        entry_from(document)
    with pytest.raises(ValueError, match="JSON object"):
        entry_from([1])


def test_an_entry_that_is_none_is_never_written():
    with pytest.raises(ValueError, match="no share"):
        entry_line(replace(OURS, baseline=LoggedScore(66.7)))

import re

import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st
from sample import cell, document, finding

from harness.render import MatrixSummary, closing_lines, header_lines, progress_line, verdict_table

FIGURES = ("4,797", "340,665", "131,206", "0.313 [0.309, 0.318]", "8.00 GiB", "limit 0.002 max_abs", "8.12 %")


def test_the_header_says_first_what_is_not_measured() -> None:
    lines = header_lines(sample.machine(), MatrixSummary(("cpu",), ("l4",), ("t4", "h100")), clock="thread")
    assert lines[0].startswith("not measured")
    assert "l4" in lines[0]
    text = "\n".join(lines)
    assert "noise floor 1.1 % (A/A)" in text
    assert "load 3.4" in text
    assert "4 rows: 1 here, 1 asked for without being here, 2 need other hardware (t4, h100)" in text
    assert "thread clock" in text


def test_a_note_is_an_entry_of_its_own() -> None:
    machine, summary = sample.machine(), MatrixSummary(("cpu",))
    lines = header_lines(machine, summary, clock="thread", note="1 x GPU:\nno row describes it")
    (line,) = [line for line in lines if line.startswith("note")]
    assert line.split(maxsplit=1) == ["note", "1 x GPU: no row describes it"]
    assert lines[:-1] == header_lines(machine, summary, clock="thread")


def test_a_floor_that_was_not_measured_is_said() -> None:
    machine = sample.machine() | {"noise_floor": None}
    text = "\n".join(header_lines(machine, MatrixSummary(("cpu",)), clock="thread"))
    assert "noise floor not measured" in text
    assert "not measured  " not in text


@given(st.integers(min_value=20, max_value=220))
def test_figures_are_whole_at_any_width(width: int) -> None:
    table = verdict_table([sample.realistic()], width=width)
    for figure in FIGURES:
        assert figure in table


@pytest.mark.parametrize("width", [80, 120])
def test_only_a_figure_may_pass_the_width(width: int) -> None:
    table = verdict_table([sample.realistic()], width=width)
    assert max(map(len, table.splitlines())) <= width


def test_wide_enough_is_one_line_each() -> None:
    promised = finding(claims=[sample.claim(0.25, 0.4, "met", "q")])
    documents = [document([cell("a"), cell("b", findings=[promised])])]
    head, _, last = (" ".join(line.split()) for line in verdict_table(documents, width=140).splitlines())
    assert head == "optimization metric hardware before after ratio [99 % CI] verdict claim"
    assert last == "b latency cpu 41.2 ms 12.9 ms 0.313 [0.309, 0.318] improved 0.25 to 0.4 met"


def test_a_modelled_figure_says_so_and_keeps_its_own_row() -> None:
    table = verdict_table([document([cell("x"), sample.modelled("x", "cpu", 0.5)])], width=160)
    rows = [line for line in table.splitlines() if line.startswith("x ")]
    assert len(rows) == 2
    assert "modelled" not in rows[0]
    assert "improved (modelled)" in rows[1]


def test_what_did_not_run_is_folded_by_reason() -> None:
    cells = [sample.not_run(f"opt_{i}", "l4", "needs an accelerator, this is cpu") for i in range(40)]
    table = verdict_table([document(cells)], width=100)
    assert "40 not run  needs an accelerator, this is cpu: opt_0 (l4)" in table
    assert "and 34 more" in table
    assert "opt_39" not in table


def test_closing_lines_count_measured_and_modelled_apart() -> None:
    lines = closing_lines([sample.realistic()], "reports/r/index.html")
    assert lines[0] == (
        "5 improved, 1 regressed, 1 unchanged, 1 worse, 1 within limit, 4 refused, "
        "1 inconclusive (detects >= 7.7 %; rerun with --budget 38), 25 not run"
    )
    assert lines[1] == "modelled, not measured: 3 improved, 1 unchanged"
    assert lines[-1] == "reports/r/index.html"
    assert sum("next:" in line for line in lines) == 2


@pytest.mark.parametrize("width", [60, 100, 200])
def test_no_escape_codes_without_color_and_the_same_words_with(width: int) -> None:
    documents = [sample.realistic()]
    plain = verdict_table(documents, width=width) + "\n".join(closing_lines(documents, "r", width=width))
    painted = verdict_table(documents, width=width, color=True)
    painted += "\n".join(closing_lines(documents, "r", width=width, color=True))
    assert "\x1b" not in plain
    assert "\x1b[32m" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


@given(st.text(st.characters(exclude_categories=())))
def test_data_cannot_steer_the_terminal(text: str) -> None:
    documents = [sample.hostile(text)]
    out = verdict_table(documents) + "\n".join(closing_lines(documents, "r"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", out)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 1e6), st.text(), st.integers(48, 200))
def test_the_progress_line_keeps_its_figures(
    done: int, total: int, left: float, nodeid: str, width: int
) -> None:
    line = progress_line(done, total, left, nodeid, width)
    assert f"{done}/{total}" in line
    assert line.endswith(" left")
    assert len(line) <= width


def test_progress_without_an_estimate() -> None:
    assert progress_line(9, 41, None, "a.py::t", 40).split() == ["a.py::t", "9/41"]
    assert progress_line(9, 41, 12, "a.py::t", 40).endswith("9/41  0:12 left")


def test_nothing_at_all() -> None:
    assert verdict_table([document([])]) == ""
    assert closing_lines([document([]) | {"vanished": []}], "")[0].startswith("0 improved, 0 regressed")

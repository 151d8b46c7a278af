"""Cells that say where they stand, whatever wrote the file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.csv_table import MOST_COUNT, half_of_last_digit, header_and_lines
from harness.errors import HarnessError


def one_line(tmp_path, cell):
    path = tmp_path / "t.csv"
    path.write_text(f'a,b\n"{cell}",2\n', encoding="utf-8")
    return next(header_and_lines(path)[1])


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_byte_order_marks_and_line_ends_change_nothing(tmp_path, start, end):
    path = tmp_path / "t.csv"
    path.write_bytes(start + end.join([b' A, "Batch  Tokens" ', b"", b"x , 2", b""]))
    header, lines = header_and_lines(path)
    assert header == ("a", "batch_tokens")
    assert [(line.number, list(line.cells.values())) for line in lines] == [(3, ["x", "2"])]


def test_an_empty_file_has_no_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n \n")
    header, lines = header_and_lines(path)
    assert header == ()
    assert list(lines) == []


@pytest.mark.parametrize("cell", ["", " ", "-", "NaN", "nan", "N/A", "null", "None"])
def test_what_stands_for_no_value(tmp_path, cell):
    line = one_line(tmp_path, cell)
    assert not line.knows("a")
    assert not line.knows("no such column")
    assert line.knows("b")
    assert not line.knows("a", "b")


@pytest.mark.parametrize("cell", ["", "0", "-3", "1.5", "nan", "inf", "1e300", "1e10", "many", "1,000"])
def test_no_count(tmp_path, cell):
    with pytest.raises(HarnessError, match=rf"line 2, column a: is '{cell}'.*whole number from 1 to"):
        one_line(tmp_path, cell).whole("a")


@pytest.mark.parametrize(
    ("cell", "count"), [("1", 1), ("8.0", 8), ("1e3", 1000), (f"{MOST_COUNT}", MOST_COUNT)]
)
def test_a_count(tmp_path, cell, count):
    found = one_line(tmp_path, cell).whole("a")
    assert (found, type(found)) == (count, int)


@pytest.mark.parametrize("cell", ["", "0", "-1", "nan", "inf", "1e-323", "1e300", "3 ms"])
def test_no_time(tmp_path, cell):
    with pytest.raises(HarnessError, match=r"column a: is .*number above 0"):
        one_line(tmp_path, cell).positive("a")


def test_an_error_raised_at_a_cell_names_it_and_keeps_its_advice(tmp_path):
    with pytest.raises(HarnessError) as raised, one_line(tmp_path, "x").at("a"):
        raise HarnessError("is wrong", where="elsewhere", allowed="this", next_step="do that")
    found = raised.value
    assert found.where.endswith("t.csv, line 2, column a")
    assert (found.what, found.allowed, found.next_step) == ("elsewhere: is wrong", "this", "do that")


@pytest.mark.parametrize(("text", "half"), [("1.4", 0.05), ("23", 0.5), ("0.123", 0.0005), ("1.5e1", 0.5)])
def test_rounding_is_read_from_the_digits(text, half):
    assert half_of_last_digit(text) == pytest.approx(half)


@given(value=st.floats(1e-3, 1e9), digits=st.integers(0, 9))
@settings(deadline=None)
def test_a_printed_number_is_within_half_a_digit(value, digits):
    text = f"{value:.{digits}f}"
    assert abs(float(text) - value) <= half_of_last_digit(text) + 1e-15 * value

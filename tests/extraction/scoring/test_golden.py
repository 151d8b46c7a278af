"""Tables of values against each other, and tables that are none."""

import pytest
from extraction.scoring.small import perfect

from harness.errors import HarnessError
from harness.extraction.output.tables import facilities_csv
from harness.extraction.scoring import golden_report, golden_scores, read_extracted, read_golden

GOLDEN = (
    "company,facility,credit_limit,spread,country,upfront_fee\n"
    "Alder,Term Loan B,EUR 250m,2.50 %,Spain,\n"
    "Alder,Revolving Facility,EUR 20m,1.75 %,Spain,NOT_FOUND\n"
)


@pytest.fixture
def write(tmp_path):
    def written(text, name="golden.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def scores(extracted, golden):
    columns, truths = read_golden(golden)
    return golden_scores(read_extracted(extracted), truths, columns)


def test_what_the_command_writes_is_compared(write):
    table = write(facilities_csv([perfect()]), "facilities.csv")
    (score,) = scores(table, write(GOLDEN))
    assert score.count("coverage") == (4, 6)
    assert {each.field for each in score.outcomes} == {"credit_limit", "spread", "country", "upfront_fee"}
    assert score.matched == 2
    lines = list(golden_report(table, write(GOLDEN)))
    assert "2 differences" in lines
    assert "Alder, Term Loan B, credit_limit: 'EUR 250m' was not found" in lines


def test_the_table_of_right_values_agrees_with_itself(write):
    path = write(GOLDEN)
    (score,) = scores(path, path)
    assert score.count("coverage") == score.count("precision") == (6, 6)
    assert score.count("false_fills") == (0, 2)
    assert list(golden_report(path, path))[-1] == "no differences"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("2.50 %", "12.50 %"), "Alder, Term Loan B, spread: '12.50 %' instead of '2.50 %'"),
        (("2.50 %", "1.75 %"), "spread: '1.75 %' instead of '2.50 %', the sister facility's"),
        (("2.50 %", ""), "Alder, Term Loan B, spread: '2.50 %' was not found"),
        (("Spain,\n", "Spain,0.5\n"), "Alder, Term Loan B, upfront_fee: '0.5' where there is no value"),
        (("2.50 %", "high"), "'high' instead of '2.50 %'"),
        (
            ("Alder,Revolving", "Alder,VAT,,3 %,,\nAlder,Revolving"),
            "Alder, VAT, spread: '3 %' where there is no facility",
        ),
    ],
)
def test_differences(write, change, line):
    extracted = write(GOLDEN.replace(*change, 1), "facilities.csv")
    lines = list(golden_report(extracted, write(GOLDEN)))
    assert any(line in each for each in lines)
    assert any("1 differences" in each for each in lines)


def test_companies_without_a_partner(write):
    other = write(GOLDEN.replace("Alder", "Birch"), "facilities.csv")
    lines = list(golden_report(other, write(GOLDEN)))
    assert "not extracted, all values missed: Alder" in lines
    assert "without right values, left out: Birch" in lines
    assert any(line.startswith("0.0%") and "(0 of 6)" in line for line in lines)


def test_forms_that_spreadsheets_save(write):
    marked = write(b"\xef\xbb\xbf" + GOLDEN.replace(",", ";").replace("\n", "\r\n").encode(), "excel.csv")
    (score,) = scores(marked, write(GOLDEN))
    assert score.count("coverage") == (6, 6)


def test_a_cell_that_a_spreadsheet_must_not_run(write):
    table = write("company,facility,borrower_name\nAlder,A,'=Alder Ltd\n")
    assert read_extracted(table)["Alder"].facilities[0].values["borrower_name"].value == "=Alder Ltd"


def test_fields_without_a_column_do_not_count(write):
    (score,) = scores(write(GOLDEN), write("company,facility,spread\nAlder,Term Loan B,2.5\n"))
    assert score.count("coverage") == (1, 1)
    assert {each.field for each in score.outcomes} == {"spread"}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "line 1", "no column 'company'"),
        ("company,spread\n", "line 1", "no column 'facility'"),
        ("company,facility\n", "line 1", "no column of a field"),
        ("company,facility,spread,spread\n", "line 1, column 4", "two columns 'spread'"),
        ("company,facility,margin\n", "line 1, column 3", "'margin' is no field"),
        ("company,facility,spread\nA,B\n", "line 2", "2 cells under 3 columns"),
        ("company,facility,spread\nA,B,1 %\n\nA,,1 %\n", "line 4, column facility", "no name"),
        ("company,facility,spread\nA,B,1 %\nA,C,high\n", "line 3, column spread", "'high'"),
        ("company,facility,spread\nA,B,1 %\nA,B,2 %\n", "line 3", "stands in line 2 too"),
        ("company,facility,maturity_date\nA,B,13/2027\n", "line 2, column maturity_date", "'13/2027'"),
        (b"company,facility,spread\nA,B\xff,1\n", "golden.csv", "no UTF-8"),
        ("company,facility,spread\nA,B," + "9" * 200_000 + "\n", "line 2", "no CSV"),
    ],
)
def test_tables_that_are_none_say_where(write, text, where, what):
    path = write(text)
    with pytest.raises(HarnessError) as caught:
        read_golden(path)
    assert where in caught.value.message
    assert what in caught.value.message


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(HarnessError, match="cannot be read"):
        read_golden(tmp_path / "none.csv")


def test_a_table_without_rows(write):
    with pytest.raises(HarnessError, match="no row"):
        list(golden_report(write(GOLDEN), write("company,facility,spread\n", "empty.csv")))

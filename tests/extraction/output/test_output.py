"""Tables and the review page: every value with its place, and nothing of the text as markup."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.output.review import Mark, evidence_marks, marked_lines, review_page
from harness.extraction.output.tables import FORMULA, csv_text, document, evidence_csv, facilities_csv
from harness.extraction.result import Candidate, CompanyResult, FacilityResult, StageCost, Value
from harness.extraction.schema.fields import FIELDS
from harness.render.sections import html_page, markdown_page

TEXT = "First line.\nThe margin is 2.35 % a year.\nNo more <b>here</b>.\n"
KEYS = list(FIELDS)


@pytest.fixture
def result():
    company = Company("Acme & Sons", (Document("a.txt", "x\n"), Document("b.txt", TEXT, (0, 12))))
    start = company.text.index("margin is 2.35 %")
    found = Value(
        KEYS[0], "FOUND", "2.35", 0.9, Passage(start, start + 16), "margin is 2.35 %",
        (Candidate("=1+1", 0.3, Passage(start, start + 6), "<script>"),),
    )  # fmt: skip
    values = {
        KEYS[0]: found,
        KEYS[1]: Value(KEYS[1], "CONFLICT", "=cmd()", 0.5),
        KEYS[2]: Value(KEYS[2], "N/A"),
    }
    costs = (StageCost("window", 3, 1, 900, 50, 100),)
    return CompanyResult(company, (FacilityResult(Facility("Facility A"), values),), costs, ("a note",))


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_for_each_facility(result):
    (row,) = rows(facilities_csv([result]))
    assert (row["company"], row["facility"], row["fields_found"]) == ("Acme & Sons", "Facility A", "2")
    assert (row["confidence"], row["fields_in_conflict"]) == ("0.700", "1")
    assert (row[KEYS[0]], row[KEYS[2]], row[KEYS[3]]) == ("2.35", "N/A", "NOT_EXTRACTED")
    assert row["files"] == "a.txt; b.txt"
    # a spreadsheet must not run what a document says
    assert row[KEYS[1]] == "'=cmd()"


def test_evidence_has_file_page_and_characters(result):
    first, second, third = rows(evidence_csv([result]))
    assert (first["file"], first["page"]) == ("b.txt", "2")
    assert TEXT[int(first["start"]) : int(first["end"])] == "margin is 2.35 %"
    assert (second["file"], second["status"], third["status"]) == ("", "CONFLICT", "N/A")


@given(st.lists(st.text(max_size=8), min_size=2, max_size=2))
def test_cells_run_no_formula_and_end_no_row(cells):
    text = csv_text(("a", "b"), iter([dict(zip("ab", cells, strict=True))]))
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    for cell, written in zip(cells, row, strict=True):
        kept = re.sub("\r\n?", "\n", cell)
        assert written in (kept, f"'{kept}")
        assert not written.startswith(FORMULA) or float(written.rstrip("%x").replace(",", "")) is not None


@pytest.mark.parametrize("cell", ["=1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\n=1", "\r=1", "＝1+1"])
def test_what_a_spreadsheet_would_run(cell):
    (_, (written,)) = csv.reader(io.StringIO(csv_text(("a",), iter([{"a": cell}])), newline=""))
    assert written.startswith("'")


def test_the_document_says_all_of_it(result):
    (company,) = document([result])["companies"]
    field = company["facilities"][0]["fields"][KEYS[0]]
    assert field["evidence"]["file"] == "b.txt"
    assert field["others"][0]["value"] == "=1+1"
    assert field["others"][0]["evidence"] == {**field["evidence"], "end": field["evidence"]["start"] + 6}
    assert company["costs"][0]["asked_again"] == 1
    assert company["notes"] == ["a note"]


def test_the_review_page_leads_from_the_value_to_the_text(result):
    page = review_page(result, "measured")
    html = html_page(page)
    (mark,) = evidence_marks(result)["b.txt"]
    assert f'<a href="#{mark.anchor}">b.txt, page 2</a>' in html
    assert f'<mark id="{mark.anchor}"' in html
    assert ">margin is 2.35 %</mark>" in html
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;b&gt;here&lt;/b&gt;" in html
    assert "a.txt</h2>" not in html
    markdown = markdown_page(page)
    assert "[margin is 2.35 %]" in markdown


def test_a_company_without_a_facility_has_a_page():
    page = review_page(CompanyResult(Company("None", (Document("a", "b"),)), (), ()), "modelled")
    assert "No facility was found." in html_page(page)


@given(
    st.text(alphabet="ab\n", max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6),
)
def test_marks_cover_what_they_should_and_change_no_text(text, drawn):
    spans = sorted({(start, min(start + size, len(text))) for start, size in drawn if start < len(text)})
    marks = [Mark(start, end, f"m{start}-{end}", ("label",), 1.0) for start, end in spans]
    lines = [
        line for line in marked_lines(Document("f", text), marks) if "without evidence" not in line[0].text
    ]
    if not marks:
        assert not lines
        return
    assert [line.rstrip("\r\n") for line in text.splitlines(keepends=True)] == [
        "".join(piece.text for piece in line) for line in lines
    ]
    marked = sum(len(piece.text) for line in lines for piece in line if piece.label)
    covered = {place for start, end in spans for place in range(start, end)}
    assert marked == sum(text[place] != "\n" for place in covered)
    anchors = [piece.anchor for line in lines for piece in line if piece.anchor]
    assert sorted(anchors) == sorted(mark.anchor for mark in marks)


def test_every_mark_of_a_long_document_is_shown():
    text = "line of text\n" * 100_000
    starts = range(0, 13 * 90_000, 13 * 300)
    marks = [Mark(start, start + 4, f"m{start}", ("label",), 1.0) for start in starts]
    shown = list(marked_lines(Document("f", text), marks))
    assert sum(piece.anchor != "" for line in shown for piece in line) == len(marks)

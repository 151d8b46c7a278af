import datetime

import pytest

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.report import UnreadableError
from harness.extraction.documents.workbook import read_workbook


@pytest.fixture
def book(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "Terms"
    sheet.append(["Facility", "Margin", "Signed"])
    sheet.append(["Term Loan", 0.025, datetime.date(2027, 3, 31)])
    sheet["B2"].number_format = "0.00%"
    sheet.append([])
    sheet.append([None, "line one\nline two", None])
    other = book.create_sheet("Ratios")
    other["B2"] = 1.2
    other["B2"].number_format = '0.00"x"'
    book.create_sheet("Empty")
    path = tmp_path / "book.xlsx"

    def saved():
        book.save(path)
        return path

    saved.book = book
    return saved


def test_each_sheet_is_a_page_and_each_row_a_line(book):
    content = read_workbook(book(), Limits())
    assert content.text == (
        "# Terms\n\nFacility | Margin | Signed\nTerm Loan | 2.50% | 2027-03-31\n | line one line two\n\n"
        "# Ratios\n\n | 1.20x\n\n"
    )
    assert [content.text[start:][:8] for start in content.pages] == ["# Terms\n", "# Ratios"]
    assert (content.notes, content.is_partial) == ((), False)


def test_a_formula_without_a_stored_value_is_noted(book):
    book.book["Ratios"]["C2"] = "=B2*2"
    content = read_workbook(book(), Limits())
    assert content.is_partial
    assert content.notes == ("1 formulas have no stored value; open and save it",)


def test_wrongly_stated_dimensions_lose_nothing(book, repack):
    path = book()
    import zipfile

    with zipfile.ZipFile(path) as archive:
        data = archive.read("xl/worksheets/sheet1.xml")
    assert b'<dimension ref="A1:C4"' in data
    repack(path, {"xl/worksheets/sheet1.xml": data.replace(b'ref="A1:C4"', b'ref="A1:A1"')})
    assert "Term Loan | 2.50%" in read_workbook(path, Limits()).text


def test_a_row_of_a_high_number_costs_cells(book, repack):
    path = book()
    far = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="900000000"><c r="A900000000"><v>1</v></c></row></sheetData></worksheet>'
    )
    repack(path, {"xl/worksheets/sheet1.xml": far})
    with pytest.raises(UnreadableError, match="over 1,000 cells"):
        read_workbook(path, Limits(cells=1000))


def test_too_much_text(book):
    with pytest.raises(UnreadableError, match="over 20 characters"):
        read_workbook(book(), Limits(characters=20))


def test_what_unpacks_to_too_much_is_not_unpacked(book, repack):
    path = book()
    repack(path, {"xl/media/bomb.bin": bytes(20 << 20)})
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UnreadableError, match="unpacks to"):
        read_workbook(path, Limits(unpacked_bytes=10 << 20))


def test_too_many_packed_files(book):
    with pytest.raises(UnreadableError, match="over the limit of 3"):
        read_workbook(book(), Limits(packed_files=3))


def test_a_workbook_without_values(tmp_path):
    from openpyxl import Workbook

    Workbook().save(tmp_path / "book.xlsx")
    with pytest.raises(UnreadableError, match="holds no value"):
        read_workbook(tmp_path / "book.xlsx", Limits())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is no XLSX file or a broken one"),
        (b"no archive", "is no XLSX file or a broken one"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "old Office format or has a password"),
    ],
)
def test_what_is_no_workbook(tmp_path, data, why):
    (tmp_path / "book.xlsx").write_bytes(data)
    with pytest.raises(UnreadableError, match=why):
        read_workbook(tmp_path / "book.xlsx", Limits())


def test_a_broken_sheet(book, repack):
    path = book()
    repack(path, {"xl/worksheets/sheet1.xml": b"<worksheet><unclosed>"})
    with pytest.raises(UnreadableError, match="broken one"):
        read_workbook(path, Limits())

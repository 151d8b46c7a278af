import io
import logging
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.pdf import read_pdf
from harness.extraction.documents.report import UnreadableError

PAGES = [["FACILITIES AGREEMENT", "Margin 2.50%"], ["DSCR 1.20x"]]


@pytest.fixture
def read(tmp_path):
    def reading(data, **limits):
        path = tmp_path / "file.pdf"
        path.write_bytes(data)
        return read_pdf(path, Limits(**limits))

    return reading


def test_pages_begin_where_they_say(read, make_pdf):
    content = read(make_pdf(PAGES))
    assert content.text == "FACILITIES AGREEMENT\nMargin 2.50%\nDSCR 1.20x\n"
    assert [content.text[start:][:4] for start in content.pages] == ["FACI", "DSCR"]
    assert (content.notes, content.is_partial) == ((), False)


def test_a_page_without_text_is_noted(read, make_pdf):
    content = read(make_pdf([PAGES[0], [], PAGES[1]]))
    assert content.is_partial
    assert content.notes == ("without text, perhaps scanned: page 2",)
    assert content.text[content.pages[2] :] == "DSCR 1.20x\n"


def test_a_page_with_nothing_on_it_lacks_nothing(read, make_pdf):
    content = read(make_pdf([["first"], b" \n", ["third"]]))
    assert (content.text, content.notes, content.is_partial) == ("first\n\nthird\n", (), False)
    with pytest.raises(UnreadableError, match="holds no text"):
        read(make_pdf([b"", b" "]))


def test_scanned_pages_alone_are_not_read(read, make_pdf):
    with pytest.raises(UnreadableError, match="holds no text"):
        read(make_pdf([[], []]))


def encrypted(data, user, owner="owner"):
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user, owner, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_an_encrypted_file_is_not_read(read, make_pdf):
    with pytest.raises(UnreadableError, match="save it without a password"):
        read(encrypted(make_pdf(PAGES), "secret"))


def test_a_file_that_opens_without_a_password_is_read(read, make_pdf):
    assert "Margin 2.50%" in read(encrypted(make_pdf(PAGES), "")).text


@pytest.mark.parametrize("data", [b"", b"no PDF at all", b"%PDF-1.4\n", bytes(1000)])
def test_a_broken_file_is_one_sentence(read, data):
    with pytest.raises(UnreadableError) as caught:
        read(data)
    assert "\n" not in str(caught.value)


DAMAGE = st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=4), st.integers(0, 30)), max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DAMAGE, st.integers(0, 2000))
def test_a_damaged_file_is_read_or_refused(read, make_pdf, damage, end):
    data = make_pdf(PAGES)[:end]
    for at, put, gone in damage:
        data = data[:at] + put + data[at + gone :]
    with suppress(UnreadableError):
        content = read(data)
        assert content.text.encode().strip()
        assert sorted(set(content.pages)) == list(content.pages)


def test_a_damaged_file_says_so_and_nothing_reaches_the_terminal(read, make_pdf, capfd):
    data = make_pdf(PAGES)
    table = data.rindex(b"startxref")
    content = read(data[:table] + b"startxref\n7\n%%EOF\n")
    assert content.text.startswith("FACILITIES")
    assert content.notes[0].startswith("damaged, read as well as possible (")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pypdf").propagate


def test_too_many_pages(read, make_pdf):
    with pytest.raises(UnreadableError, match="has 2 pages, over the limit of 1"):
        read(make_pdf(PAGES), pages=1)


def test_too_much_text(read, make_pdf):
    with pytest.raises(UnreadableError, match="over 10 characters"):
        read(make_pdf(PAGES), characters=10)


def test_a_page_that_is_too_long(read, make_pdf):
    with pytest.raises(UnreadableError, match="over 50 bytes"):
        read(make_pdf(PAGES), page_bytes=50)


def test_pages_that_are_too_long_together(read, make_pdf):
    with pytest.raises(UnreadableError, match="pages of over 100 bytes"):
        read(make_pdf(PAGES), unpacked_bytes=100)


def test_a_page_that_draws_without_end(read, make_pdf):
    with pytest.raises(UnreadableError, match="draws over 100 times"):
        read(make_pdf([b"BT " + b"0 0 Td " * 200 + b"ET"]), operations=100)


def test_forms_that_draw_each_other_again_and_again(read, make_pdf):
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /XObject << /X 6 0 R >> >> >>"
    )
    forms = []
    for number in range(40):
        drawn = b"/X Do /X Do" if number < 39 else b""
        within = b"<< /XObject << /X %d 0 R >> >>" % (7 + number)
        forms.append(
            b"<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources %s /Length %d >>\n"
            b"stream\n%s\nendstream" % (within, len(drawn), drawn)
        )
    content = b"<< /Length 5 >>\nstream\n/X Do\nendstream"
    data = make_pdf([], extra=(content, page, *forms))
    data = data.replace(b"/Count 0 /Kids []", b"/Count 1 /Kids [5 0 R]")
    with pytest.raises(UnreadableError, match="draws over 2,000 times"):
        read(data, operations=2000)


def test_a_list_of_pages_that_lists_itself_is_read_or_refused(read, make_pdf):
    data = make_pdf(PAGES).replace(b"/Kids [4 0 R 6 0 R]", b"/Kids [2 0 R 2 0 R]")
    with pytest.raises(UnreadableError):
        read(data)

import codecs
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.documents.encodings import decoded
from harness.extraction.documents.report import UnreadableError

TEXT = "Crédit de 250 000 €, taux 2,50 %\nΔ margin\n"


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (TEXT.encode(), ()),
        (codecs.BOM_UTF8 + TEXT.encode(), ()),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), ("encoding utf-16-le",)),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), ("encoding utf-16-be",)),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), ("encoding utf-32-le",)),
        (TEXT.encode("utf-16-le"), ("encoding utf-16-le",)),
        (TEXT.encode("utf-16-be"), ("encoding utf-16-be",)),
    ],
)
def test_an_encoding_is_known(data, notes):
    assert decoded(data) == (TEXT, notes)


def test_what_is_no_utf8_is_windows_1252():
    text = "Prêt de 250 000 € – “Margin”\n"
    assert decoded(text.encode("cp1252")) == (text, ("encoding cp1252",))


def test_mixed_encodings_are_read_line_by_line_and_reported():
    data = "plain\ncafé\n".encode() + "crédit\n".encode("cp1252") + "thé\n".encode()
    text, notes = decoded(data)
    assert text == "plain\ncafé\ncrédit\nthé\n"
    assert notes == ("mixed encodings: 2 lines in utf-8, 1 in cp1252, the first in line 3",)


def test_bytes_that_stand_for_nothing_are_counted():
    assert decoded(b"a\x81b\xff\n") == ("a�bÿ\n", ("encoding cp1252", "1 characters could not be decoded"))
    text, notes = decoded(codecs.BOM_UTF8 + b"a\xff")
    assert text.startswith("a�")
    assert notes[-1].endswith("characters could not be decoded")


def test_a_replacement_character_of_the_file_is_no_loss():
    assert decoded(codecs.BOM_UTF8 + "a�b".encode()) == ("a�b", ())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"%PDF-1.7\n", "is a PDF file by its content"),
        (b"PK\x03\x04rest", "is a ZIP or Office file by its content"),
        (b"\xd0\xcf\x11\xe0rest", "is an old Office file by its content"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0", "zero bytes"),
        (b"\0", "zero bytes"),
    ],
)
def test_what_is_no_text_is_refused(data, why):
    with pytest.raises(UnreadableError, match=why):
        decoded(data)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(data):
    with suppress(UnreadableError):
        text, notes = decoded(data)
        assert len(text) <= len(data)
        assert all("\n" not in note for note in notes)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=200))
def test_utf8_comes_back_as_it_was(text):
    data = text.encode()
    if not data.startswith((b"%PDF-", b"PK\x03\x04")):
        assert decoded(data) == (text, ())

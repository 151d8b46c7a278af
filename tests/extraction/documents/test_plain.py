from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.plain import read_plain


def test_line_breaks_become_one_kind(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\rthree\nfour")
    assert read_plain(path, Limits()).text == "one\ntwo\nthree\nfour"


def test_a_form_feed_ends_a_page(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\n\ftwo\n\fthree\f")
    content = read_plain(path, Limits())
    pages = [content.text[start:] for start in content.pages]
    assert pages == ["one\n\ftwo\n\fthree\f", "two\n\fthree\f", "three\f"]


def test_characters_that_cannot_be_written_keep_their_place(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\x01b\x1bc\x7fd")
    assert read_plain(path, Limits()).text == "a�b�c\x7fd"


@settings(deadline=None)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cn"), include_characters="\n\t"), max_size=200
    )
)
def test_an_ordinary_text_is_read_as_it_is(text):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_plain(path, Limits()).text == text

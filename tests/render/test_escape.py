import re
import unicodedata
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from harness.render.escape import clip, markdown_text, printable, xml_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_printable_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in shown)
    assert len(shown) <= 400


@given(ANY_TEXT)
def test_xml_text_always_parses(text: str) -> None:
    element = ET.Element("a", b=xml_text(text))
    assert ET.fromstring(ET.tostring(element, encoding="unicode")).get("b") is not None


@given(ANY_TEXT)
def test_markdown_text_leaves_no_markup(text: str) -> None:
    shown = markdown_text(text)
    assert "\n" not in shown
    assert not re.search(r"[<>@]|://", shown)
    for sign in "|`*[]#$~":
        bare = re.sub(r"\\.|&#?[a-z0-9]+;", "", shown)
        assert sign not in bare


def test_ordinary_names_stay_readable() -> None:
    assert markdown_text("extraction_cap") == "extraction_cap"
    assert printable("a\x1b[31mred\n b") == "a?[31mred b"
    assert clip("abcdef", 4) == "abc…"

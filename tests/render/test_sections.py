"""A page of untrusted text: nothing in it can become markup, in Markdown or in HTML."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.render.sections import (
    Bullets,
    Chart,
    Lines,
    Link,
    Marked,
    Page,
    Paragraph,
    Section,
    Segment,
    html_page,
    markdown_page,
)
from harness.render.tables import Table

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=y> | `code` ``` **b** [a](http://e.x) \x1b[31m &amp; \"'"
)
hostile = st.lists(
    st.sampled_from(
        ["<b>", "</pre>", "```", "````", "|", "`", "\n", "- ", "1. ", "#", "x", " ", "&", "\x1b", "+"]
    ),
    max_size=12,
).map("".join)


def page_of(text):
    blocks = (
        Paragraph(text),
        Bullets((text, "plain")),
        Table((text, "n"), ((text, "1"),)),
        Lines((text, f"+{text}", "-gone"), "diff"),
        Marked(((Segment(text), Segment(text, f"is {text}", strength=0.25)), (Segment(text, f"at {text}"),))),
        Chart("<svg><title>ours</title></svg>"),
    )
    return Page(text, text, (Section(text, blocks),))


class Tags(HTMLParser):
    """Counts tags, and keeps what stands as text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text.append(data)


def parsed(html):
    tags = Tags()
    tags.feed(html)
    tags.close()
    return tags


def outside_fences(markdown):
    """The lines that Markdown reads as markup; fences opened and closed as CommonMark says."""
    kept, fence = [], ""
    for line in markdown.split("\n"):
        run = re.match(r" {0,3}(`{3,})", line)
        if fence:
            if run and len(run[1]) >= len(fence) and not line.strip().strip("`"):
                fence = ""
        elif run:
            fence = run[1]
        else:
            kept.append(line)
    assert not fence
    return kept


def test_html_shows_the_text_and_runs_none_of_it():
    html = html_page(page_of(HOSTILE))
    tags = parsed(html)
    assert set(tags.tags) & {"script", "img", "b", "a"} == set()
    assert "alert(1)" in "".join(tags.text)
    assert "\x1b" not in html
    assert "<svg><title>ours</title></svg>" in html
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)=", html.replace("src=x", ""))


@settings(deadline=None, max_examples=50)
@given(hostile)
def test_no_text_changes_the_html_around_it(text):
    assert parsed(html_page(page_of(text))).tags == parsed(html_page(page_of("plain"))).tags


@settings(deadline=None)
@given(hostile)
def test_no_text_leaves_its_place_in_markdown(text):
    lines = outside_fences(markdown_page(page_of(text)))
    plain = outside_fences(markdown_page(page_of("plain")))
    assert len(lines) == len(plain)
    assert [line[:1] for line in lines if line[:1] in ("#", "|")] == [
        line[:1] for line in plain if line[:1] in ("#", "|")
    ]
    for line in lines:
        assert "<" not in line
        assert not re.search(r"(?<!\\)(?:\\\\)*`", line)


def test_a_fence_is_longer_than_what_it_holds():
    markdown = markdown_page(Page("t", "l", (Section("s", (Lines(("````", "x"), "diff"),)),)))
    assert "`````diff\n````\nx\n`````\n" in markdown


@pytest.mark.parametrize("text", ["- a", "+ a", "1. a", "12) a", "== a"])
def test_a_paragraph_does_not_begin_a_list(text):
    (line,) = markdown_page(Page("t", "l", (Section("s", (Paragraph(text),)),))).splitlines()[-1:]
    assert line.startswith("&#")
    assert line.endswith(text[1:])


def test_indented_lines_keep_their_place():
    assert "   |- #1" in markdown_page(Page("t", "l", (Section("s", (Lines(("   |- #1",)),)),)))


def test_a_cell_leads_to_a_mark():
    table = Table(("value", "where"), (("7 %", Link("page 3", 'e1"x')),))
    text = Marked(((Segment("margin "), Segment("7 %", "margin", 'e1"x')),))
    page = Page("t", "l", (Section("s", (table, text)),))
    html = html_page(page)
    assert '<a href="#e1&#34;x">page 3</a>' in html
    assert '<mark id="e1&#34;x" title="margin" style="--strength:1.00">7 %</mark>' in html
    markdown = markdown_page(page)
    assert "| 7 % | page 3 |" in markdown
    assert "margin [7 %]" in markdown

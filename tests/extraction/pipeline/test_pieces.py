from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.asks import Passage
from harness.extraction.company import Company, Document
from harness.extraction.pipeline.pieces import pieces

TEXTS = st.lists(st.text(alphabet="ab \n", max_size=120), min_size=1, max_size=4)


def company(texts: list[str]) -> Company:
    return Company("c", tuple(Document(f"{number}.txt", text) for number, text in enumerate(texts)))


@given(TEXTS, st.integers(1, 40), st.integers(0, 40))
def test_pieces_are_all_text_in_order_and_never_cross_documents(
    texts: list[str], size: int, more: int
) -> None:
    most = size + more
    one = company(texts)
    found = pieces(one, len, size, most)
    held = "".join(one.text[each.start : each.end] for each in found.spans)
    assert "".join(held.split()) == "".join("".join(texts).split())
    assert all(a.end <= b.start for a, b in pairwise(found.spans))
    for span, number, count in zip(found.spans, found.documents, found.tokens, strict=True):
        place = one.place(span.start, span.end)
        assert place is not None
        assert place.file == one.documents[number].name
        assert 1 <= count <= most or span.end - span.start == 1
        assert one.text[span.start : span.end].strip()


@given(TEXTS, st.integers(1, 20), st.integers(1, 80), st.integers(0, 30))
def test_windows_cover_all_pieces_within_their_size(
    texts: list[str], size: int, window: int, overlap: int
) -> None:
    found = pieces(company(texts), len, size, size)
    runs = found.windows(window, overlap)
    assert sorted({number for first, end in runs for number in range(first, end)}) == list(range(len(found)))
    for first, end in runs:
        assert end == first + 1 or sum(found.tokens[first:end]) <= window
    for (first, end), (again, _) in pairwise(runs):
        assert first < again <= end
        assert sum(found.tokens[again:end]) <= overlap


def test_neighbours_are_one_passage_and_documents_stay_apart() -> None:
    found = pieces(company(["aaaa\nbbbb\ncccc\n", "dddd\n"]), len, 5, 5)
    assert len(found.passages([0, 1, 2, 3])) == 2
    assert len(found.passages([2, 0])) == 2


def test_what_no_blank_line_parts_stays_together_as_far_as_it_may() -> None:
    table = company(["Title of a table\nrow 1\nrow 2\n\nA text after it\n"])
    cut = pieces(table, len, 20, 20)
    whole = pieces(table, len, 20, 40)
    assert [table.text[each.start : each.end].splitlines()[0] for each in whole.spans] == [
        "Title of a table",
        "A text after it",
    ]
    assert len(cut) > len(whole)


@given(TEXTS, st.integers(1, 30), st.data())
def test_pieces_touched_are_those_that_share_characters(
    texts: list[str], size: int, data: st.DataObject
) -> None:
    one = company(texts)
    found = pieces(one, len, size, 2 * size)
    start = data.draw(st.integers(0, len(one.text)))
    span = Passage(start, data.draw(st.integers(start, len(one.text))))
    expected = [
        number for number, each in enumerate(found.spans) if each.start < span.end and span.start < each.end
    ]
    assert found.touched([span]) == expected

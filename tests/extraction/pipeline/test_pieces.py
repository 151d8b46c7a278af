from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.company import Company, Document
from harness.extraction.pipeline.pieces import pieces

TEXTS = st.lists(st.text(alphabet="ab \n", max_size=120), min_size=1, max_size=4)


def company(texts: list[str]) -> Company:
    return Company("c", tuple(Document(f"{number}.txt", text) for number, text in enumerate(texts)))


@given(TEXTS, st.integers(1, 40))
def test_pieces_are_all_text_in_order_and_never_cross_documents(texts: list[str], size: int) -> None:
    one = company(texts)
    found = pieces(one, len, size)
    held = "".join(one.text[each.start : each.end] for each in found.spans)
    assert "".join(held.split()) == "".join("".join(texts).split())
    assert all(a.end <= b.start for a, b in pairwise(found.spans))
    for span, number, count in zip(found.spans, found.documents, found.tokens, strict=True):
        place = one.place(span.start, span.end)
        assert place is not None
        assert place.file == one.documents[number].name
        assert 1 <= count <= size or span.end - span.start == 1
        assert one.text[span.start : span.end].strip()


@given(TEXTS, st.integers(1, 20), st.integers(1, 80), st.integers(0, 30))
def test_windows_cover_all_pieces_within_their_size(
    texts: list[str], size: int, window: int, overlap: int
) -> None:
    found = pieces(company(texts), len, size)
    runs = found.windows(window, overlap)
    assert sorted({number for first, end in runs for number in range(first, end)}) == list(range(len(found)))
    for first, end in runs:
        assert end == first + 1 or sum(found.tokens[first:end]) <= window
    for (first, end), (again, _) in pairwise(runs):
        assert first < again <= end
        assert sum(found.tokens[again:end]) <= overlap


def test_neighbours_are_one_passage_and_documents_stay_apart() -> None:
    found = pieces(company(["aaaa\nbbbb\ncccc\n", "dddd\n"]), len, 5)
    assert len(found.passages([0, 1, 2, 3])) == 2
    assert len(found.passages([2, 0])) == 2

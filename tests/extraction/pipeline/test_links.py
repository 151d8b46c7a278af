from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.pipeline.links import Links

TEXTS = st.lists(st.text(alphabet='AaBb "\n1.', max_size=60), max_size=8)


def test_a_defined_term_leads_to_where_it_is_defined() -> None:
    links = Links(
        [
            "The Margin of Facility A is the Applicable Rate.",
            "Nothing of note.",
            '"Applicable Rate" means 2.35 per cent.',
            "Other provisions.",
        ]
    )
    assert links.of_piece(0) == (2,)
    assert links.of_piece(2) == (0,)
    assert links.of_piece(1) == ()


def test_an_expression_that_everybody_has_links_nobody() -> None:
    assert Links(["The Finance Party pays."] * 6).of_piece(0) == ()


def test_defined_terms_come_before_other_shared_expressions() -> None:
    links = Links(["See Schedule Four and Base Rate.", "Schedule Four", '"Base Rate" means 1 %.'])
    assert links.of_piece(0) == (2, 1)


@given(TEXTS)
def test_links_are_mutual_and_never_to_oneself(texts: list[str]) -> None:
    links = Links(texts)
    for piece in range(len(texts)):
        others = links.of_piece(piece, most=len(texts))
        assert piece not in others
        assert all(piece in links.of_piece(other, most=len(texts)) for other in others)

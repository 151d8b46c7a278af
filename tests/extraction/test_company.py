"""A company's text: order, places, and names that come twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.company import Company, Document

TEXTS = st.dictionaries(st.text("ab/.=\n", min_size=1, max_size=5), st.text("xy\n", max_size=12), max_size=4)


def test_the_first_name_that_comes_twice_is_named():
    documents = tuple(Document(name, "") for name in ("d", "c", "b", "d", "c"))
    with pytest.raises(HarnessError, match="two documents are called 'c'"):
        Company("Alder", documents)


@given(TEXTS)
def test_every_character_of_a_file_knows_its_place(texts):
    company = Company("Alder", tuple(Document(name, text) for name, text in texts.items()))
    for name, text in texts.items():
        start = company.offset(name, 0)
        assert company.text[start : start + len(text)] == text
        for at in range(len(text)):
            place = company.place(start + at, start + at + 1)
            assert (place.file, place.start, place.page) == (name, at, 1)
    assert company.place(0, 1) is None
    assert company.place(0, len(company.text) + 1) is None

from __future__ import annotations

import pytest

from harness.extraction.company import Document
from harness.extraction.pipeline.precedence import ORDINARY, rank


def doc(name: str, text: str) -> Document:
    return Document(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("amendment_1.txt", "Dear Sirs"),
        ("letter.txt", "SECOND AMENDMENT AGREEMENT\n\ndated 3 May 2024"),
        ("Waiver letter.pdf", "we refer to the agreement"),
        ("doc.docx", "Amendment and Restatement Agreement\n\n"),
    ],
)
def test_an_amendment_is_told_by_name_or_title(name: str, text: str) -> None:
    assert rank(doc(name, text)) > ORDINARY


def test_an_agreement_that_speaks_of_amendments_is_none() -> None:
    text = "FACILITIES AGREEMENT\n\ndated 3 May 2021, as amended from time to time\n"
    assert rank(doc("agreement.txt", text)) == ORDINARY


def test_the_later_one_is_greater() -> None:
    first = doc("z.txt", "FIRST AMENDMENT AGREEMENT\n\ndated 12 November 2023")
    second = doc("a.txt", "SECOND AMENDMENT AGREEMENT\n\ndated 5 March 2024")
    assert rank(second) > rank(first)
    undated = [doc(f"amendment no {number}.txt", "AMENDMENT\n\n") for number in (1, 2)]
    assert rank(undated[0]) < rank(undated[1])

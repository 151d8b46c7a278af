import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.extraction.company import Company, Document
from harness.extraction.headings import lines
from harness.extraction.sections import section_chunks, titled

AGREEMENT = """FACILITIES AGREEMENT

CONTENTS

1. Definitions ........ 2
2. The Facilities ........ 3
SCHEDULE 1 THE ORIGINAL LENDERS ........ 9

1. DEFINITIONS

1.1 Definitions
In this Agreement the words below mean what stands beside them in every clause and schedule.

(a) "Agent" means the agent of the lenders;
(b) "Margin" means 2.50% a year.

2. THE FACILITIES

2.1 The Term Facility
The Lenders make available a term loan of EUR 250,000,000 to the Borrower.

2.2 Ratio table
Ratio | Lock-up | Default
DSCR | 1.15x | 1.05x
LLCR | 1.20x | 1.10x

SCHEDULE 1
THE ORIGINAL LENDERS

Lender | Commitment
Alder Bank | 100,000,000
Birch Bank | 150,000,000
"""


def count(text):
    """Words, which do not join over line breaks, so counts of lines add up."""
    return len(text.split())


def company(*texts):
    return Company("company", tuple(Document(f"{number}.txt", text) for number, text in enumerate(texts)))


def chunks(text, size):
    it = company(text)
    return [
        (it.text[s.passage.start : s.passage.end], s.heading_path) for s in section_chunks(it, count, size)
    ]


def test_a_text_that_fits_is_one_chunk():
    assert chunks(AGREEMENT, 1000) == [(AGREEMENT, ("FACILITIES AGREEMENT",))]


def test_chunks_know_the_headings_above_them():
    paths = {path[-1]: path for _, path in chunks(AGREEMENT, 14)}
    assert paths["2.2 Ratio table"] == ("FACILITIES AGREEMENT", "2. THE FACILITIES", "2.2 Ratio table")
    assert paths["SCHEDULE 1"] == ("SCHEDULE 1",)


def test_a_table_of_contents_heads_nothing():
    headings = [each.label for each in lines(AGREEMENT, 0, len(AGREEMENT)) if each.kind == "heading"]
    assert headings == [
        "FACILITIES AGREEMENT",
        "CONTENTS",
        "1. DEFINITIONS",
        "1.1 Definitions",
        "2. THE FACILITIES",
        "2.1 The Term Facility",
        "2.2 Ratio table",
        "SCHEDULE 1",
    ]


@pytest.mark.parametrize(
    "end", ["1. Definitions\nText.\n", "One line.\nTwo lines.\nThree lines.\n2. Facility\n"]
)
def test_contents_without_dots_end_at_their_first_entry_or_at_text(end):
    text = "CONTENTS\n\n1. Definitions 3\n2. Facility 7\nSCHEDULE 1 LENDERS 120\n\n" + end
    found = [each.label for each in lines(text, 0, len(text)) if each.kind == "heading"]
    assert found == ["CONTENTS", "1. Definitions" if end.startswith("1") else "2. Facility"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("# Heading", "heading"),
        ("SCHEDULE 3", "heading"),
        ("Annex A", "heading"),
        ("Part II", "heading"),
        ("12. Fees", "heading"),
        ("12 Fees", "heading"),
        ('1.1 "Agent" means the agent', "heading"),
        ("12.3.1 The Borrower shall pay the margin when it is due.", "heading"),
        ("INTEREST", "heading"),
        ("12 months after the date", "text"),
        ("2.5 per cent of the amount", "text"),
        ("EUR 250,000,000", "text"),
        ("Section 12 says that the Borrower pays, as agreed.", "text"),
        ("12. Fees ....... 34", "text"),
        ("12. Fees\t34", "row"),
        ("(a) the Borrower pays", "item"),
        ("(iv) the Borrower pays", "item"),
        ("DSCR | 1.20x", "row"),
        ("| DSCR | 1.20x |", "row"),
        ("DSCR\t1.20x", "row"),
        ("DSCR    1.20x    1.10x", "row"),
        ("   ", "blank"),
    ],
)
def test_what_a_line_is(line, kind):
    assert [each.kind for each in lines(line, 0, len(line))] == [kind]


def test_a_clause_is_not_cut_when_it_fits_and_neighbours_share_a_chunk():
    clause = (
        "2.1 The Term Facility\nThe Lenders make available a term loan of EUR 250,000,000 to the Borrower.\n"
    )
    for size in range(count(clause), count(AGREEMENT) + 1):
        assert any(clause in text for text, _ in chunks(AGREEMENT, size)), size


def test_a_table_is_not_cut_when_it_fits():
    table = "DSCR | 1.15x | 1.05x\nLLCR | 1.20x | 1.10x\n"
    header = "Ratio | Lock-up | Default\n"
    for size in range(count(header + table), count(AGREEMENT) + 1):
        assert any(header + table in text for text, _ in chunks(AGREEMENT, size)), size


def test_a_long_table_is_cut_between_rows():
    table = "".join(f"row {number} | {number} | x\n" for number in range(40))
    for text, _ in chunks(table, 25):
        assert text.startswith("row ")
        assert text.endswith("x\n")


def test_a_heading_stands_with_what_it_heads():
    for size in range(40, 80):
        for text, _ in chunks(AGREEMENT, size)[:-1]:
            last = text.rstrip().rpartition("\n")[2]
            assert last not in ("2. THE FACILITIES", "2.2 Ratio table", "SCHEDULE 1", "1. DEFINITIONS"), size


def test_no_chunk_crosses_from_one_document_to_another():
    it = company("Short.\n", "", "   \n", "Also short.\n")
    spans = [each.passage for each in section_chunks(it, count, 1000)]
    assert [it.text[span.start : span.end] for span in spans] == ["Short.\n", "Also short.\n"]


def test_a_titled_chunk_names_its_file_and_headings():
    it = company(AGREEMENT)
    sections = section_chunks(it, count, 14)
    ratio = next(each for each in sections if each.heading_path[-1] == "2.2 Ratio table")
    assert titled(it, ratio).startswith(
        "0.txt > FACILITIES AGREEMENT > 2. THE FACILITIES > 2.2 Ratio table\n2.2 Ratio table\n"
    )


def test_a_size_that_holds_nothing_is_refused():
    with pytest.raises(HarnessError, match="0 tokens"):
        section_chunks(company("text"), count, 0)


LINES = st.sampled_from(
    [
        "",
        "1. Title",
        "2.1 The Borrower shall pay",
        "SCHEDULE 2",
        "(a) an item of some words",
        "plain words in a row",
        "a | b | c",
        "# Mark",
        "CONTENTS",
        "x" * 40,
        "many words " * 12,
    ]
)


@settings(deadline=None)
@given(st.lists(st.lists(LINES, max_size=25).map("\n".join), min_size=1, max_size=3), st.integers(1, 40))
def test_chunks_are_in_order_cover_each_document_and_keep_to_the_size(texts, size):
    it = company(*texts)
    found = section_chunks(it, count, size)
    at = 0
    wanted = "".join(each.text for each in it.documents if each.text.strip())
    for each in found:
        assert at <= each.passage.start < each.passage.end
        assert it.place(each.passage.start, each.passage.end) is not None
        assert count(it.text[each.passage.start : each.passage.end]) <= size
        at = each.passage.end
    assert "".join(it.text[each.passage.start : each.passage.end] for each in found) == wanted


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=20), st.integers(3, 60)
)
def test_every_clause_that_fits_is_in_one_chunk(clauses, size):
    made = []
    for number, (words, points) in enumerate(clauses, 1):
        body = "word " * words + "\n" if words else ""
        listed = "".join(f"({point}) some point\n" for point in "ab"[:points])
        made.append(f"{number}. Clause\n{body}{listed}")
    it = company("".join(made))
    found = [it.text[each.passage.start : each.passage.end] for each in section_chunks(it, count, size)]
    for clause in made:
        assert count(clause) > size or any(clause in text for text in found)
    assert len(found) == 1 or count("".join(made)) > size

"""The format of the model `statements`: lines, and what is taken from an answer about them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.asks import Ask, Facility, Passage
from harness.extraction.company import Company, Document
from harness.extraction.reading.formats import STATEMENTS
from harness.extraction.reading.formats.statements_fields import (
    FIELDS_OF,
    choice_of,
    defined,
    in_line,
    thing_of,
    value_of,
)
from harness.extraction.reading.formats.statements_lines import lines_of
from harness.extraction.schema.fields import FIELDS
from harness.models.example import Example, Turn, prompts
from harness.models.tasks import statements as task

TEXT = """3.1 The Margin of Facility A is 2.35%. The parties keep a copy.

(b) A lock-up applies if the LLCR is less than 1.20x.

Repayment Schedule for Facility B:
30 June 2030\t40%
31 December 2030\t60%

Facility B\tFloor\tthe Agreed Rate 7
“Agreed Rate 7” means 0.50%.
- 12 -
[Form] Margin of Facility A: ________
The commitments of Facility B are EUR 5,000,000 (see Clause 5.1).
"""
FACILITIES = (Facility("Facility A"), Facility("Facility B"))


def ask_of(text=TEXT, fields=tuple(FIELDS), facilities=FACILITIES):
    company = Company("c", (Document("d", text),))
    start = company.text.index(text[:10])
    return Ask(company, "window", tuple(fields), (Passage(start, start + len(text)),), facilities)


def said(answer, ask=None):
    """What rows about lines, by their number, say; other lines are said to state nothing."""
    ask = ask or ask_of()
    rows = dict(row.split(" ", 1) for row in answer.splitlines())
    return read(ask, [rows.get(str(number), "-") for number, _ in enumerate(STATEMENTS.parts(ask), 1)])


def read(ask, texts):
    parsed = STATEMENTS.parse(ask, texts)
    return {(each.field, each.facility, each.value) for each in parsed.found}, parsed


def test_lines_are_sentences_rows_and_tables_without_numbers_of_clauses():
    ask = ask_of()
    lines = lines_of(ask)
    assert [line.text for line in lines] == [
        "The Margin of Facility A is 2.35%.",
        "The parties keep a copy.",
        "A lock-up applies if the LLCR is less than 1.20x.",
        "Repayment Schedule for Facility B: 30 June 2030\t40% ...",
        "Facility B\tFloor\tthe Agreed Rate 7",
        "“Agreed Rate 7” means 0.50%.",
        "The commitments of Facility B are EUR 5,000,000 (see Clause 5.1).",
    ]
    assert lines[3].rows == ("30 June 2030\t40%", "31 December 2030\t60%")
    assert ask.company.text[lines[3].span.start : lines[3].span.end].endswith("60%")


def rendered(request):
    turns = "".join(f"<|im_start|>{each.role}\n{each.content}<|im_end|>\n" for each in request.prompt)
    return turns + "<|im_start|>assistant\n"


def test_the_prompt_is_what_the_model_was_trained_on():
    first, second = STATEMENTS.requests(ask_of("1.2 A line.\nAnother line.\n"))
    for request, line in ((first, "A line."), (second, "Another line.")):
        assert [rendered(request)] == list(prompts(Example(task.SYSTEM, line, (Turn("", ""),))))


def test_values_with_their_lines_and_what_follows_from_them():
    answer = (
        "1 margin|Facility A|2.35%\n2 -\n3 llcr||1.20x\n4 repaytable|Facility B|\n"
        "5 floor|Facility B|the Agreed Rate 7\n6 -\n7 limit|Facility B|EUR 5,000,000"
    )
    found, parsed = said(answer)
    assert found == {
        ("spread", "Facility A", "2.35%"),
        ("facility_name", "Facility A", "Facility A"),
        ("lockup_llcr", "", "1.20x"),
        ("financial_covenants", "", "Yes"),
        ("repayment_schedule", "Facility B", "30 June 2030: 40%; 31 December 2030: 60%"),
        ("rate_floor", "Facility B", "0.50%"),
        ("credit_limit", "Facility B", "EUR 5,000,000"),
        ("currency", "Facility B", "EUR"),
        ("facility_name", "Facility B", "Facility B"),
    }
    assert (parsed.complaints, parsed.cut, parsed.problems) == ((), 0, ("",) * 7)
    margin = next(each for each in parsed.found if each.field == "spread")
    assert (margin.quote, margin.confidence) == ("The Margin of Facility A is 2.35%.", "HIGH")


def test_only_fields_that_were_asked_for_are_taken():
    found, _ = said("1 margin|Facility A|2.35%\n3 llcr||1.20x", ask_of(fields=("spread",)))
    assert found == {("spread", "Facility A", "2.35%")}


@pytest.mark.parametrize(
    "row",
    ["1 margin|Facility A|9.99", "2 margin|Facility A|2.35%", "2 base|Facility A|EURIBOR",
     "4 borrower|Facility B|Alder Ltd", "3 drawtable||", "2 dsra||maybe"],
)  # fmt: skip
def test_what_its_line_does_not_have_is_no_value(row):
    fields = ("base_rate", "borrower_name", "drawdown_schedule", "dsra", "rate_floor")
    assert said(row, ask_of(fields=fields))[0] == set()


def test_a_value_that_was_copied_wrong_is_the_only_number_of_its_kind_in_the_line():
    found, parsed = said("1 margin|Facility A|2.53%", ask_of(fields=("spread",)))
    assert found == {("spread", "Facility A", "2.35%")}
    assert parsed.found[0].confidence == "MEDIUM"


def test_a_line_of_a_facility_that_was_not_asked_for_is_nobodys():
    ask = ask_of(fields=("spread",), facilities=(Facility("Facility B"),))
    assert said("1 margin|Facility A|2.35%", ask)[0] == {("spread", "Facility A", "2.35%")}


def test_a_line_without_a_facility_is_of_the_one_named_before_it():
    text = "Facility B is a loan. The margin is 3.10%.\n"
    assert said("2 margin||3.10%", ask_of(text, ("spread",)))[0] == {("spread", "Facility B", "3.10%")}


def test_answers_that_break_off_or_are_none():
    ask = ask_of("The margin is 2.35%.\nThe LLCR is 1.2x.\n", ("spread",), FACILITIES[:1])
    found, parsed = read(ask, ["margin||2.35%", "llcr|"])
    assert found == {("spread", "Facility A", "2.35%")}
    assert [bool(each) for each in parsed.problems] == [False, True]
    _, parsed = read(ask, ["I cannot help with that.", ""])
    assert all(parsed.problems)
    assert parsed.unread == ("spread",)
    _, parsed = read(ask, ["nonsense||x", "-"])
    assert len(parsed.complaints) == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="ABCD -|marginllcrdsayes%.\nFcility", max_size=80), min_size=7, max_size=7))
def test_no_answer_is_a_crash_and_every_value_is_one_of_its_field(answers):
    _, parsed = read(ask_of(), answers)
    for each in parsed.found:
        assert each.evidence is not None
        assert value_of(each.field, each.value.lower(), each.value) or FIELDS[each.field].kind == "schedule"


def test_every_field_but_the_facilitys_own_name_has_a_code():
    filled = [key for keys in FIELDS_OF.values() for key in keys]
    assert len(filled) == len(set(filled))
    assert set(filled) | {"facility_name"} == set(FIELDS)


@pytest.mark.parametrize(
    ("key", "words", "choice"),
    [
        ("aggregated_sector", "wind and solar farms", "Renewable energy"),
        ("aggregated_sector", "fibre networks", "Telecommunications"),
        ("aggregated_sector", "banking", None),
        ("readiness", "not yet in operation", "Construction needed"),
        ("mitigant_type", "a CfD", "Contract for difference"),
        ("mitigant_applied_to", "price and quantity", "Price and volume"),
        ("volume_constraint", "a take-or-pay duty", "Take or pay"),
        ("sweep_structure", "a target balance", "Targeted"),
        ("spread", "2 %", "2 %"),
    ],
)
def test_choices_by_their_words(key, words, choice):
    assert choice_of(key, words) == choice


def test_definitions():
    assert defined(TEXT, "the Agreed Rate 7") == "0.50%"
    assert defined(TEXT, "Agreed Rate 8") is None
    assert defined(TEXT, "2.35%") is None


@pytest.mark.parametrize(
    ("said", "copied"),
    [
        ("Olive Hospitals Ltd", "Olive Hospitals Ltd"),
        ("olive hospitals ltd", "Olive Hospitals Ltd"),
        ("Wlive Hospitals Ltd", "Olive Hospitals Ltd"),
        ("Olive Hospitals Lxx", "Olive Hospitals Ltd"),
        ("Olive Hospitals Limited", ""),
        ("Granite Hospitals Ltd", ""),
        ("Facility", "Facility"),
        ("", ""),
    ],
)
def test_a_copy_may_err_in_a_few_letters_at_its_ends(said, copied):
    assert in_line(said, "Olive Hospitals Ltd shall be the Borrower of Facility A.") == copied


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=30), st.text(max_size=60))
def test_what_is_copied_stands_in_the_line(said, line):
    assert in_line(said, line) in line


@pytest.mark.parametrize(
    ("code", "line", "thing"),
    [
        ("upfront", "The Borrower pays a commitment fee of 1 % on Facility A.", "commitment"),
        ("fixed", "The fixed leg of Facility A is 1 %.", "hedgerate"),
        ("margin", "Facility A costs 1 % over the market.", "margin"),
        ("llcr", "The Project Life Cover Ratio is 1.2x.", None),
        ("icr", "An Event of Default occurs if the ICR is less than 1.2x.", None),
    ],
)
def test_usual_terms_decide_between_things_of_a_kind(code, line, thing):
    assert thing_of(code, line) == thing


def test_a_heading_is_no_value_and_heads_of_letters_are_no_lines():
    assert value_of("country", "Miscellaneous", "Miscellaneous") is None
    assert value_of("holdco_name", "prior notice", "Visits upon prior notice are permitted.") is None
    assert [line.text for line in lines_of(ask_of("Sent by: Fir Advisers\nA letter of theirs.\n"))] == [
        "A letter of theirs."
    ]

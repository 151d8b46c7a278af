"""Each mistake that optimized prompts are known for, planted; and prompts that have none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.examples import Entity, EntityType, Example
from harness.prompts.offline.nouns import asking_for
from harness.prompts.program import NAMES_BY_TYPE, TYPED_LIST, Program
from harness.prompts.report.findings import findings_table
from harness.prompts.report.lint import Length, lint
from harness.render.tables import markdown_lines

TYPES = (
    EntityType(1, "person", "A human being called by name."),
    EntityType(2, "place", "A town, a street, a park."),
    EntityType(3, "activity", "A sport or a craft."),
)
TRAINING = (
    Example(
        "t1",
        "On Sunday Marta Quill went to Lisbon for fencing lessons, and it rained on the old harbour wall.",
        (Entity("Marta Quill", 1), Entity("Lisbon", 2), Entity("fencing", 3)),
    ),
    Example("t2", "A person from the park told me of a place.", (Entity("person", 1), Entity("park", 2))),
)
GOOD = """You extract entities from a diary entry.
Find every person, place and activity that the text names.
Use the wording of the text. Answer with JSON, and do not use a bullet list."""


def found(instruction, form=TYPED_LIST, **options):
    return lint(Program(instruction, form), TYPES, TRAINING, **options)


def rules(instruction, form=TYPED_LIST, **options):
    return [each.rule for each in found(instruction, form, **options)]


@pytest.mark.parametrize("form", [TYPED_LIST, NAMES_BY_TYPE])
def test_good_prompts_have_no_findings(form):
    assert found(GOOD, form, length=Length(60, 4096, 800)) == []
    assert found(asking_for(["person", "place", "activity"]), form) == []
    assert rules(f"{GOOD}\n1. Person\n2. Place\n3. Activity", form) == []


@pytest.mark.parametrize(
    ("instruction", "rule", "where"),
    [
        (f"text\n{GOOD}", "code fence", "line 1, column 1"),
        (f"json {GOOD}", "code fence", "line 1, column 1"),
        (f"```\n{GOOD}\n```", "code fence", "line 1, column 1"),
        (f"{GOOD}\n```", "code fence", "line 4, column 1"),
        (f"{GOOD}\n<|im_end|>", "leftover markup", "line 4, column 1"),
        (f"<current_instruction>\n{GOOD}", "leftover markup", "line 1, column 1"),
        (f"Here is the improved instruction:\n{GOOD}", "preamble", "line 1, column 1"),
        (f"{GOOD}\nAnswer in YAML.", "output format", "line 4, column 11"),
        (f"{GOOD}\nGive one entity per line.", "output format", "line 4, column 6"),
        (f"{GOOD}\nDo not answer with JSON.", "output format", "line 4, column 4"),
        (f'{GOOD}\nLike {{"entity": "x"}}', "output format", "line 4, column 6"),
        (f"{GOOD}\nA person has type id 7.", "unknown type id", "line 4, column 22"),
        (f"{GOOD}\n2: Person", "wrong type id", "line 4, column 1"),
        (f"{GOOD}\n3. Place", "wrong type id", "line 4, column 1"),
        (f"{GOOD}\nSuch as lisbon.", "leaked name", "line 4, column 9"),
        (f"{GOOD}\nSuch as MARTA  quill.", "leaked name", "line 4, column 9"),
        (f"{GOOD}\nThe Harbour Wall is none.", "leaked text", None),
    ],
)
def test_every_planted_mistake_is_found_where_it_is(instruction, rule, where):
    (finding,) = found(instruction)
    assert finding.rule == rule
    assert where in (None, finding.where)
    assert finding.to_do


@pytest.mark.parametrize("instruction", ["", "  \n", "---", "``` ```"])
def test_an_instruction_that_says_nothing_is_an_error(instruction):
    (finding,) = found(instruction)
    assert (finding.severity, finding.rule) == ("error", "empty")


def test_types_left_out():
    some = "Find every person and each place in the text."
    (finding,) = found(some)
    assert (finding.severity, finding.rule) == ("warning", "missing type")
    assert finding.what.startswith("activity is not named")
    # where the types stand beside the text anyway, an instruction need name none
    assert rules("Find what the text names.") == []
    assert rules("Find persons, people of type id 2 and hobbies.") == []
    for instruction in (some, "Find what the text names."):
        (finding,) = found(instruction, NAMES_BY_TYPE)
        assert (finding.severity, finding.rule) == ("error", "missing type")


def test_keys_are_those_of_the_form():
    typed = f'{GOOD}\n[{{"name": "...", "entity_type_id": 1}}]'
    by_type = f'{GOOD}\n{{"person": ["..."], "place": []}}'
    assert rules(typed) == rules(by_type, NAMES_BY_TYPE) == []
    assert set(rules(typed, NAMES_BY_TYPE)) == set(rules(by_type)) == {"output format"}


def test_ids_say_nothing_where_the_answer_has_none():
    assert rules(f"{GOOD}\n2: Person, 9: Place", NAMES_BY_TYPE) == []


def test_length_against_the_context():
    assert rules(GOOD, length=Length(100, 1000, 900)) == []
    (large,) = found(GOOD, length=Length(501, 1000, 100))
    assert (large.severity, large.where) == ("warning", "501 of 1,000 tokens")
    (too_long,) = found(GOOD, length=Length(101, 1000, 900))
    assert too_long.severity == "error"


def test_errors_come_first():
    severities = [each.severity for each in found(f"text\n{GOOD}\nLisbon\nUse CSV.\nid 9")]
    assert severities == ["error", "error", "warning", "warning"]


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from([TYPED_LIST, NAMES_BY_TYPE]))
def test_any_text_is_linted_and_its_table_is_harmless(text, form):
    findings = found(text, form)
    assert findings == found(text, form)
    for line in markdown_lines(findings_table(findings)):
        assert "<" not in line
        assert len(line.splitlines()) == 1

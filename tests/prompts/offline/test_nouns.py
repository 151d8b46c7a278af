"""Which types an instruction names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.tasks import entities
from harness.prompts.offline.nouns import NOUNS, asking_for, named, nouns

SOME = st.lists(st.sampled_from(entities.TYPES), unique=True, min_size=1)


@given(SOME)
def test_the_plain_instruction_is_the_one_of_training(asked: list[str]) -> None:
    assert asking_for(asked) == entities.asking_for(asked)
    assert set(named(asking_for(asked), entities.TYPES)) == set(asked)


def test_the_nouns_are_those_of_training() -> None:
    assert dict(NOUNS) == entities._NOUNS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("Extract entities.", ()),
        ("the personal diary of a placeholder", ()),
        ("PEOPLE and Companies", ("person", "organization")),
        ("each person, every place name", ("person", "place")),
        ("hobbies;sports", ("activity",)),
    ],
)
def test_words_are_whole_and_in_any_case(text: str, found: tuple[str, ...]) -> None:
    assert named(text, entities.TYPES) == found


@pytest.mark.parametrize(
    ("name", "plural"),
    [("Group", "groups"), ("City", "cities"), ("Day", "days"), ("Class", "classes"), ("Church", "churches")],
)
def test_other_types_go_by_their_plural(name: str, plural: str) -> None:
    assert nouns(name) == (plural,)
    assert named(f"list {plural} only", [name]) == (name,) == named(f"a {name.lower()}", [name])

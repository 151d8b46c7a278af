"""Leaked training text: all of a planted copy is found, nothing of what any instruction says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompts.examples import Entity, EntityType, Example
from harness.prompts.report.leaks import leaks

TYPES = (EntityType(1, "person", "A human being called by name."),)
WORDS = ("zebra", "quartz", "Willow", "bamboo", "kettle", "ochre", "fjord", "lilac")
RARE = st.lists(st.sampled_from(WORDS), min_size=2, max_size=6)


def example(text, *names):
    return Example("t1", text, tuple(Entity(name, 1) for name in names))


def said(instruction, *training, seed=""):
    return [(each.rule, each.what.split('"')[1]) for each in leaks(instruction, training, TYPES, seed)]


@settings(deadline=None)
@given(RARE, st.sampled_from(["", "Find. ", "Look for: "]), st.sampled_from([" ", ", ", "\n"]))
def test_a_copied_run_is_found_whole_in_any_case(words, before, between):
    instruction = before + between.join(words).upper()
    assert said(instruction, example(f"Then {' '.join(words)}.")) == [
        ("leaked text", " ".join(between.join(words).upper().split()))
    ]


@settings(deadline=None)
@given(RARE, RARE)
def test_words_in_another_order_are_no_run(text, instruction):
    pairs = set(zip([w.lower() for w in text], [w.lower() for w in text[1:]], strict=False))
    own = set(zip([w.lower() for w in instruction], [w.lower() for w in instruction[1:]], strict=False))
    assert bool(said(" ".join(instruction), example(" ".join(text)))) == bool(pairs & own)


def test_what_every_instruction_says_is_no_leak():
    text = "In the text there was a person called by name, and each of them is to be found."
    assert said("Find each person called by name in the text.", example(text)) == []
    assert said("Find all of them in the text.", example(text)) == []


def test_words_of_the_instruction_it_began_with_are_no_leak():
    text = example("I keep a diary entry about zebra herds")
    assert said("Read the zebra herds.", text) == [("leaked text", "zebra herds")]
    assert said("Read the zebra herds.", text, seed="Find zebra herds") == []


def test_one_own_word_is_enough_in_a_long_run():
    text = example("and then we all went to the harbour")
    assert said("went to the harbour", text) == []
    assert said("then we all went to the harbour", text) == [
        ("leaked text", "then we all went to the harbour")
    ]


def test_a_gold_name_counts_by_itself_and_as_a_whole():
    text = example("Ann called Jo-Ann and O'Hara; a person came.", "Ann", "O'Hara", "person")
    assert said("Such as ann, and ANN", text) == [("leaked name", "ann"), ("leaked name", "ANN")]
    assert said("Annie, o'hara or a person", text) == [("leaked name", "o'hara")]


def test_a_run_inside_a_leaked_name_is_not_told_again():
    text = example("then Zebra Quartz spoke up loudly", "Zebra Quartz")
    assert said("Such as Zebra Quartz", text) == [("leaked name", "Zebra Quartz")]
    assert said("Zebra Quartz spoke", text) == [
        ("leaked name", "Zebra Quartz"), ("leaked text", "Zebra Quartz spoke"),
    ]  # fmt: skip


def test_no_training_no_leak():
    assert said("Anything at all") == []
    assert said("", example("zebra quartz", "zebra")) == []

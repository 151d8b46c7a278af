"""Examples whose entities a scripted model finds when the instruction names their type."""

from harness.prompts.examples import Entity, EntityType, Example, ExampleSet

TYPES = (EntityType(1, "person", "a human being"), EntityType(2, "place", "a town or a park"))
PROMPT = "Extract the persons and places."


def examples(n: int) -> ExampleSet:
    """Each with two persons and two places of its own."""
    return ExampleSet(TYPES, tuple(_example(number) for number in range(n)))


def _example(number: int) -> Example:
    people, places = (f"Ann{number}", f"Bob{number}"), (f"Aberg{number}", f"Bodal{number}")
    text = f"Entry {number}: {people[0]} met {people[1]} in {places[0]} near {places[1]}."
    entities = [Entity(name, 1) for name in people] + [Entity(name, 2) for name in places]
    return Example(f"e{number}", text, tuple(entities))

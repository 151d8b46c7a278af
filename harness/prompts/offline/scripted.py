"""A task model by rule: it finds the entities of a type only when the instruction names the type.

It knows the entities of the examples it is built with, and finds nothing in any other text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.engines.protocol import Message
from harness.prompts.examples import Entity, EntityType, Example, ExampleSet
from harness.prompts.offline.engine import IDEAL, AnswerTo, Conditions, ScriptedEngine
from harness.prompts.offline.nouns import named
from harness.prompts.program import NAMES_BY_TYPE, TYPED_LIST, AnswerFormat

Found = Sequence[Entity]
Write = Callable[[Found, Sequence[EntityType]], str]

# where dspy's adapters put the instruction in their system message
_OBJECTIVE = "your objective is:"


@dataclass(frozen=True, slots=True)
class Precision:
    """How a coarser precision errs: the shares of entities that it drops and that it gives another type.

    Whether an entity is hit depends on the seed, the example, the instruction and the entity alone, and one
    that a small share hits is hit by every larger share too.
    """

    dropped: float = 0.0
    mistyped: float = 0.0
    seed: int = 0


EXACT = Precision()


def scripted_model(
    examples: ExampleSet,
    form: AnswerFormat,
    conditions: Conditions = IDEAL,
    precision: Precision = EXACT,
    *,
    name: str = "scripted",
) -> ScriptedEngine:
    """The model as an engine that answers in `form`."""
    return ScriptedEngine(finder(examples, WRITERS[form.name], precision), name, conditions)


def finder(examples: ExampleSet, write: Write, precision: Precision = EXACT) -> AnswerTo:
    """The model's answer to a chat: system message = instruction, user message = holds the example's text."""
    # a text inside another one is looked for last
    known = sorted(examples.examples, key=lambda each: (-len(each.text), each.id))
    by_text = {each.text: each for each in known}

    def answer(messages: tuple[Message, ...]) -> str:
        instruction = "\n".join(each.content for each in messages if each.role == "system")
        instruction = instruction.rpartition(_OBJECTIVE)[2]
        asked = "\n".join(each.content for each in messages if each.role == "user")
        example = by_text.get(asked) or next((each for each in known if _holds(asked, each.text)), None)
        found = [] if example is None else _found(example, instruction.strip(), examples.types, precision)
        names = set(named(instruction, (each.name for each in examples.types)))
        return write(found, [each for each in examples.types if each.name in names])

    return answer


def typed_list(found: Found, asked: Sequence[EntityType]) -> str:
    """`TYPED_LIST`'s answer."""
    return json.dumps([{"name": each.name, "entity_type_id": each.type_id} for each in found])


def names_by_type(found: Found, asked: Sequence[EntityType]) -> str:
    """`NAMES_BY_TYPE`'s answer, an entry for each type that was asked for."""
    return json.dumps(
        {kind.name: [each.name for each in found if each.type_id == kind.id] for kind in asked},
        separators=(",", ":"),
    )


WRITERS: Mapping[str, Write] = {TYPED_LIST.name: typed_list, NAMES_BY_TYPE.name: names_by_type}


def _holds(message: str, text: str) -> bool:
    """As it stands, or as a JSON string."""
    return text in message or json.dumps(text)[1:-1] in message


def _found(
    example: Example, instruction: str, types: Sequence[EntityType], precision: Precision
) -> list[Entity]:
    asked = named(instruction, [each.name for each in types])
    ids = [each.id for each in types if each.name in asked]
    r = random.Random(f"precision {precision.seed} {example.id} {instruction}")
    found = []
    for entity in example.entities:
        chance, other = r.random(), r.random()
        if entity.type_id not in ids or chance < precision.dropped:
            continue
        others = [each for each in ids if each != entity.type_id]
        if chance < precision.dropped + precision.mistyped and others:
            entity = Entity(entity.name, others[int(other * len(others))])
        found.append(entity)
    return found

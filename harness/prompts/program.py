"""The program that is optimized: an instruction, and the form in which it is asked and answered.

An answer is read strictly, for it is the model's work that is scored. Its JSON may stand in a code fence or
between words: from the first opening to the last closing bracket it has to be one JSON value, so that there
is only one way to read it. Anything else, in part or in whole, is unreadable: None, and no part counts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.protocol import Message, Request, Sampling
from harness.errors import HarnessError
from harness.prompts.examples import UNKNOWN_TYPE, Entity, EntityType, ExampleSet

WRAPPER = "extracted_entities"

_PROBE = (EntityType(1, "type", "description"),)


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """How a text is put to the model and how its answer is read.

    `render(instruction, types, text)` gives the chat, `parse(answer, types)` the entities (None: unreadable;
    a type that does not exist keeps its id, or gets `UNKNOWN_TYPE`), `schema(types)` the JSON schema that
    `Sampling.schema` takes.
    """

    name: str
    render: Callable[[str, Sequence[EntityType], str], tuple[Message, ...]]
    parse: Callable[[str, Sequence[EntityType]], frozenset[Entity] | None]
    schema: Callable[[Sequence[EntityType]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Program:
    """One instruction in one form."""

    instruction: str
    format: AnswerFormat

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything the program adds to a text: the instruction and the form's own words."""
        chat = self.format.render(self.instruction, _PROBE, "text")
        content = [self.format.name, [[each.role, each.content] for each in chat]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def requests(self, examples: ExampleSet, sampling: Sampling) -> list[Request]:
        """The request of each example, in their order."""
        return [
            Request(self.format.render(self.instruction, examples.types, each.text), sampling)
            for each in examples.examples
        ]


def answer_format(name: str) -> AnswerFormat:
    """The format of that name; raises HarnessError when there is none."""
    if name not in FORMATS:
        raise HarnessError(f"there is no answer format {name!r}", allowed=", ".join(FORMATS))
    return FORMATS[name]


# --- a list of names and type ids: any instructed model ---


def _typed_list_chat(instruction: str, types: Sequence[EntityType], text: str) -> tuple[Message, ...]:
    """The text last: what comes before is the same for every example, and is computed once."""
    listed = json.dumps(
        [
            {
                "entity_type_id": each.id,
                "entity_type_name": each.name,
                "entity_type_description": each.description,
            }
            for each in types
        ],
        ensure_ascii=False,
    )
    form = json.dumps({WRAPPER: [{"name": "...", "entity_type_id": types[0].id if types else 1}]})
    user = (
        f"Entity types:\n{listed}\n\n"
        f"Answer with JSON alone, an item for each entity, an empty list if there is none:\n{form}\n\n"
        f"Entry:\n{text}"
    )
    return Message("system", instruction), Message("user", user)


def _read_typed_list(answer: str, types: Sequence[EntityType]) -> frozenset[Entity] | None:
    data = _json_value(answer)
    items = data.get(WRAPPER) if isinstance(data, dict) else data
    if not isinstance(items, list):
        return None
    entities = [_typed_item(item) for item in items]
    return None if None in entities else frozenset(each for each in entities if each)


def _typed_item(item: Any) -> Entity | None:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return None
    number = item.get("entity_type_id")
    if isinstance(number, str) and re.fullmatch(r"[0-9]{1,10}", number.strip()):
        number = int(number)
    return Entity(_whole(item["name"]), number) if type(number) is int else None


def _typed_list_schema(types: Sequence[EntityType]) -> dict[str, Any]:
    item = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "entity_type_id": {"type": "integer", "enum": [each.id for each in types]},
        },
        "required": ["name", "entity_type_id"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {WRAPPER: {"type": "array", "items": item}},
        "required": [WRAPPER],
        "additionalProperties": False,
    }


# --- names by type: what the embedded model `entities` was trained on (harness/models/tasks/entities.py) ---


def _names_by_type_chat(instruction: str, types: Sequence[EntityType], text: str) -> tuple[Message, ...]:
    return Message("system", instruction), Message("user", text)


def _read_names_by_type(answer: str, types: Sequence[EntityType]) -> frozenset[Entity] | None:
    data = _json_value(answer)
    if not isinstance(data, dict):
        return None
    ids = {each.name.lower(): each.id for each in types}
    entities = set()
    for kind, names in data.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        type_id = ids.get(kind.strip().lower(), UNKNOWN_TYPE)
        entities |= {Entity(_whole(name), type_id) for name in names}
    return frozenset(entities)


def _names_by_type_schema(types: Sequence[EntityType]) -> dict[str, Any]:
    """No type is required: which ones an answer has is up to the instruction."""
    names = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "properties": {each.name: names for each in types},
        "additionalProperties": False,
    }


TYPED_LIST = AnswerFormat("typed-list", _typed_list_chat, _read_typed_list, _typed_list_schema)
NAMES_BY_TYPE = AnswerFormat("names-by-type", _names_by_type_chat, _read_names_by_type, _names_by_type_schema)
FORMATS: Mapping[str, AnswerFormat] = {each.name: each for each in (TYPED_LIST, NAMES_BY_TYPE)}


def _json_value(answer: str) -> Any:
    """The one JSON array or object in an answer; None when there is none, or no single one."""
    first = min((place for place in map(answer.find, "[{") if place >= 0), default=len(answer))
    last = max(map(answer.rfind, "]}"))
    try:
        return json.loads(answer[first : last + 1], parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _whole(name: str) -> str:
    """The name with half character pairs replaced, which no file could hold."""
    return name.encode("utf-8", "replace").decode()

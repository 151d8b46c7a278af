"""Examples of typed entity extraction, and the JSON file they are kept in.

A file is {"entity_types": [{"entity_type_id", "entity_type_name", "entity_type_description"}], "examples":
[{"episode_content", "expected_entities": [{"name", "entity_type_id"}], "id"}]}. An id may be left out. Keys
that begin with "_" are comments; any other key is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import write_bytes
from harness.prompts.checked_json import checked_object, one_line, read_json, refuse_twins, shortened

MOST_TYPE_ID = 2**31 - 1
UNKNOWN_TYPE = -1
"""The type id of an entity whose type does not exist and has no id either."""


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of entity, as the model is told of it."""

    id: int
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A name in a text and the id of its type."""

    name: str
    type_id: int

    @property
    def key(self) -> tuple[str, int]:
        """What is compared: the name lower-cased and stripped, and the type."""
        return self.name.strip().lower(), self.type_id


@dataclass(frozen=True, slots=True)
class Example:
    """One text and the entities to find in it."""

    id: str
    text: str
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """Entity types and examples of them. What `read_examples` returns has passed every check."""

    types: tuple[EntityType, ...]
    examples: tuple[Example, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over types, ids, texts and entities, in their order: the identity of the data."""
        content = json.dumps(_as_json(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def type_names(self) -> Mapping[int, str]:
        """Name of each type by id."""
        return {each.id: each.name for each in self.types}

    def only(self, ids: Iterable[str]) -> ExampleSet:
        """The examples of these ids, in this order and as often; KeyError for an id that is not there."""
        by_id = {each.id: each for each in self.examples}
        return ExampleSet(self.types, tuple(by_id[each] for each in ids))


def derived_id(text: str) -> str:
    """The id of an example that states none: it follows the text, wherever in the file that stands."""
    return "text-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def read_examples(path: Path) -> ExampleSet:
    """The examples in a JSON file, a byte order mark and any line ends allowed.

    Raises HarnessError for the first mistake: it names the file, the example, the key and what is allowed.
    """
    return examples_from_json(read_json(path), str(path))


def write_examples(path: Path, examples: ExampleSet, comment: str = "") -> None:
    """Write the file whole or not at all, an example to a line; the same examples give the same bytes."""
    write_bytes(path, examples_text(examples, comment).encode())


def examples_text(examples: ExampleSet, comment: str = "") -> str:
    """The file's content."""
    parts = [f' "_comment": {json.dumps(comment, ensure_ascii=False)}'] if comment else []
    for key, entries in _as_json(examples).items():
        lines = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        parts.append(f' "{key}": [\n  {lines}\n ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def examples_from_json(data: Any, where: str) -> ExampleSet:
    """The examples in what `json` read; `where` names the file in messages. Raises as `read_examples`."""
    top = checked_object(data, {"entity_types": list, "examples": list}, where)
    types = tuple(
        _entity_type(entry, f"{where}, entity type {number}")
        for number, entry in enumerate(top["entity_types"], 1)
    )
    if not types:
        raise HarnessError("`entity_types` is empty", where=where, allowed="at least one entity type")
    refuse_twins([each.id for each in types], "entity_type_id", f"{where}, entity type")
    names = [each.name.lower() for each in types]
    refuse_twins(names, "entity_type_name", f"{where}, entity type")
    ids = {each.id for each in types}
    examples = tuple(
        _example(entry, ids, f"{where}, example {number}") for number, entry in enumerate(top["examples"], 1)
    )
    if not examples:
        raise HarnessError("`examples` is empty", where=where, allowed="at least one example")
    refuse_twins([each.text for each in examples], "episode_content", f"{where}, example")
    refuse_twins([each.id for each in examples], "id", f"{where}, example")
    return ExampleSet(types, examples)


def _as_json(examples: ExampleSet) -> dict[str, list[dict[str, Any]]]:
    types = [
        {
            "entity_type_id": each.id,
            "entity_type_name": each.name,
            "entity_type_description": each.description,
        }
        for each in examples.types
    ]
    entries = [
        {
            "id": each.id,
            "episode_content": each.text,
            "expected_entities": [
                {"name": entity.name, "entity_type_id": entity.type_id} for entity in each.entities
            ],
        }
        for each in examples.examples
    ]
    return {"entity_types": types, "examples": entries}


def _entity_type(data: Any, where: str) -> EntityType:
    keys = {"entity_type_id": int, "entity_type_name": str, "entity_type_description": str}
    found = checked_object(data, keys, where)
    number = found["entity_type_id"]
    if not 0 <= number <= MOST_TYPE_ID:
        raise HarnessError(
            f"`entity_type_id` is {number}", where=where, allowed=f"a whole number from 0 to {MOST_TYPE_ID}"
        )
    name = one_line(found["entity_type_name"], "entity_type_name", where)
    return EntityType(number, name, found["entity_type_description"])


def _example(data: Any, type_ids: set[int], where: str) -> Example:
    found = checked_object(
        data, {"episode_content": str, "expected_entities": list}, where, optional={"id": str}
    )
    text = found["episode_content"]
    if not text.strip():
        raise HarnessError("`episode_content` is empty", where=where, allowed="a text")
    name = one_line(found["id"], "id", where) if "id" in found else derived_id(text)
    entities = tuple(
        _entity(entry, text, type_ids, f"{where}, expected entity {number}")
        for number, entry in enumerate(found["expected_entities"], 1)
    )
    refuse_twins([each.key for each in entities], "name", f"{where}, expected entity")
    return Example(name, text, entities)


def _entity(data: Any, text: str, type_ids: set[int], where: str) -> Entity:
    found = checked_object(data, {"name": str, "entity_type_id": int}, where)
    entity = Entity(found["name"], found["entity_type_id"])
    if not entity.key[0]:
        raise HarnessError("`name` is empty", where=where, allowed="a name as it stands in the text")
    if entity.key[0] not in text.lower():
        raise HarnessError(
            f"`name` {shortened(entity.name)} does not stand in `episode_content`",
            where=where,
            allowed="a name as it stands in the text, in either case",
            next_step="correct the name or the text: no model can find what is not there",
        )
    if entity.type_id not in type_ids:
        raise HarnessError(
            f"`entity_type_id` is {entity.type_id}, which `entity_types` does not have",
            where=where,
            allowed=", ".join(str(each) for each in sorted(type_ids)),
            next_step="correct the id, or add the type to `entity_types`",
        )
    return entity

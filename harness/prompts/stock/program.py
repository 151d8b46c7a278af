"""Entity extraction as a dspy program: its signature, its examples, its metric, and our form as an adapter.

dspy is of the extra `prompts`, so everything of it is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from harness.prompts.examples import Entity, EntityType, ExampleSet
from harness.prompts.metric import feedback, score
from harness.prompts.packages import package
from harness.prompts.program import AnswerFormat

TEXT, TYPES, FOUND = "episode_content", "entity_types", "extracted_entities"
_GOLD = "gold"


@cache
def found_entity() -> Any:
    """The pydantic model of one entity in an answer."""
    return package("pydantic").create_model("FoundEntity", name=(str, ...), entity_type_id=(int, ...))


@cache
def known_type() -> Any:
    """The pydantic model of an entity type, as the program is told of it."""
    return package("pydantic").create_model(
        "KnownType",
        entity_type_id=(int, ...),
        entity_type_name=(str, ...),
        entity_type_description=(str, ...),
    )


def task_program(instruction: str) -> Any:
    """The program: text and entity types in, a list of names with type ids out."""
    dspy = package("dspy")
    fields = {
        TEXT: (str, dspy.InputField()),
        TYPES: (list[known_type()], dspy.InputField()),  # type: ignore[misc]
        FOUND: (list[found_entity()], dspy.OutputField()),  # type: ignore[misc]
    }
    return dspy.Predict(dspy.Signature(fields, instruction))


def task_examples(examples: ExampleSet) -> list[Any]:
    """Each example as dspy's, with our own inside for the metric."""
    dspy = package("dspy")
    types = [
        known_type()(
            entity_type_id=each.id, entity_type_name=each.name, entity_type_description=each.description
        )
        for each in examples.types
    ]
    return [
        dspy.Example(**{TEXT: each.text, TYPES: types, _GOLD: each}).with_inputs(TEXT, TYPES)
        for each in examples.examples
    ]


def task_metric(types: Sequence[EntityType], *, reveal: bool = False) -> Any:
    """GEPA's metric of five arguments: our F1, and our feedback."""
    dspy = package("dspy")

    def metric(
        gold: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> Any:
        answered = prediction.get(FOUND)
        found = None if answered is None else entities_of(answered)
        example = gold[_GOLD]
        said = feedback(found, example, types, reveal=reveal)
        return dspy.Prediction(score=score(found, example).f1, feedback=said)

    return metric


def entities_of(answered: Sequence[Any]) -> frozenset[Entity]:
    """The entities of a prediction."""
    return frozenset(Entity(each.name, each.entity_type_id) for each in answered)


def form_adapter(form: AnswerFormat, types: Sequence[EntityType]) -> Any:
    """A dspy adapter that asks and reads as `form` does, so both arms send the same requests.

    dspy's own ChatAdapter asks in another form, and once more as JSON when it cannot read an answer.
    """
    dspy = package("dspy")
    parse_error = package("dspy.utils.exceptions").AdapterParseError

    class FormAdapter(dspy.Adapter):  # type: ignore[misc, name-defined]
        def format(self, signature: Any, demos: Any, inputs: Any) -> list[dict[str, str]]:
            chat = form.render(signature.instructions, types, inputs[TEXT])
            return [{"role": each.role, "content": each.content} for each in chat]

        def parse(self, signature: Any, completion: str) -> dict[str, Any]:
            found = form.parse(completion, types)
            if found is None:
                raise parse_error(
                    adapter_name=form.name, signature=signature, lm_response=completion, message="unreadable"
                )
            kept = sorted(found, key=lambda each: (each.name, each.type_id))
            return {FOUND: [found_entity()(name=each.name, entity_type_id=each.type_id) for each in kept]}

    return FormAdapter()

"""The task as a dspy program."""

import pytest
from optimizer_trial import BEST, POOR, trial

from harness.engines.protocol import Sampling
from harness.prompts.examples import Entity, Example, ExampleSet
from harness.prompts.metric import feedback, score
from harness.prompts.program import NAMES_BY_TYPE, TYPED_LIST, AnswerFormat, Program

dspy = pytest.importorskip("dspy")

from harness.prompts.stock.language_model import ModelBehindDspy, language_model  # noqa: E402
from harness.prompts.stock.program import (  # noqa: E402
    FOUND,
    entities_of,
    form_adapter,
    task_examples,
    task_metric,
    task_program,
)


@pytest.mark.parametrize("form", [TYPED_LIST, NAMES_BY_TYPE])
def test_it_sends_the_same_requests_as_ours_and_reads_the_same(form: AnswerFormat) -> None:
    program = Program(BEST.instruction, form)
    with trial(form=form) as made:
        seen = []
        answer = made.task_engine._answer

        def listening(messages):  # type: ignore[no-untyped-def]
            seen.append(messages)
            return answer(messages)

        made.task_engine._answer = listening
        lm = language_model(ModelBehindDspy(made.task, Sampling(max_tokens=512)), "task")
        with dspy.context(lm=lm, adapter=form_adapter(form, made.train.types)):
            predict = task_program(program.instruction)
            predictions = [predict(**each.inputs()) for each in task_examples(made.train)]
    assert seen == [each.prompt for each in program.requests(made.train, Sampling())]
    assert [entities_of(each[FOUND]) for each in predictions] == [
        frozenset(each.entities) for each in made.train.examples
    ]


def test_the_metric_is_ours() -> None:
    with trial() as made:
        gold, *_ = task_examples(made.train)
        example: Example = made.train.examples[0]
        types = made.train.types
        some = example.entities[:1]
        from_entities = dspy.Prediction(
            extracted_entities=[_item(each) for each in (*some, Entity("nobody", 1))]
        )
        found = frozenset((*some, Entity("nobody", 1)))
        for reveal in (False, True):
            metric = task_metric(types, reveal=reveal)
            scored = metric(gold, from_entities, None, "self", None)
            assert scored.score == score(found, example).f1
            assert scored.feedback == feedback(found, example, types, reveal=reveal)
        assert task_metric(types)(gold, dspy.Prediction()).score == 0.0


def test_the_instruction_is_the_program_s_state() -> None:
    ((name, predictor),) = task_program(POOR.instruction).named_predictors()
    assert (name, predictor.signature.instructions) == ("self", POOR.instruction)
    assert list(predictor.signature.input_fields) == ["episode_content", "entity_types"]
    assert list(predictor.signature.output_fields) == ["extracted_entities"]


def test_examples_keep_their_order() -> None:
    with trial() as made:
        examples: ExampleSet = made.train
    assert [each["gold"] for each in task_examples(examples)] == list(examples.examples)


def _item(entity: Entity):  # type: ignore[no-untyped-def]
    from harness.prompts.stock.program import found_entity

    return found_entity()(name=entity.name, entity_type_id=entity.type_id)

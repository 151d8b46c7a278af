"""How large a run's calls will be, for its plan: counted on the examples themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from harness.calls.price import Price
from harness.engines.protocol import Engine, EngineFailure
from harness.errors import HarnessError
from harness.prompts.examples import Example, ExampleSet
from harness.prompts.metric import feedback
from harness.prompts.optimize.budget import CallSize
from harness.prompts.optimize.reflection import reflection_prompt
from harness.prompts.optimize.room import CHARACTERS_PER_TOKEN, chat_tokens, count_tokens
from harness.prompts.program import Program

GROWN_CHARACTERS = 2_700
"""What instructions grow to: the mean of the nine that the origin of prompt-optimizers.md has saved."""

_SAMPLE = 50  # examples that are counted


@dataclass(frozen=True, slots=True)
class Rates:
    """What a call of one role takes and costs; no `price` where none is known."""

    latency_s: float = 0.0
    price: Price | None = None


def task_call(engine: Engine, program: Program, examples: ExampleSet, rates: Rates, grown: int) -> CallSize:
    """A mean task call, its instruction as long as `grown` characters, or as the program's when longer."""
    sample = examples.examples[:_SAMPLE]
    instruction = _grown(program.instruction, grown)
    prompts = [
        chat_tokens(engine, program.format.render(instruction, examples.types, each.text)) for each in sample
    ]
    answers = [count_tokens(engine, _answer(each)) for each in sample]
    return _size(float(np.mean(prompts)), float(np.mean(answers)), rates)


def reflection_call(
    engine: Engine, program: Program, examples: ExampleSet, minibatch: int, rates: Rates, grown: int
) -> CallSize:
    """A mean reflection call on a minibatch of which nothing was found."""
    instruction = _grown(program.instruction, grown)
    records = [
        {
            "Inputs": each.text,
            "Generated Outputs": _answer(each),
            "Feedback": feedback(frozenset(), each, examples.types),
        }
        for each in examples.examples[:minibatch]
    ]
    prompt = chat_tokens(engine, reflection_prompt(instruction, records))
    return _size(prompt, count_tokens(engine, instruction), rates)


def counted_by(engine: Engine) -> str:
    """Who counts the tokens of a plan."""
    try:
        engine.tokenize("a")
    except (HarnessError, EngineFailure):
        return f"estimated, {CHARACTERS_PER_TOKEN:g} characters a token"
    return f"tokenizer of {engine.name}"


def _grown(instruction: str, characters: int) -> str:
    """As long as that, in words as long as usual ones."""
    return instruction + " entity" * (max(0, characters - len(instruction)) // len(" entity"))


def _answer(example: Example) -> str:
    return json.dumps([{"name": each.name, "entity_type_id": each.type_id} for each in example.entities])


def _size(prompt: float, answer: float, rates: Rates) -> CallSize:
    usd = None
    if rates.price is not None:
        usd = rates.price.of_tokens(round(prompt), round(answer)) + rates.price.of_time(rates.latency_s)
    return CallSize(prompt, answer, rates.latency_s, usd)

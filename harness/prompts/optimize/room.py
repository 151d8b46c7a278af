"""Whether a model's context has room for an instruction."""

from __future__ import annotations

from collections.abc import Callable

from harness.engines.protocol import Engine, EngineFailure, Message
from harness.errors import HarnessError
from harness.prompts.examples import ExampleSet
from harness.prompts.program import AnswerFormat

CHARACTERS_PER_TOKEN = 3.0
"""Where nobody counts tokens: rather too few, so that an instruction is taken for longer than it is."""

_CHAT_TOKENS = 16  # what a chat template adds to a message, rather too many


def room_for(engine: Engine, form: AnswerFormat, examples: ExampleSet) -> Callable[[str], bool]:
    """Whether an instruction leaves the longest example an answer of as many tokens as the text has.

    Without this check the instruction that a reflection model made too long would be the task model's
    failure, and end the run. Tokens are the engine's, or estimated where it does not count them.
    """
    longest = max(examples.examples, key=lambda each: (len(each.text), each.id))

    def fits(instruction: str) -> bool:
        chat = form.render(instruction, examples.types, longest.text)
        answer = count_tokens(engine, longest.text)
        return chat_tokens(engine, chat) + answer <= engine.context_tokens

    return fits


def count_tokens(engine: Engine, text: str) -> int:
    """Tokens of a text, estimated where the engine cannot count."""
    try:
        return len(engine.tokenize(text))
    except (HarnessError, EngineFailure):
        return round(len(text) / CHARACTERS_PER_TOKEN)


def chat_tokens(engine: Engine, chat: tuple[Message, ...]) -> int:
    """Tokens of a chat, with rather more for the template than it adds."""
    return sum(_CHAT_TOKENS + count_tokens(engine, each.content) for each in chat)

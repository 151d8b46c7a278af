"""What the reflection model is asked, and what counts as an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.engines.protocol import Message

Unusable = Literal["no block", "empty", "too long", "unchanged", "known", "echo", "control tokens"]

MOST_CHARACTERS = 8_000
"""A longer instruction is refused: about 2,000 tokens, half the window that the document deploys."""

_PROMPT = """\
An assistant is given the instruction below for a task. Improve the instruction.

<current_instruction>
{instruction}
</current_instruction>

These are inputs of the task, what the assistant answered, and feedback on each answer, as JSON:

<examples>
{examples}
</examples>

Read the inputs, the answers and all of the feedback. Find what the instruction leaves unsaid: what is to \
be found, what is not, and what follows from the feedback for inputs that you have not seen. Keep what \
works. Do not copy names or sentences from the inputs: they will be others. Do not change the form of the \
answer.

Write the whole new instruction between two lines of three backticks, and nothing else inside them."""

_CURRENT = re.compile(r"</?current_instruction>|</?examples>")
_FENCE = re.compile(r"```")
# the language after an opening fence, perhaps none
_TAG = re.compile(r"[\w+.-]*[ \t]*\n|(?:text|txt|plaintext|markdown|md)[ \t]+")
_CONTROL = re.compile(r"<\|[^|\s]*\|>")


@dataclass(frozen=True, slots=True)
class Reply:
    """The new instruction, or why the reply holds none."""

    instruction: str
    unusable: Unusable | None = None


def reflection_prompt(instruction: str, records: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The question: the instruction, and the examples with feedback as one JSON record a line."""
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    return (Message("user", _PROMPT.format(instruction=instruction, examples=f"[{lines}]")),)


def read_reply(text: str, current: str, most_characters: int = MOST_CHARACTERS) -> Reply:
    """The instruction in a reply: the text of its ``` block, or `new_instruction` of a JSON object.

    A reply without either, one that only repeats `current` or the question, that is longer than
    `most_characters`, has fewer than two words or holds a chat template's control tokens is unusable.
    """
    block = _in_block(text)
    found = next((each for each in (_in_json(text), _in_json(block), block) if each is not None), None)
    if found is None:
        return Reply("", "no block")
    instruction = found.strip()
    return Reply(instruction, _wrong(instruction, current, most_characters))


def _wrong(instruction: str, current: str, most_characters: int) -> Unusable | None:
    if len(re.findall(r"\w+", instruction)) < 2:
        return "empty"
    if len(instruction) > most_characters:
        return "too long"
    if plain(instruction) == plain(current):
        return "unchanged"
    if _CURRENT.search(instruction):
        return "echo"
    return "control tokens" if _CONTROL.search(instruction) else None


def plain(instruction: str) -> str:
    """The instruction's words: what makes two instructions the same."""
    return " ".join(instruction.split())


def _in_json(text: str | None) -> str | None:
    """`new_instruction` of a text that is a JSON object."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    instruction = value.get("new_instruction")
    return instruction if isinstance(instruction, str) else None


def _in_block(text: str) -> str | None:
    """What stands between the first fence and the last one: an instruction may hold fences of its own."""
    fences = list(_FENCE.finditer(text))
    if len(fences) < 2:
        return None
    inside = text[fences[0].end() : fences[-1].start()]
    tag = _TAG.match(inside)
    return inside[tag.end() :] if tag else inside

"""A reflection model by rule: it adds to the instruction one entity type that the feedback says was missed.

It reads our reflection prompt and that of dspy's proposer, and answers each as it asks: a block or JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from harness.engines.protocol import Message
from harness.prompts.examples import EntityType
from harness.prompts.offline.engine import IDEAL, AnswerTo, Conditions, ScriptedEngine
from harness.prompts.offline.nouns import asking_for, named, nouns

_CURRENT = (
    re.compile(r"<current_instruction>\n(.*?)\n</current_instruction>", re.DOTALL),
    re.compile(
        r"\[\[ ## current_instruction ## \]\]\n(.*?)\n\n\[\[ ## examples_with_feedback ## \]\]", re.DOTALL
    ),
)
_FEEDBACK = re.compile(r'"Feedback": ("(?:[^"\\]|\\.)*")')
_REVISION = re.compile(r" \(revision (\d+)\)$")


def rule_reflection(
    types: Sequence[EntityType],
    conditions: Conditions = IDEAL,
    *,
    useless: bool = False,
    name: str = "rules",
) -> ScriptedEngine:
    """The model as an engine. A `useless` one only numbers the instruction's revisions."""
    return ScriptedEngine(_revise if useless else improver(types), name, conditions)


def improver(types: Sequence[EntityType]) -> AnswerTo:
    """Adds the type that the feedback mentions most and the instruction does not name yet.

    Ties go to the first of `types`. Where nothing is missing, the instruction stays as it is.
    """
    names = [each.name for each in types]

    def answer(messages: tuple[Message, ...]) -> str:
        prompt = "\n\n".join(each.content for each in messages)
        current = current_instruction(prompt)
        asked = named(current, names)
        mentions = [kind for each in feedbacks(prompt) for kind in named(each, names) if kind not in asked]
        if not mentions:
            return _reply(prompt, current)
        return _reply(prompt, _with_type(current, max(names, key=mentions.count), names))

    return answer


def _with_type(current: str, added: str, names: Sequence[str]) -> str:
    """The instruction asking for one more type, in words that the embedded model was trained on.

    A plain one is written anew. To any other a sentence is added, for it may mean types that it does not
    name; the added ones stand in the order of `names`, so that the way to an instruction does not show.
    """
    asked = named(current, names)
    every = [each for each in names if each in asked or each == added]
    if asked and current == asking_for(asked):
        return asking_for(every)
    sentences = {each: f" Also extract {nouns(each)[0]}." for each in names}
    base = current
    for sentence in sentences.values():
        base = base.replace(sentence, "")
    also = [each for each in every if each == added or sentences[each] in current]
    return base + "".join(sentences[each] for each in also)


def current_instruction(prompt: str) -> str:
    """The instruction that a reflection prompt asks to better; empty where it holds none."""
    # the last one: before it, dspy shows the form of its question with a placeholder
    found = [text for each in _CURRENT for text in each.findall(prompt)]
    return str(found[-1]) if found else ""


def feedbacks(prompt: str) -> list[str]:
    """The feedback on each example in a reflection prompt."""
    return [str(json.loads(each)) for each in _FEEDBACK.findall(prompt)]


def _revise(messages: tuple[Message, ...]) -> str:
    prompt = "\n\n".join(each.content for each in messages)
    current = current_instruction(prompt)
    last = _REVISION.search(current)
    number = int(last.group(1)) + 1 if last else 1
    return _reply(prompt, f"{_REVISION.sub('', current)} (revision {number})")


def _reply(prompt: str, instruction: str) -> str:
    if "`new_instruction`" in prompt:
        return json.dumps({"new_instruction": instruction})
    return f"A better instruction:\n\n```\n{instruction}\n```"

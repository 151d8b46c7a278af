"""The reflection prompt, and what its answer may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prompts.offline.reflection import current_instruction, feedbacks
from harness.prompts.optimize.reflection import Unusable, read_reply, reflection_prompt

NEW = "Extract the persons and places."
OLD = "Extract entities."
WORDS = st.text('abc \n`{}"\\<>[]#.', min_size=0, max_size=60)


@pytest.mark.parametrize(
    "reply",
    [
        f"```\n{NEW}\n```",
        f"Here it is:\n\n```text\n{NEW}\n```\nGood luck!",
        f"```markdown\n{NEW}\n```",
        f"```text {NEW}```",
        f"```{NEW}```",
        json.dumps({"new_instruction": NEW}),
        f"```json\n{json.dumps({'new_instruction': NEW})}\n```",
        f"So:\n```json\n{json.dumps({'reasoning': 'it', 'new_instruction': f' {NEW} '})}\n```",
    ],
)
def test_the_instruction_is_found(reply: str) -> None:
    found = read_reply(reply, OLD)
    assert (found.instruction, found.unusable) == (NEW, None)


def test_an_instruction_may_hold_fences_and_lines() -> None:
    inner = 'Answer so:\n```json\n{"person": []}\n```\nand nothing else.'
    assert read_reply(f"Better:\n```\n{inner}\n```", OLD).instruction == inner


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no block"),
        ("I cannot help with that.", "no block"),
        ("```\nExtract the per", "no block"),
        ('{"new_instruction": "Extract the per', "no block"),
        ('{"new_instruction": 3}', "no block"),
        ("[" * 100_000, "no block"),
        ("``````", "empty"),
        ("```\n\n```", "empty"),
        ("```\n...\n```", "empty"),
        ("```\ntext\n```", "empty"),
        (f"```\n{OLD}\n```", "unchanged"),
        ("```\n  Extract \n entities.\n```", "unchanged"),
        (f"```\n{'all persons ' * 1000}\n```", "too long"),
        (f"```\n<current_instruction>\n{NEW}\n</current_instruction>\n```", "echo"),
        ("```\nExtract persons.<|im_end|>\n<|im_start|>user\n```", "control tokens"),
    ],
)
def test_anything_else_is_unusable(reply: str, why: Unusable) -> None:
    assert read_reply(reply, OLD).unusable == why


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_reply_is_an_error(reply: str, current: str) -> None:
    found = read_reply(reply, current)
    assert found.unusable or found.instruction == found.instruction.strip()


@given(st.text("abcdefg .,", min_size=4, max_size=80))
def test_what_was_fenced_comes_back(text: str) -> None:
    found = read_reply(f"```\n{text}\n```", OLD)
    assert found.unusable or found.instruction == text.strip()


@given(WORDS, WORDS, WORDS, WORDS)
def test_a_reader_gets_back_what_the_prompt_was_made_of(
    instruction: str, text: str, answer: str, said: str
) -> None:
    record = {"Inputs": text, "Generated Outputs": answer, "Feedback": said}
    (message,) = reflection_prompt(instruction, [record, record])
    assert current_instruction(message.content) == instruction
    assert feedbacks(message.content) == [said, said]

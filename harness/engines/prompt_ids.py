"""A prompt as token ids, by a tokenizer of the transformers library: tokenized as it is, nothing is added."""

from __future__ import annotations

from typing import Any

from harness.engines.protocol import Message
from harness.errors import HarnessError


def encoded(tokenizer: Any, text: str) -> list[int]:
    """Token ids of the text, special tokens recognised."""
    return list(tokenizer.encode(text, add_special_tokens=False))


def prompt_ids(
    tokenizer: Any, prompt: tuple[Message, ...] | str | tuple[int, ...], context_tokens: int, next_step: str
) -> list[int]:
    """Token ids of a text, of a chat rendered with the model's template, or those given.

    Raises HarnessError for an empty prompt, one that leaves no room in the context (`next_step` says what
    helps), and a chat without a template.
    """
    ids = _ids(tokenizer, prompt)
    if not ids:
        raise HarnessError("the prompt is empty")
    if len(ids) >= context_tokens:
        raise HarnessError(
            f"the prompt has {len(ids)} tokens, the context {context_tokens} with the answer",
            next_step=next_step,
        )
    return ids


def _ids(tokenizer: Any, prompt: tuple[Message, ...] | str | tuple[int, ...]) -> list[int]:
    if isinstance(prompt, str):
        return encoded(tokenizer, prompt)
    chat = [{"role": turn.role, "content": turn.content} for turn in prompt if isinstance(turn, Message)]
    if not chat:
        # int: token ids often come from an array
        return [int(token) for token in prompt if not isinstance(token, Message)]
    if not tokenizer.chat_template:
        raise HarnessError("the model has no chat template", next_step="give the prompt as text")
    return encoded(tokenizer, tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))

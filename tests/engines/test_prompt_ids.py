"""Prompts of every kind as token ids."""

import numpy as np
import pytest

from harness.engines.prompt_ids import encoded, prompt_ids
from harness.engines.protocol import Message
from harness.errors import HarnessError


class Tokenizer:
    """Bytes as tokens."""

    def __init__(self, chat_template: str = "yes") -> None:
        self.chat_template = chat_template

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return list(text.encode())

    def apply_chat_template(self, chat, add_generation_prompt: bool, tokenize: bool) -> str:
        assert (add_generation_prompt, tokenize) == (True, False)
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in chat) + "<assistant>"


def ids_of(prompt, *, tokenizer: Tokenizer | None = None, context_tokens: int = 64) -> list[int]:
    return prompt_ids(tokenizer or Tokenizer(), prompt, context_tokens, "shorten it")


def test_text_chats_and_token_ids():
    assert encoded(Tokenizer(), "ab") == ids_of("ab") == [97, 98]
    chat = (Message("system", "S"), Message("user", "U"))
    assert bytes(ids_of(chat)) == b"<system>S<user>U<assistant>"
    assert ids_of((5, 6)) == [5, 6]


def test_token_ids_from_an_array_are_token_ids():
    found = ids_of(tuple(np.array([5, 6])))
    assert found == [5, 6]
    assert {type(token) for token in found} == {int}


@pytest.mark.parametrize("prompt", ["", ()])
def test_an_empty_prompt(prompt):
    with pytest.raises(HarnessError, match="the prompt is empty"):
        ids_of(prompt)


def test_a_prompt_leaves_room_for_one_token_at_least():
    assert len(ids_of("a" * 63)) == 63
    with pytest.raises(HarnessError, match=r"the prompt has 64 tokens, the context 64 .*; shorten it"):
        ids_of("a" * 64)


def test_a_chat_needs_a_template():
    with pytest.raises(HarnessError, match="no chat template"):
        ids_of((Message("user", "U"),), tokenizer=Tokenizer(chat_template=""))

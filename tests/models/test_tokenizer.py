"""What a token may hold, and that text and ids are the same thing."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.example import END, PAD, START, prompts
from harness.models.tasks import entities
from harness.models.tokenizer import CHAT_TEMPLATE, LONGEST_TOKEN, train_tokenizer

VOCABULARY = 400
WHITE = " \t\n\r\u00a0\u3000"


@cache
def tokenizer() -> Any:
    return train_tokenizer(entities.corpus(1, 200), VOCABULARY)


def ids(text: str) -> list[int]:
    return list(tokenizer().encode(text, add_special_tokens=False).ids)


def test_the_vocabulary_is_exactly_as_large_as_asked_and_starts_with_the_marks() -> None:
    assert tokenizer().get_vocab_size() == VOCABULARY
    assert [tokenizer().token_to_id(mark) for mark in (PAD, START, END)] == [0, 1, 2]
    assert max(len(token) for token in tokenizer().get_vocab()) <= LONGEST_TOKEN
    assert sum(len(token) > 3 for token in tokenizer().get_vocab()) > 30


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="tokens instead of 400"):
        train_tokenizer(["a short text"], VOCABULARY)


def test_the_same_texts_give_the_same_tokenizer() -> None:
    again = train_tokenizer(entities.corpus(1, 200), VOCABULARY)
    assert again.to_str() == tokenizer().to_str()


def test_no_token_has_white_space_beside_anything_else() -> None:
    blanks = set(spelt(" \t\n\r"))
    for token in tokenizer().get_vocab():
        assert len(token) == 1 or not set(token) & blanks, token


def spelt(text: str) -> list[str]:
    """How byte-level BPE spells these characters."""
    return [tokenizer().id_to_token(found) for character in text for found in ids(character)]


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet=st.sampled_from(f"{WHITE}abcAZéß0123456789٣.,\"':[{{") | st.characters(codec="utf-8"))
)
def test_any_text_comes_back_and_blanks_and_digits_stand_alone(text: str) -> None:
    encoded = tokenizer().encode(text, add_special_tokens=False)
    assert tokenizer().decode(encoded.ids, skip_special_tokens=False) == text
    for start, end in encoded.offsets:
        piece = text[start:end]
        alone = any(c in WHITE or c.isdecimal() for c in piece)
        assert len(piece) == 1 or not alone, piece


def test_a_word_is_split_alike_wherever_it_stands() -> None:
    r = random.Random(1)
    for _ in range(50):
        name = entities.entity(r, "person", True)
        alone = ids(name)
        for before in (" ", "\n", '"', "with ", ' ["'):
            assert ids(before + name) == ids(before) + alone
        assert ids(f"{name}\n") == [*alone, *ids("\n")]


def test_marks_are_one_token_each_and_the_chat_template_renders_what_training_reads() -> None:
    assert ids(f"{START}{END}{PAD}") == [1, 2, 0]
    made = entities.example(random.Random(3), "names")
    messages = [{"role": "system", "content": made.system}, {"role": "user", "content": made.text}]
    template = jinja2.Environment().from_string(CHAT_TEMPLATE)
    assert template.render(messages=messages, add_generation_prompt=True) == prompts(made)[0]

"""Shared prefixes are counted exactly, whatever came before in which order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.extraction.reading.prefixes import FourCharacters, Prefixes, Tokenized, common_characters


def common(one, two):
    """Equal items from the beginning on, the slow way."""
    return next(
        (n for n, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(two)),
    )


PROMPTS = st.lists(st.text(alphabet="ab", max_size=14), max_size=12)


def by_pairs(text):
    """A tokenizer whose last token may be half."""
    return [hash((text[at : at + 2], 1)) for at in range(0, len(text), 2)]


@settings(deadline=None)
@given(st.text(alphabet="ab", max_size=40), st.text(alphabet="ab", max_size=40))
def test_common_characters(one, two):
    assert common_characters(one, two) == common(one, two)


@settings(deadline=None)
@given(PROMPTS)
def test_four_characters_against_every_earlier_prompt(prompts):
    prefixes, tokens = Prefixes(FourCharacters()), FourCharacters()
    for number, prompt in enumerate(prompts):
        earlier = prompts[:number]
        wanted = max((tokens.common(prompt, other, common(prompt, other)) for other in earlier), default=0)
        assert prefixes.shared(prompt) == wanted
    assert prefixes.characters == sum(map(len, set(prompts) - {""}))


@settings(deadline=None)
@given(PROMPTS)
def test_a_tokenizers_ids_against_every_earlier_prompt(prompts):
    prefixes = Prefixes(Tokenized(by_pairs))
    for number, prompt in enumerate(prompts):
        ids = [by_pairs(each) for each in (prompt, *prompts[:number])]
        wanted = max((common(ids[0], other) for other in ids[1:]), default=0)
        assert prefixes.shared(prompt) == wanted


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_a_token_is_four_characters(text, count):
    assert FourCharacters().count(text) == count

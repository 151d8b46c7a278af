"""How much of a prompt a prefix cache would have kept: the tokens that an earlier prompt began with."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.engines.protocol import Message, Request

_BEYOND = 64
"""Characters after the common ones that are tokenized too: a token may reach over the border."""
_CHARACTERS = 4


class Tokens(Protocol):
    """How texts are measured."""

    def count(self, text: str) -> int:
        """Tokens of a text."""
        ...

    def common(self, one: str, two: str, characters: int) -> int:
        """The tokens that both begin with; `characters` of them are the same."""
        ...


@dataclass(frozen=True, slots=True)
class FourCharacters:
    """A token is four characters, the last one of a text what is left: where nobody tokenizes."""

    def count(self, text: str) -> int:
        """Rounded up."""
        return -(-len(text) // _CHARACTERS)

    def common(self, one: str, two: str, characters: int) -> int:
        """Whole tokens only, unless the texts are equal."""
        return self.count(one) if one == two else characters // _CHARACTERS


@dataclass(frozen=True, slots=True)
class Tokenized:
    """By a tokenizer: `tokenize` gives the ids of a text."""

    tokenize: Callable[[str], Sequence[int]]

    def count(self, text: str) -> int:
        """Ids of the text."""
        return len(self.tokenize(text))

    def common(self, one: str, two: str, characters: int) -> int:
        """Equal ids from the beginning on."""
        if not characters:
            return 0
        ids = [self.tokenize(text[: characters + _BEYOND]) for text in (one, two)]
        shorter = min(map(len, ids))
        return next((n for n in range(shorter) if ids[0][n] != ids[1][n]), shorter)


@dataclass(slots=True)
class Prefixes:
    """The prompts so far, sorted: the one with most in common with a new one is beside its place.

    `characters` is the length of all of them.
    """

    tokens: Tokens
    characters: int = 0
    _prompts: list[str] = field(default_factory=list)

    def shared(self, prompt: str) -> int:
        """How many of its tokens an earlier prompt began with, at most. It is an earlier one from now on."""
        place = bisect_left(self._prompts, prompt)
        beside = self._prompts[max(0, place - 1) : place + 1]
        best, characters = "", 0
        for other in beside:
            if (common := common_characters(prompt, other)) > characters:
                best, characters = other, common
        if best != prompt:
            insort(self._prompts, prompt)
            self.characters += len(prompt)
        return self.tokens.common(prompt, best, characters) if characters else 0


def common_characters(one: str, two: str) -> int:
    """The characters that both begin with. By halves, for comparing slices is what Python does fast."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def prompt_text(request: Request) -> str:
    """The texts of a chat one after the other, each with its role; what the model's template adds is left
    out."""
    prompt = request.prompt
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"{each.role}: {each.content}" for each in prompt if isinstance(each, Message))

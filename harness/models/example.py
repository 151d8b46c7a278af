"""What the models are trained and tested on: a shared beginning and the turns that follow it.

Turns of one example share their prefix (a passage, a context) and do not see each other, so one passage
teaches many questions at the price of one, and each turn is exactly what a single request looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
Split = Literal["train", "names", "templates"]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of an example's user text, with what they are: a label the tag head learns."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked after the shared text, and the answer; `about` is what scoring needs to know."""

    question: str
    answer: str
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """A chat of one system and one user message. The user message is `text` + a turn's question.

    `spans` lie in `text`. When a turn has a question, `text` ends with a line break, where no token crosses.
    """

    system: str
    text: str
    turns: tuple[Turn, ...]
    spans: tuple[Span, ...] = ()


def prefix(example: Example) -> str:
    """The rendered chat up to where the turns differ."""
    return f"{START}system\n{example.system}{END}\n{START}user\n{example.text}"


def continuation(turn: Turn) -> str:
    """The rendered chat from the turn's question to where the answer begins."""
    return f"{turn.question}{END}\n{START}assistant\n"


def prompts(example: Example) -> Sequence[str]:
    """The whole rendered prompt of each turn."""
    return [prefix(example) + continuation(turn) for turn in example.turns]

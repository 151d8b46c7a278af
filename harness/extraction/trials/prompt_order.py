"""The order of a prompt's parts: what a prefix cache keeps of it, counted over the prompts of real runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from harness.extraction.asks import Ask, Provenance, Reader, Reply
from harness.extraction.pipeline.extract import extract
from harness.extraction.pipeline.settings import Settings
from harness.extraction.reading.formats import SPARSE
from harness.extraction.reading.opening import Choice, open_reader
from harness.extraction.reading.prefixes import FourCharacters, Prefixes, prompt_text
from harness.extraction.reading.shown import CLOSING, OPENING
from harness.extraction.trials.companies import Setting, truths

FEW = Setting(count=4)


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompt tokens of all prompts, and those of them that no earlier prompt of the company began with."""

    prompts: int
    tokens: int
    computed: int


class Recording:
    """A reader that keeps what it was asked, in order."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.asked: list[Ask] = []

    @property
    def name(self) -> str:
        """The reader's."""
        return self._reader.name

    @property
    def provenance(self) -> Provenance:
        """The reader's."""
        return self._reader.provenance

    @property
    def context_tokens(self) -> int:
        """The reader's."""
        return self._reader.context_tokens

    def tokens(self, text: str) -> int:
        """The reader's."""
        return self._reader.tokens(text)

    def calls(self, ask: Ask) -> int:
        """The reader's."""
        return self._reader.calls(ask)

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """The reader's."""
        self.asked += asks
        return self._reader.answers(asks)


@cache
def prompts(settings: Settings, setting: Setting = FEW) -> tuple[tuple[str, ...], ...]:
    """The prompts of each company, in the order in which our pipeline asks them; a perfect reader answers."""
    found = []
    with open_reader(Choice(setting.reader, "sparse", truths(setting))) as opening:
        for truth in truths(setting):
            reader = Recording(opening.reader())
            extract([truth.company], reader, settings)
            requests = [request for ask in reader.asked for request in SPARSE.requests(ask)]
            found.append(tuple(map(prompt_text, requests)))
    return tuple(found)


def task_first(prompt: str) -> str:
    """The same parts with the question in front of the document, as the documented pipeline has them."""
    start, end = prompt.index(OPENING, prompt.index("user: ")), prompt.rindex(CLOSING) + len(CLOSING)
    return f"{prompt[:start]}{prompt[end:].strip()}\n\n{prompt[start:end]}"


def prefilled(companies: Sequence[Sequence[str]]) -> Prefilled:
    """What is left to compute where every earlier prompt of the company is still in the cache."""
    tokens = FourCharacters()
    total = shared = 0
    for each in companies:
        seen = Prefixes(tokens)
        for prompt in each:
            total += tokens.count(prompt)
            shared += seen.shared(prompt)
    return Prefilled(sum(map(len, companies)), total, total - shared)

"""Clauses that say nothing about any field, to fill documents to their length."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from harness.extraction.corpus.words import Wording


@dataclass(frozen=True, slots=True)
class Filler:
    """Makes paragraphs of two to five sentences; a small share of sentences is not in English."""

    wording: Wording
    foreign: float
    r: Random

    def paragraph(self) -> str:
        """Some sentences in a row."""
        return " ".join(self._sentence() for _ in range(self.r.randint(2, 5)))

    def _sentence(self) -> str:
        texts, r = self.wording.filler, self.r
        if r.random() < self.foreign:
            return r.choice(texts["foreign"])
        first = f"{r.choice(texts['subjects'])} {r.choice(texts['actions'])}"
        if r.random() < 0.4:
            first += f" and {r.choice(texts['actions'])}"
        return f"{first}, {r.choice(texts['conditions'])}." if r.random() < 0.7 else f"{first}."

"""How a reader that is not perfect errs: two logistic curves, of missing a value and of taking a wrong one.

log-odds = base + per_field_doubling * log2(fields asked for together) + per_text_doubling * log2(tokens of
text / 256) + in_the_middle * (1 at the middle of the text, 0 at its ends) + per_distractor * distractors
shown. A token is four characters. Middles are worse than ends in long prompts (Liu et al. 2024, "Lost in the
Middle", TACL 12:157-173).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["right", "wrong", "missed"]
REFERENCE_TOKENS = 256
_LEAST_TOKENS = 64
MOST_DISTRACTORS = 5


@dataclass(frozen=True, slots=True)
class Situation:
    """What a reader has before it: `fields` asked for in one prompt, `text_tokens` of text shown,
    `position` of the value in it from 0 to 1, `distractors` that stand there too."""

    fields: int
    text_tokens: float
    position: float
    distractors: int

    def features(self) -> tuple[float, float, float, float, float]:
        """What the curves are linear in; the first is 1."""
        return (
            1.0,
            math.log2(max(1, self.fields)),
            math.log2(max(_LEAST_TOKENS, self.text_tokens) / REFERENCE_TOKENS),
            1.0 - abs(2.0 * min(1.0, max(0.0, self.position)) - 1.0),
            float(min(MOST_DISTRACTORS, self.distractors)),
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """The coefficients of one logistic curve; none but `base` is negative, for nothing here makes reading
    easier."""

    base: float
    per_field_doubling: float = 0.0
    per_text_doubling: float = 0.0
    in_the_middle: float = 0.0
    per_distractor: float = 0.0

    def coefficients(self) -> tuple[float, float, float, float, float]:
        """In the order of the features."""
        return (
            self.base,
            self.per_field_doubling,
            self.per_text_doubling,
            self.in_the_middle,
            self.per_distractor,
        )

    def probability(self, situation: Situation) -> float:
        """Between 0 and 1."""
        odds = sum(c * x for c, x in zip(self.coefficients(), situation.features(), strict=True))
        return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, odds))))


@dataclass(frozen=True, slots=True)
class Noise:
    """`miss`: nothing is said of a value that is shown. `confuse`: of what is not missed a wrong value is
    said. `origin` says where the numbers come from."""

    miss: Curve
    confuse: Curve
    seed: int = 0
    origin: str = ""

    def outcome(self, situation: Situation, *keys: str) -> Outcome:
        """What happens there; the same for the same keys."""
        if _draw(self.seed, "miss", *keys) < self.miss.probability(situation):
            return "missed"
        is_wrong = _draw(self.seed, "confuse", *keys) < self.confuse.probability(situation)
        return "wrong" if is_wrong else "right"

    def choose(self, count: int, *keys: str) -> int:
        """Which of `count` wrong values is taken."""
        return int(_draw(self.seed, "choose", *keys) * count)


ASSUMED = Noise(
    miss=Curve(-3.5, 0.25, 0.2, 0.3, 0.1),
    confuse=Curve(-4.0, 0.15, 0.1, 0.1, 0.4),
    origin="assumed: 3 % missed of one field in 256 tokens, about 25 % of one of 24 fields in 6,000",
)
"""Where nothing was measured."""
EMBEDDED = Noise(
    miss=Curve(-2.12, 0.25, 0.0, 0.0, 0.1),
    confuse=Curve(-1.87, 0.15, 0.45, 0.13, 0.4),
    origin=(
        "fitted to the embedded model (llama.cpp, Q8_0, row cpu, 2026-11-25): 1,192 questions about one "
        "field each in up to 500 tokens of its own kind of passages, 79 % right, 11 % missed, 10 % wrong; "
        "the slopes of fields and distractors are assumed, and beyond 500 tokens it is extrapolated"
    ),
)
"""A very small model: its numbers are no forecast for a large one."""


def _draw(seed: int, *keys: str) -> float:
    """Uniform in [0, 1), by what it is for."""
    digest = hashlib.sha256("\x1f".join((str(seed), *keys)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / float(1 << 56)

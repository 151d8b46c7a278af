"""The choices in which the paper (arXiv 2410.11414) and its published code differ, by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.detection.sample import Sample

Divergence = Literal["jensen_shannon", "reversed_kl"]
Reduction = Literal["mean", "sum"]
Attended = Literal["context", "prefix"]


@dataclass(frozen=True, slots=True)
class Scoring:
    """How scores are computed.

    `divergence`: of the lens before and after a feed-forward layer. "jensen_shannon" is at most ln 2 nats;
    "reversed_kl" is (KL(M||P) + KL(M||Q)) / 2, which is unbounded. `tokens` pools the parametric score over
    the tokens of a chunk. `block` pools attention over a pair of chunks: a sum favours long context chunks.
    `attended`: the positions among which a head's most attended are sought, the sample's context or all of
    its prompt. Of P positions the floor(`k_share` P) with the highest attention are taken, at least
    `at_least`; of equal ones the lower index wins. Where none is taken the score is NaN.
    """

    divergence: Divergence = "jensen_shannon"
    tokens: Reduction = "mean"
    block: Reduction = "mean"
    attended: Attended = "context"
    k_share: float = 0.1
    at_least: int = 1

    def __post_init__(self) -> None:
        if not 0.0 < self.k_share <= 1.0 or self.at_least not in (0, 1):
            raise ValueError(f"a share in (0, 1] and at least 0 or 1 position, not {self}")

    def positions(self, sample: Sample) -> tuple[int, int]:
        """The range [start, end) of the sample's tokens that heads are judged on."""
        return sample.context if self.attended == "context" else (0, sample.prefix)

    def taken(self, positions: int) -> int:
        """How many of so many positions are taken."""
        return min(positions, max(self.at_least, math.floor(self.k_share * positions)))


PAPER = Scoring()
OFFICIAL = Scoring("reversed_kl", "sum", "sum", "prefix", at_least=0)


def official_token_scale(vocabulary: int) -> float:
    """The published token-level code averages a divergence over the vocabulary and multiplies by a million.

    Its numbers are ours, in nats, times this; ranks and AUC do not depend on it.
    """
    return 1e6 / vocabulary

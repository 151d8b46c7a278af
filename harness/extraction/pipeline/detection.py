"""Which facilities a company has: the passages that are likely to name them, shown in as few calls as set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.extraction.pipeline.pieces import Pieces
from harness.extraction.pipeline.settings import Floats

QUERY = (
    "facility facilities term loan revolving credit tranche commitments total aggregate amount made "
    "available lenders letter of credit standby guarantee capex working capital vat debt service bridge"
)


def showings(pieces: Pieces, scores: Floats, room: int) -> Iterator[tuple[int, ...]]:
    """Sets of pieces to show, best first, together all of the text.

    The first piece of each document comes before others, because agreements and letters open with whom and
    what they are about; then those of the highest score, of equals the earlier.
    """
    opening = [
        number
        for number in range(len(pieces))
        if number == 0 or pieces.documents[number] != pieces.documents[number - 1]
    ]
    ranked = [int(number) for number in np.argsort(-scores, kind="stable")]
    first = set(opening)
    waiting = opening + [number for number in ranked if number not in first]
    held, chosen = 0, list[int]()
    for number in waiting:
        if chosen and held + pieces.tokens[number] > room:
            yield tuple(sorted(chosen))
            held, chosen = 0, []
        chosen.append(number)
        held += pieces.tokens[number]
    if chosen:
        yield tuple(sorted(chosen))

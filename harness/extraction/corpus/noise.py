"""Letters as a scanner misreads them, one for one, so that no offset moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

_MISREAD = str.maketrans("abcdefghijklmnopqrstuvwxyz", "oheoctqnlihiwh0qgnafvyvkvs")
_FAR = 1e12


def misread(text: str, kept: Sequence[tuple[int, int]], rate: float, r: Random) -> str:
    """The text with about `rate` of its lower-case letters replaced, none of those in `kept`."""
    if rate <= 0.0:
        return text
    letters = list(text)
    at = _step(r, rate)
    while at < len(letters):
        if "a" <= letters[at] <= "z" and not any(start <= at < end for start, end in kept):
            letters[at] = letters[at].translate(_MISREAD)
        at += 1 + _step(r, rate)
    return "".join(letters)


def _step(r: Random, rate: float) -> int:
    """How many letters are read right before the next error: geometric."""
    if rate >= 1.0:
        return 0
    return int(min(_FAR, math.log(1.0 - r.random()) / math.log1p(-rate)))

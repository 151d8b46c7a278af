"""Invented words and names that the generators plant, by seed. A share of them is plain letter noise."""

from __future__ import annotations

import random
from collections.abc import Container

NOISE_SHARE = 0.15
_WIDE_SHARE = 0.45
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _list(text: str) -> list[str]:
    return text.split()


_ONSETS = _list("b c d f g h j k l m n p r s t v w z br cl dr fr gr kl pr st tr sh th ch")
_VOWELS = _list("a e i o u ai ea ia io oa ou")
_CODAS = ["", "", "", *_list("n r l s m t k nd rt ck x")]
_WIDE_ONSETS = _ONSETS + _list("kw y wh gh sk sm sn pl sl sw sp j w z v dm ts x qu gw")
_WIDE_VOWELS = _VOWELS + _list("y ee oo ei au ya yo eo ui ae")
_WIDE_CODAS = _CODAS + _list("ng ld st rg ll nn ss rs lt ph d b g")


def word(r: random.Random, low: int = 1, high: int = 3) -> str:
    """A lower-case word of `low` to `high` syllables, or, at NOISE_SHARE, of 3 to 9 random letters.

    The noise is there so that a model that copies names does not lean on how names usually look.
    """
    chance = r.random()
    if chance < NOISE_SHARE:
        return "".join(r.choice(_LETTERS) for _ in range(r.randint(3, 9)))
    if chance < NOISE_SHARE + _WIDE_SHARE:
        opening = r.choice(_WIDE_VOWELS) if r.random() < 0.25 else ""
        return opening + _syllables(r, r.randint(low, high), _WIDE_ONSETS, _WIDE_VOWELS, _WIDE_CODAS)
    return _syllables(r, r.randint(low, high), _ONSETS, _VOWELS, _CODAS)


def proper_name(r: random.Random, banned: Container[str] = frozenset(), low: int = 1, high: int = 3) -> str:
    """A capitalised word of 3 to 11 letters that is not in `banned` (the names held out of training)."""
    while True:
        name = word(r, low, high).capitalize()
        if 3 <= len(name) <= 11 and name not in banned:
            return name


def _syllables(r: random.Random, count: int, onsets: list[str], vowels: list[str], codas: list[str]) -> str:
    return "".join(
        r.choice(onsets) + r.choice(vowels) + (r.choice(codas) if r.random() < 0.5 else "")
        for _ in range(count)
    )

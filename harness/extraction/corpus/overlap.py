"""How much of a field's query stands in the sentences that state it: a set whose sentences are made of the
schema's words would measure nothing but that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.extraction.schema import FIELDS, Field
from harness.extraction.truth import Truth

LIMIT = 0.35
"""Most of a query's words that gold sentences may have on average."""

_WORD = re.compile(r"[^\W_]+(?:[&.-][^\W_]+)*")
_COMMON = frozenset("a an and by for from in is it not of on or than the to which with".split())


@dataclass(frozen=True, slots=True)
class Overlap:
    """Of a value's first alternative: which share of the words of the field's name and keywords it has."""

    owner: str
    key: str
    tags: tuple[str, ...]
    share: float


def overlaps(truth: Truth) -> Iterator[Overlap]:
    """One for each value with a statement of its own."""
    text = truth.company.text
    for (owner, key), value in truth.values.items():
        if key in FIELDS and value.marks and value.spans:
            query = query_words(FIELDS[key])
            stated = " ".join(text[span.start : span.end] for span in value.spans[0])
            words = frozenset(_words(stated))
            yield Overlap(owner, key, value.tags, len(query & words) / len(query))


def mean_overlap(truths: Sequence[Truth]) -> float:
    """Over all values of all companies."""
    return fmean(each.share for truth in truths for each in overlaps(truth))


def overlap_by_tag(truths: Sequence[Truth]) -> Mapping[str, float]:
    """The mean over the values with each tag, in the order of the tags' names."""
    by_tag: dict[str, list[float]] = {}
    for truth in truths:
        for each in overlaps(truth):
            for tag in each.tags:
                by_tag.setdefault(tag, []).append(each.share)
    return {tag: fmean(by_tag[tag]) for tag in sorted(by_tag)}


def query_words(field: Field) -> frozenset[str]:
    """The words of a field's name and keywords, without common ones."""
    return frozenset(_words(" ".join((field.name, *field.keywords))))


def _words(text: str) -> Iterator[str]:
    return (word for word in _WORD.findall(text.casefold()) if word not in _COMMON)

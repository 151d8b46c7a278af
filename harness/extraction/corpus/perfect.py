"""What a perfect reader knows of passages, with no pipeline and no model in between."""

from __future__ import annotations

from collections.abc import Sequence

from harness.extraction.asks import Passage
from harness.extraction.truth import Truth

Key = tuple[str, str]


def values_shown(truth: Truth, passages: Sequence[Passage]) -> dict[Key, str]:
    """The values of which all passages of one alternative are shown."""
    return {
        key: value.value
        for key, value in truth.values.items()
        if any(is_shown(spans, passages) for spans in value.spans)
    }


def is_shown(spans: Sequence[Passage], passages: Sequence[Passage]) -> bool:
    """Whether each of the spans lies wholly in one of the passages."""
    return bool(spans) and all(
        any(each.start <= span.start and span.end <= each.end for each in passages) for span in spans
    )

"""What is true of a company: the ground truth that generated and labelled corpora carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.extraction.asks import Facility, Passage
from harness.extraction.company import Company

Presence = Literal["present", "absent"]
DEAL = ""
"""The facility's name under which the values of the whole deal stand."""


@dataclass(frozen=True, slots=True)
class TrueValue:
    """One field's value.

    `value` is canonical (see `values/`), `renderings` are other texts that say the same. `spans` are
    alternatives: each is a set of passages that together suffice to know the value (a computed share needs
    two). `tags` say what makes it hard: "schedule", "synonym", "amendment", "split" and so on.
    `superseded` are values that an earlier document gave, and `distractors` where the text says something
    that looks like it: (kind, passage, the value it would give; empty where it gives none). `marks` are the
    passages within the spans at which the value itself, or a part that it is computed from, is written.
    """

    value: str
    spans: tuple[tuple[Passage, ...], ...]
    renderings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    distractors: tuple[tuple[str, Passage, str], ...] = ()
    marks: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class Truth:
    """All that is to be found: `values` by (facility name or DEAL, field key). What is not in it is absent.

    `facility_spans` are the passages that each facility's existence can be read from, any one suffices.
    `references` are passages that name the place of a field's value without giving it, by field key. `baits`
    are, for values that are absent, where the text says something that looks like one; as distractors are.
    """

    company: Company
    facilities: tuple[Facility, ...]
    values: Mapping[tuple[str, str], TrueValue]
    facility_spans: Mapping[str, tuple[Passage, ...]]
    references: Mapping[str, tuple[Passage, ...]]
    baits: Mapping[tuple[str, str], tuple[tuple[str, Passage, str], ...]] = field(default_factory=dict)

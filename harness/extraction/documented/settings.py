"""What the documented pipeline can be told, and the presets that the guide and its code name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from harness.errors import HarnessError
from harness.extraction.schema.groups import GROUPS_8, GROUPS_12, GROUPS_13, Group

RetrieverName = Literal["bm25", "embedding", "hybrid"]
PARTITIONS: Mapping[int, tuple[Group, ...]] = MappingProxyType({8: GROUPS_8, 12: GROUPS_12, 13: GROUPS_13})
"""The ways to share the fields among groups, by the number of groups: the guide says 12, its code has 13."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All there is to set; the defaults are the guide's.

    `section_passes` per group (MAX_SECTION_PASSES_PER_GROUP) and `deep_fields` per facility
    (MAX_DEEP_EXTRACT_FIELDS_PER_FACILITY) are caps, None without one. `chunks_per_group` chunks are shown in
    a pass. `flash_attention` concerns who opens the engine, nothing here. The *_tokens of a stage are the
    most text that its prompt shows, output_tokens the most that its answer may have (a group has its own).
    """

    section_passes: int | None = 2
    deep_fields: int | None = 25
    verification: bool = True
    chunks_per_group: int = 3
    groups: int = 13
    retriever: RetrieverName = "bm25"
    flash_attention: bool = False
    synonyms: bool = True
    early_stop: bool = True
    consistency_rules: bool = True
    normalisation: bool = True
    chunk_tokens: int = 2000
    overlap_tokens: int = 400
    group_text_tokens: int = 6500
    detection_text_tokens: int = 5000
    verification_text_tokens: int = 4000
    deep_text_tokens: int = 6000
    detection_output_tokens: int = 2048
    verification_output_tokens: int = 1024
    deep_output_tokens: int = 500

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise HarnessError(
                    f"{name} is {value}", where="documented settings", allowed=f"{least} and more"
                )
        if self.overlap_tokens >= self.chunk_tokens:
            raise HarnessError(
                f"chunks of {self.chunk_tokens} tokens overlap by {self.overlap_tokens}",
                where="documented settings",
                allowed="an overlap shorter than a chunk",
            )
        if self.groups not in PARTITIONS:
            known = ", ".join(map(str, PARTITIONS))
            raise HarnessError(
                f"there are no {self.groups} groups", where="documented settings", allowed=known
            )

    @property
    def partition(self) -> tuple[Group, ...]:
        """The field groups, in their order."""
        return PARTITIONS[self.groups]


_LEAST = {
    "section_passes": 0,
    "deep_fields": 0,
    "chunks_per_group": 1,
    "overlap_tokens": 0,
    "chunk_tokens": 1,
    "group_text_tokens": 1,
    "detection_text_tokens": 1,
    "verification_text_tokens": 1,
    "deep_text_tokens": 1,
    "detection_output_tokens": 1,
    "verification_output_tokens": 1,
    "deep_output_tokens": 1,
}

_ONE_HOUR = Settings(section_passes=1, deep_fields=20, verification=False, flash_attention=True)
PRESETS: Mapping[str, Settings] = MappingProxyType(
    {
        "unlimited": Settings(section_passes=None, deep_fields=None),
        "capped": Settings(),
        "one_hour": _ONE_HOUR,
        "one_hour_many": replace(_ONE_HOUR, section_passes=0, deep_fields=15),
        "bm25_only": Settings(section_passes=0, deep_fields=15, verification=False, flash_attention=True),
        "quality": Settings(section_passes=5, deep_fields=40, chunks_per_group=6, retriever="hybrid"),
    }
)
"""`unlimited`: before the caps. `capped`: the guide's defaults. `one_hour`: the code's defaults, and
`one_hour_many` the same hour for four facilities and more. `bm25_only`: the fastest that the guide names,
which is the same numbers. `quality`: the upper ends of what was advised where quality comes first."""


def preset(name: str) -> Settings:
    """A preset by its name; raises HarnessError for another name."""
    if name not in PRESETS:
        raise HarnessError(
            f"there is no preset {name!r}", where="documented preset", allowed=", ".join(PRESETS)
        )
    return PRESETS[name]


def one_hour(facilities: int) -> Settings:
    """The preset for an hour that was advised for a company of so many facilities."""
    return PRESETS["one_hour_many" if facilities >= 4 else "one_hour"]


def fitted(settings: Settings, context_tokens: int) -> Settings:
    """The same for a reader whose context is smaller than the documented one of 8,000 tokens of input.

    Chunks, texts and answers shrink in proportion, so a text has more chunks and an unlimited run more calls.
    """
    documented = 8000 + 1024
    if context_tokens >= documented:
        return settings
    sizes = {name: max(1, getattr(settings, name) * context_tokens // documented) for name in _SIZES}
    return replace(settings, overlap_tokens=settings.overlap_tokens * context_tokens // documented, **sizes)


_SIZES = tuple(name for name in _LEAST if name.endswith("_tokens") and name != "overlap_tokens")

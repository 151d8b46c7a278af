"""The guide's own example company, counted and timed by its formula: nothing is read, nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass

from harness.extraction.documented.plan import documented_waves
from harness.extraction.documented.settings import PARTITIONS
from harness.extraction.timing import QUOTED, Lengths, Wave, company_seconds


@dataclass(frozen=True, slots=True)
class Example:
    """extraction-speed-guide.md, section 1: 60 chunks in 20 windows; the defaults are without caps."""

    facilities: int = 2
    groups: int = 12
    section_passes: int = 20
    deep_fields: int = 40
    verification: bool = True

    @property
    def waves(self) -> tuple[Wave, ...]:
        """Detection, retrieval, sections, verification, deep extraction, at the logged lengths."""
        return documented_waves(
            self.facilities,
            [len(group.fields) for group in PARTITIONS[self.groups]],
            section_passes=self.section_passes,
            verification=self.verification,
            deep_fields=self.deep_fields,
        )


@dataclass(frozen=True, slots=True)
class Calls:
    """One company's calls by stage; hours at the guide's 30 s a call, and by the time model of its logs."""

    facilities: int
    retrieval: int
    section: int
    verification: int
    deep: int
    hours_at_30_s: float
    hours: float

    @property
    def group_calls(self) -> int:
        """Those of the group passes, which the guide calls extraction."""
        return self.retrieval + self.section

    @property
    def total(self) -> int:
        """With the detection."""
        return 1 + self.group_calls + self.verification + self.deep


def counted(example: Example) -> Calls:
    """Calls and modelled hours of an example."""
    waves = example.waves
    detection, retrieval, section, verification, deep = map(_count, waves)
    total = detection + retrieval + section + verification + deep
    hours = company_seconds(waves, QUOTED) / 3600.0
    return Calls(example.facilities, retrieval, section, verification, deep, total * 30.0 / 3600.0, hours)


def _count(wave: tuple[Lengths, ...]) -> int:
    return sum(each.count for each in wave)

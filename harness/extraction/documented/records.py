"""What the passes have said of one field of one facility, and how two answers become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from harness.extraction.asks import Confidence, Found, Reply, Stage
from harness.extraction.result import Candidate, Status, Value

WEIGHT: Final[Mapping[Confidence, float]] = {"HIGH": 1.0, "MEDIUM": 0.6, "LOW": 0.3}
"""What the documented pipeline makes of the three words."""


@dataclass(frozen=True, slots=True)
class Record:
    """One field of one facility. `found` is the value that holds, from stage `stage`; `outvoted` are the
    others, in the order in which they lost, which the documented pipeline forgets and this one only keeps.

    `asked` answers that could be read were about it, `unreadable` ones were not to be read.
    """

    field: str
    found: Found | None = None
    stage: Stage = "retrieval"
    outvoted: tuple[tuple[Found, Stage], ...] = ()
    is_elsewhere: bool = False
    is_absent: bool = False
    asked: int = 0
    unreadable: int = 0

    @property
    def status(self) -> Status:
        """The status word. An answer that could not be read is an error only where no other one was read."""
        if self.found is not None:
            return "FOUND"
        if self.is_elsewhere:
            return "POSSIBLY_PRESENT"
        if self.is_absent:
            return "N/A"
        if self.asked:
            return "NOT_FOUND"
        return "EXTRACTION_ERROR" if self.unreadable else "NOT_EXTRACTED"

    @property
    def is_missing(self) -> bool:
        """Whether deep extraction looks for it: no value, or one of confidence LOW."""
        return self.found is None or self.found.confidence == "LOW"


def answered(record: Record, reply: Reply, facility: str, stage: Stage) -> Record:
    """The record after one more reply about its field; values of other facilities are not its own."""
    if reply.unreadable or record.field in reply.unread:
        return replace(record, unreadable=record.unreadable + 1)
    record = replace(
        record,
        asked=record.asked + 1,
        is_elsewhere=record.is_elsewhere or record.field in reply.elsewhere,
        is_absent=record.is_absent or record.field in reply.absent,
    )
    for found in reply.found:
        if found.field == record.field and found.facility in ("", facility):
            record = merged(record, found, stage)
    return record


def merged(record: Record, found: Found, stage: Stage) -> Record:
    """The higher confidence holds; of equals the longer evidence; of equals the earlier.

    What a field begins with counts as LOW without evidence, so such a value is lost.
    """
    current = (WEIGHT["LOW"], 0) if record.found is None else _strength(record.found)
    if _strength(found) > current:
        return taken(record, found, stage)
    return replace(record, outvoted=(*record.outvoted, (found, stage)))


def taken(record: Record, found: Found, stage: Stage) -> Record:
    """The value holds, whatever there was."""
    lost = () if record.found is None else ((record.found, record.stage),)
    return replace(record, found=found, stage=stage, outvoted=record.outvoted + lost)


def _strength(found: Found) -> tuple[float, int]:
    return WEIGHT[found.confidence], len(found.quote)


def value_of(record: Record) -> Value:
    """For the result; other values than the one that holds stand in `others`, each once."""
    if record.found is None:
        others = _others(record, "")
        return Value(record.field, record.status, others=others)
    found = record.found
    return Value(
        record.field,
        "FOUND",
        found.value,
        WEIGHT[found.confidence],
        found.evidence,
        found.quote,
        _others(record, found.value),
    )


def _others(record: Record, value: str) -> tuple[Candidate, ...]:
    kept: dict[str, Candidate] = {}
    for found, stage in record.outvoted:
        if found.value != value:
            candidate = Candidate(found.value, WEIGHT[found.confidence], found.evidence, found.quote, stage)
            kept.setdefault(found.value, candidate)
    return tuple(sorted(kept.values(), key=lambda each: -each.confidence))

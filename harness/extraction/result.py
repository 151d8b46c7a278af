"""What an extraction ends with: facilities and their fields, each with status, evidence and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.extraction.asks import Facility, Passage, Stage
from harness.extraction.company import Company

Status = Literal[
    "FOUND", "NOT_FOUND", "POSSIBLY_PRESENT", "N/A", "EXTRACTION_ERROR", "NOT_EXTRACTED", "CONFLICT"
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that some ask found. `confidence` is a probability where calibrated, else 1.0, 0.6 or 0.3."""

    value: str
    confidence: float
    evidence: Passage | None = None
    quote: str = ""
    stage: Stage = "retrieval"


@dataclass(frozen=True, slots=True)
class Value:
    """One field of one facility. FOUND and CONFLICT have a value; of a conflict the others that were found
    stand in `others`, best first."""

    field: str
    status: Status
    value: str = ""
    confidence: float = 0.0
    evidence: Passage | None = None
    quote: str = ""
    others: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class FacilityResult:
    """One facility: every field of the schema by its key, in the schema's order."""

    facility: Facility
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class StageCost:
    """What a stage took: `calls` without those that repeat one (`asked_again`), tokens with them.

    `shared_prompt_tokens` of the prompts' would have been kept by a prefix cache. `latency_s` sums what the
    engine took for the calls; it is no wall time where calls overlap.
    """

    stage: Stage
    calls: int = 0
    asked_again: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    shared_prompt_tokens: int = 0
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CompanyResult:
    """One company: its facilities, and the cost of each stage in the order in which stages began.

    `notes` are lines for the reader of the report: what was cut, refused, or could not be read.
    """

    company: Company
    facilities: tuple[FacilityResult, ...]
    costs: tuple[StageCost, ...]
    notes: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """Requests, those that repeat one not counted."""
        return sum(cost.calls for cost in self.costs)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return sum(cost.prompt_tokens + cost.completion_tokens for cost in self.costs)

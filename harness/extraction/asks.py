"""What is asked of a reader, and what it says: the seam between the pipelines and the models.

A pipeline decides which passages are shown and which fields are asked for; a reader (`reading/`) turns that
into prompts, has them answered, and finds the evidence in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.extraction.company import Company

Stage = Literal["detection", "retrieval", "section", "verification", "deep", "window"]
Confidence = Literal["HIGH", "MEDIUM", "LOW"]
Provenance = Literal["measured", "modelled"]


@dataclass(frozen=True, slots=True, order=True)
class Passage:
    """Characters `start` to `end` of a company's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Facility:
    """One loan of a company, as it was detected: `amount` and `type` are texts, empty where unknown."""

    name: str
    type: str = ""
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A value of a field that a reader says is in the text.

    `facility` is the name of the facility that it belongs to, empty when the ask named none. `quote` is what
    the reader calls its evidence, `evidence` where that stands in the company's text: None when it does not.
    """

    field: str
    value: str
    facility: str = ""
    quote: str = ""
    evidence: Passage | None = None
    confidence: Confidence = "HIGH"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a reader: find `fields` (keys of the schema) in `passages`, shown in this order.

    In the stage "detection" there are no fields: the facilities themselves are asked for. `facilities` are
    those that the prompt names; none is named when it is empty. `claimed` are the values that a verification
    checks. `output_tokens` is the limit of the answer's length.
    """

    company: Company
    stage: Stage
    fields: tuple[str, ...]
    passages: tuple[Passage, ...]
    facilities: tuple[Facility, ...] = ()
    claimed: tuple[Found, ...] = ()
    output_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one ask.

    `found` are values that are there, `absent` fields said not to apply, `elsewhere` those that the reader
    expects in another place. `unreadable`: no answer could be read even after asking again (`calls` counts
    every request that had an answer, `asked_again` those of them that repeat one); `unread` are the fields
    that nothing readable was about, all of them or, where an ask takes several requests or an answer was
    cut, some: these were not looked for. Tokens are summed over the calls; `shared_prompt_tokens` are those
    that an earlier prompt about the same company began with, which a prefix cache would have kept.
    `latency_s` is what the engine took, 0 for a reader that only pretends to read.
    """

    found: tuple[Found, ...] = ()
    facilities: tuple[Facility, ...] = ()
    absent: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    unreadable: bool = False
    calls: int = 1
    asked_again: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    shared_prompt_tokens: int = 0
    latency_s: float = 0.0
    unread: tuple[str, ...] = ()


class Reader(Protocol):
    """Answers asks. What it costs is counted in its replies, whether they were asked now or kept before."""

    @property
    def name(self) -> str:
        """Who reads, for reports."""
        ...

    @property
    def provenance(self) -> Provenance:
        """Whether its times are measured, or it only pretends to read and its times can only be modelled."""
        ...

    @property
    def context_tokens(self) -> int:
        """Room for prompt and answer together."""
        ...

    def tokens(self, text: str) -> int:
        """How many tokens a text takes."""
        ...

    def calls(self, ask: Ask) -> int:
        """How many requests an ask takes, those that repeat one not counted."""
        ...

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """One reply for each ask, in order. Raises EngineFailure when the engine fails; what was answered is
        kept by the reader's journal."""
        ...

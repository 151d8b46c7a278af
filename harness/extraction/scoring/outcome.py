"""What became of each field of each facility: one outcome for every cell of the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.extraction.asks import Passage
from harness.extraction.company import Company
from harness.extraction.result import Value
from harness.extraction.schema.fields import Field
from harness.extraction.truth import DEAL, TrueValue, Truth
from harness.extraction.values import same

Verdict = Literal["right", "wrong", "missed", "false_fill", "absent"]
"""Of a value that is there: found, another one found, none found. Of one that is not: filled in, left."""

_HAS_VALUE = ("FOUND", "CONFLICT")
_LONGEST_EVIDENCE = 2_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell. `facility` is the true one's name, or of an extra facility the name it was given.

    `mistaken_for` is what a wrong or invented value really is: "superseded", "sister facility", or the kind
    of distractor; empty where nothing tells. `among_others`: the right value was found, and lost a conflict.
    `grounded`: the evidence is a stretch of the text and says what is quoted. `at_gold`: it touches a passage
    from which the true value can be read.
    """

    facility: str
    field: str
    verdict: Verdict
    value: str = ""
    expected: str = ""
    confidence: float = 0.0
    grounded: bool = False
    at_gold: bool = False
    mistaken_for: str = ""
    among_others: bool = False
    is_extra: bool = False

    @property
    def is_filled(self) -> bool:
        """Whether the cell has a value."""
        return self.verdict in ("right", "wrong", "false_fill")

    @property
    def is_present(self) -> bool:
        """Whether it should have one."""
        return self.verdict in ("right", "wrong", "missed")


def true_value(truth: Truth, facility: str, key: str) -> TrueValue | None:
    """A facility's value of a field: its own or else the deal's; None where it is absent."""
    return truth.values.get((facility, key)) or truth.values.get((DEAL, key))


def judge(truth: Truth, company: Company, facility: str, field: Field, value: Value | None) -> Outcome:
    """The outcome of a field of a true facility; `value` is None where no row was found for it."""
    true = true_value(truth, facility, field.key)
    expected = "" if true is None else true.value
    if value is None or not _is_filled(value):
        verdict: Verdict = "absent" if true is None else "missed"
        return Outcome(facility, field.key, verdict, expected=expected)
    is_right = true is not None and _says(field, value.value, true)
    return Outcome(
        facility,
        field.key,
        "false_fill" if true is None else "right" if is_right else "wrong",
        value.value,
        expected,
        value.confidence,
        is_grounded(company, value),
        true is not None and _is_at_gold(value.evidence, true),
        "" if is_right else _mistaken_for(truth, facility, field, value.value),
        not is_right and true is not None and any(_says(field, each.value, true) for each in value.others),
    )


def judge_extra(company: Company, facility: str, field: Field, value: Value | None) -> Outcome:
    """The outcome of a field of a facility that does not exist: whatever it has is invented."""
    if value is None or not _is_filled(value):
        return Outcome(facility, field.key, "absent", is_extra=True)
    return Outcome(
        facility,
        field.key,
        "false_fill",
        value.value,
        confidence=value.confidence,
        grounded=is_grounded(company, value),
        is_extra=True,
    )


def is_grounded(company: Company, value: Value) -> bool:
    """Whether the evidence lies in the text and reads as quoted, blanks aside. Without a quote, whether the
    evidence lies in the text; without evidence nothing is grounded."""
    span = value.evidence
    if span is None or not 0 <= span.start < span.end <= len(company.text):
        return False
    return not value.quote or value.quote.split() == company.text[span.start : span.end].split()


def _is_filled(value: Value) -> bool:
    return value.status in _HAS_VALUE and bool(value.value.strip())


def _says(field: Field, text: str, true: TrueValue) -> bool:
    return any(same(field, text, each) for each in (true.value, *true.renderings))


def _is_at_gold(evidence: Passage | None, true: TrueValue) -> bool:
    """Pages of evidence point at nothing, so they count for nothing."""
    if evidence is None or evidence.end - evidence.start > _LONGEST_EVIDENCE:
        return False
    return any(
        evidence.start < gold.end and gold.start < evidence.end
        for alternative in true.spans
        for gold in alternative
    )


def _mistaken_for(truth: Truth, facility: str, field: Field, text: str) -> str:
    true = true_value(truth, facility, field.key)
    if true is not None and any(same(field, text, each) for each in true.superseded):
        return "superseded"
    if any(_says(field, text, other) for other in _of_sisters(truth, facility, field.key)):
        return "sister facility"
    kinds = () if true is None else true.distractors
    return next((kind for kind, _, value in kinds if same(field, text, value)), "")


def _of_sisters(truth: Truth, facility: str, key: str) -> Iterator[TrueValue]:
    for each in truth.facilities:
        other = truth.values.get((each.name, key))
        if each.name != facility and other is not None:
            yield other

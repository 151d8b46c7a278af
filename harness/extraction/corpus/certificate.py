"""Whether a company can be solved at all: all that is true of it can be read from its text, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from harness.errors import EXIT_FIDELITY, HarnessError
from harness.extraction.asks import Passage
from harness.extraction.corpus.perfect import values_shown
from harness.extraction.corpus.presence import TOLD_BY
from harness.extraction.corpus.truths import AMBIGUOUS
from harness.extraction.schema import FIELDS
from harness.extraction.truth import TrueValue, Truth
from harness.extraction.values import canonical, same

_SHOWN = 5


def certificate(truth: Truth) -> None:
    """Raise HarnessError with the first problems, if there is any; see `problems`."""
    found = problems(truth)
    if found:
        listed = "; ".join(found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise HarnessError(f"not solvable: {listed}{more}", where=truth.company.name, exit_code=EXIT_FIDELITY)


def problems(truth: Truth) -> list[str]:
    """What cannot be solved, a line each.

    Every span of every alternative lies in one document and stands in the text once, or the value is tagged
    "ambiguous"; no alternative stands for two values of one field. Every alternative gives the value: a mark
    in it slices to the value or to one of its renderings, or it is computed from its marks (a share from two
    amounts, a bullet from its date), or it gives a field of the same owner that this one is told by. A
    perfect reader of the full text knows every value and every facility.
    """
    return [*_span_problems(truth), *_value_problems(truth), *_reader_problems(truth)]


def _span_problems(truth: Truth) -> Iterator[str]:
    text = truth.company.text
    counted: dict[Passage, int] = {}
    for (owner, key), value in truth.values.items():
        name = _name(owner, key)
        if not value.spans or not all(value.spans):
            yield f"{name} has no span"
        for span in dict.fromkeys(span for spans in value.spans for span in spans):
            if not 0 <= span.start < span.end <= len(text):
                yield f"{name}: {span} is outside the text"
            elif truth.company.place(span.start, span.end) is None:
                yield f"{name}: {span} is in no document"
            elif AMBIGUOUS not in value.tags:
                counted.setdefault(span, text.count(text[span.start : span.end]))
                if counted[span] != 1:
                    yield f"{name}: {text[span.start : span.end]!r} stands {counted[span]} times"


def _value_problems(truth: Truth) -> Iterator[str]:
    said: dict[tuple[str, tuple[Passage, ...]], str] = {}
    for (owner, key), value in truth.values.items():
        name = _name(owner, key)
        if canonical(FIELDS[key], value.value) != value.value:
            yield f"{name}: {value.value!r} is not canonical"
        for spans in value.spans:
            if said.setdefault((key, spans), value.value) != value.value and AMBIGUOUS not in value.tags:
                yield f"{name}: its passages give another facility another value"
            if not _gives(truth, owner, key, value, spans):
                shown = [truth.company.text[span.start : span.end] for span in spans]
                yield f"{name}: {shown} do not give {value.value!r}"


def _gives(truth: Truth, owner: str, key: str, value: TrueValue, spans: Sequence[Passage]) -> bool:
    text = truth.company.text
    marks = [mark for mark in value.marks if any(s.start <= mark.start and mark.end <= s.end for s in spans)]
    if any(_says(key, value, text[mark.start : mark.end]) for mark in marks):
        return True
    if len(spans) > 1 and computed(key, [text[mark.start : mark.end] for mark in marks]) == value.value:
        return True
    return any(
        spans in other.spans and _gives(truth, owner, each, other, spans)
        for each in TOLD_BY.get(key, ())
        if (other := truth.values.get((owner, each))) is not None and other.value != "No"
    )


def _says(key: str, value: TrueValue, written: str) -> bool:
    """Whether a text is the value; one that is no value of the field has to be one of the renderings."""
    if canonical(FIELDS[key], written) is None:
        return written in value.renderings
    return same(FIELDS[key], written, value.value)


def computed(key: str, written: Sequence[str]) -> str | None:
    """The value of a field from what is written elsewhere: the share that the smaller of two amounts is of
    the other, a bullet on its date. None for anything else."""
    field = FIELDS[key]
    if field.kind == "percent":
        amounts = [canonical(FIELDS["credit_limit"], each) for each in written]
        numbers = sorted(Decimal(each) for each in amounts if each is not None)
        if len(numbers) == 2 and numbers[1] > 0:
            return canonical(field, f"{numbers[0] / numbers[1] * 100:.2f}%")
    if field.kind == "schedule":
        dates = [canonical(FIELDS["maturity_date"], each) for each in written]
        known = [each for each in dates if each is not None]
        return canonical(field, f"{known[0]}: 100%") if len(known) == 1 else None
    return None


def _reader_problems(truth: Truth) -> Iterator[str]:
    everything = [Passage(0, len(truth.company.text))]
    found: Mapping[tuple[str, str], str] = values_shown(truth, everything)
    for (owner, key), value in truth.values.items():
        if found.get((owner, key)) != value.value:
            yield f"{_name(owner, key)} is not found in the full text"
    for facility in truth.facilities:
        if not truth.facility_spans.get(facility.name):
            yield f"facility {facility.name}: nothing tells that it exists"


def _name(owner: str, key: str) -> str:
    return f"{owner or 'deal'} {key}"

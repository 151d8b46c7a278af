"""One company from its text to its result: a generator of waves of asks, which takes their replies.

Within a wave the asks stand in the order in which the documented pipeline asks them one by one, facility by
facility and group by group; none depends on another's answer. So a reader with several places may answer a
wave at once, and calls, prompts and results are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from harness.extraction.asks import Ask, Facility, Found, Reader, Reply, Stage
from harness.extraction.documented.asking import Asking, deep_targets
from harness.extraction.documented.consistency import consistent
from harness.extraction.documented.normalise import normalised
from harness.extraction.documented.patterns import first_pattern
from harness.extraction.documented.records import Record, answered, taken, value_of
from harness.extraction.result import CompanyResult, FacilityResult, StageCost
from harness.extraction.schema.fields import FIELDS
from harness.extraction.schema.groups import Group
from harness.extraction.values import same

Course = Generator[list[Ask], Sequence[Reply], CompanyResult]
DEFAULT_FACILITY = Facility("Facility 1")
"""What the company is said to have when the answer to the detection could not be read."""

_Records = list[dict[str, Record]]
_Wave = Generator[list[Ask], Sequence[Reply], None]
_AsksOf = Callable[[Facility, Group], Sequence[Ask | None]]


@dataclass(frozen=True, slots=True)
class _Due:
    """An ask on its way: for the facility of this number."""

    ask: Ask
    facility: int
    group: Group | None = None


def course(asking: Asking, reader: Reader) -> Course:
    """Yields lists of asks, wants the list of their replies, returns the result. No list is empty."""
    return _Course(asking, reader).run()


class _Course:
    """What is known of every field of every facility so far, and what it took."""

    def __init__(self, asking: Asking, reader: Reader) -> None:
        self._asking = asking
        self._settings = asking.settings
        self._reader = reader
        self._costs: dict[Stage, StageCost] = {}
        self._notes: list[str] = []
        self._facilities: tuple[Facility, ...] = ()
        self._records: _Records = []

    def run(self) -> Course:
        if not any(document.text.strip() for document in self._asking.text.company.documents):
            return self._result("the documents hold no text")
        yield from self._detect()
        if not self._facilities:
            return self._result("detection named no facility, so nothing was extracted")
        complete = yield from self._first_passes()
        yield from self._section_passes(complete)
        if self._settings.verification:
            yield from self._verify()
        yield from self._deep()
        if self._settings.normalisation:
            self._records = [_normalised(records) for records in self._records]
        if self._settings.consistency_rules:
            self._apply_rules()
        return self._result()

    def _detect(self) -> _Wave:
        (reply,) = yield from self._answers([self._asking.detection()])
        self._facilities = (DEFAULT_FACILITY,) if reply.unreadable else reply.facilities
        if reply.unreadable:
            self._notes.append("the answer to the detection could not be read; one facility is assumed")
        self._records = [{key: Record(key) for key in FIELDS} for _ in self._facilities]

    def _first_passes(self) -> Generator[list[Ask], Sequence[Reply], set[tuple[int, str]]]:
        """The pass over retrieved chunks; returns the (facility, group)s that it completed."""
        due = self._asked_of_groups(lambda facility, group: [self._asking.first(facility, group)])
        yield from self._pass(due)
        if not self._settings.early_stop:
            return set()
        return {
            (each.facility, each.group.key)
            for each in due
            if each.group is not None and self._is_complete(each.facility, each.group)
        }

    def _is_complete(self, number: int, group: Group) -> bool:
        """Whether each field of a group has a value of confidence HIGH; one that is absent never has."""
        found = [self._records[number][key].found for key in group.fields]
        return all(each is not None and each.confidence == "HIGH" for each in found)

    def _section_passes(self, complete: set[tuple[int, str]]) -> _Wave:
        due = self._asked_of_groups(self._asking.sections)
        yield from self._pass(
            [each for each in due if each.group and (each.facility, each.group.key) not in complete]
        )

    def _asked_of_groups(self, asks: _AsksOf) -> list[_Due]:
        return [
            _Due(ask, number, group)
            for number, facility in enumerate(self._facilities)
            for group in self._settings.partition
            for ask in asks(facility, group)
            if ask is not None and self._reader.calls(ask) > 0
        ]

    def _pass(self, due: Sequence[_Due]) -> _Wave:
        for each, reply in (yield from self._replies(due)):
            name, records = self._facilities[each.facility].name, self._records[each.facility]
            for key in each.ask.fields:
                records[key] = answered(records[key], reply, name, each.ask.stage)

    def _verify(self) -> _Wave:
        due = []
        for number, facility in enumerate(self._facilities):
            ask = self._asking.verification(facility, self._claims(number))
            if ask is not None and self._reader.calls(ask) > 0:
                due.append(_Due(ask, number))
        for each, reply in (yield from self._replies(due)):
            records = self._records[each.facility]
            for claim in each.ask.claimed:
                records[claim.field] = _verified(records[claim.field], claim, reply)
            if reply.unreadable:
                name = self._facilities[each.facility].name
                self._notes.append(f"the verification of {name} could not be read and changed nothing")

    def _claims(self, number: int) -> list[Found]:
        """All values of a facility, in the schema's order."""
        name = self._facilities[number].name
        found = [record.found for record in self._records[number].values()]
        return [replace(each, facility=name) for each in found if each is not None]

    def _deep(self) -> _Wave:
        if self._settings.deep_fields == 0:
            return
        due = []
        asks: dict[str, Ask] = {}
        for key in FIELDS:
            ask = self._asking.deep(key)
            if ask is not None and self._reader.calls(ask) > 0:
                asks[key] = ask
        for number, records in enumerate(self._records):
            missing = {
                key: record.status == "POSSIBLY_PRESENT"
                for key, record in records.items()
                if record.is_missing
            }
            targets = deep_targets(missing, asks, self._settings.deep_fields)
            due += [_Due(asks[key], number) for key in targets]
        for each, reply in (yield from self._replies(due)):
            (key,) = each.ask.fields
            records = self._records[each.facility]
            records[key] = self._looked_up(records[key], reply, each.ask)

    def _looked_up(self, record: Record, reply: Reply, ask: Ask) -> Record:
        """A value that was found overwrites; of an answer that cannot be read the first pattern is taken."""
        if reply.unreadable or record.field in reply.unread:
            found = first_pattern(FIELDS[record.field], ask)
            record = replace(record, unreadable=record.unreadable + 1)
            return record if found is None else taken(record, found, "deep")
        record = answered(record, replace(reply, found=()), "", "deep")
        own = [found for found in reply.found if found.field == record.field]
        return taken(record, own[0], "deep") if own else record

    def _apply_rules(self) -> None:
        for number, facility in enumerate(self._facilities):
            self._records[number], noted = consistent(self._records[number])
            self._notes += [f"{facility.name}: {note}" for note in noted]

    def _replies(
        self, due: Sequence[_Due]
    ) -> Generator[list[Ask], Sequence[Reply], list[tuple[_Due, Reply]]]:
        if not due:
            return []
        replies = yield from self._answers([each.ask for each in due])
        return list(zip(due, replies, strict=True))

    def _answers(self, asks: list[Ask]) -> Generator[list[Ask], Sequence[Reply], Sequence[Reply]]:
        replies = yield asks
        for ask, reply in zip(asks, replies, strict=True):
            self._costs[ask.stage] = _plus(self._costs.get(ask.stage, StageCost(ask.stage)), reply)
        return replies

    def _result(self, *notes: str) -> CompanyResult:
        results = tuple(
            FacilityResult(facility, {key: value_of(record) for key, record in records.items()})
            for facility, records in zip(self._facilities, self._records, strict=True)
        )
        costs = tuple(self._costs.values())
        return CompanyResult(self._asking.text.company, results, costs, (*notes, *self._notes))


def _verified(record: Record, claim: Found, reply: Reply) -> Record:
    """A value that verification corrects is replaced, and is MEDIUM; one that it confirms or passes over
    stays."""
    for found in reply.found:
        if found.field == record.field and found.facility in ("", claim.facility):
            if same(FIELDS[record.field], found.value, claim.value):
                return record
            return taken(record, replace(found, confidence="MEDIUM"), "verification")
    return record


def _normalised(records: dict[str, Record]) -> dict[str, Record]:
    return {
        key: record
        if record.found is None
        else replace(record, found=replace(record.found, value=normalised(FIELDS[key], record.found.value)))
        for key, record in records.items()
    }


def _plus(cost: StageCost, reply: Reply) -> StageCost:
    return replace(
        cost,
        calls=cost.calls + reply.calls - reply.asked_again,
        asked_again=cost.asked_again + reply.asked_again,
        prompt_tokens=cost.prompt_tokens + reply.prompt_tokens,
        completion_tokens=cost.completion_tokens + reply.completion_tokens,
        shared_prompt_tokens=cost.shared_prompt_tokens + reply.shared_prompt_tokens,
        latency_s=cost.latency_s + reply.latency_s,
    )

"""From what is known of every unit to a company's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.extraction.asks import Facility, Reply, Stage
from harness.extraction.pipeline.calibration import Calibration
from harness.extraction.pipeline.demand import Unit
from harness.extraction.pipeline.evidence import weigh
from harness.extraction.pipeline.search import Known
from harness.extraction.result import FacilityResult, StageCost, Value
from harness.extraction.schema.fields import FIELDS
from harness.extraction.truth import DEAL


def facility_results(
    facilities: Sequence[Facility],
    known: Mapping[Unit, Known],
    calibration: Calibration,
    least: float,
) -> tuple[FacilityResult, ...]:
    """Every field of every facility; a value of the deal is every facility's."""
    values = {unit: value(unit, known[unit], calibration, least) for unit in known}
    results = []
    for facility in facilities:
        row = {}
        for key, field in FIELDS.items():
            unit = Unit(DEAL if field.scope == "deal" else facility.name, key)
            row[key] = values.get(unit, Value(key, "NOT_EXTRACTED"))
        results.append(FacilityResult(facility, row))
    return tuple(results)


def value(unit: Unit, known: Known, calibration: Calibration, least: float = 0.0) -> Value:
    """What holds of one unit.

    Without a value: N/A when most looks said that it does not apply, POSSIBLY_PRESENT when one expects it
    elsewhere or saw one that is less likely than `least` by its raw score, EXTRACTION_ERROR when no look
    could be read, NOT_EXTRACTED when there was none.
    """
    weighed = weigh(FIELDS[unit.field], known.sightings, known.shown, calibration, least)
    if weighed is not None:
        return weighed
    if not known.asked:
        return Value(unit.field, "EXTRACTION_ERROR" if known.unreadable else "NOT_EXTRACTED")
    if known.elsewhere:
        return Value(unit.field, "POSSIBLY_PRESENT")
    return Value(unit.field, "N/A" if 2 * known.absent > known.asked else "NOT_FOUND")


def add_costs(costs: dict[Stage, StageCost], stage: Stage, replies: Sequence[Reply]) -> None:
    """Add what these replies took to a stage."""
    for reply in replies:
        before = costs.get(stage, StageCost(stage))
        costs[stage] = replace(
            before,
            calls=before.calls + reply.calls - reply.asked_again,
            asked_again=before.asked_again + reply.asked_again,
            prompt_tokens=before.prompt_tokens + reply.prompt_tokens,
            completion_tokens=before.completion_tokens + reply.completion_tokens,
            shared_prompt_tokens=before.shared_prompt_tokens + reply.shared_prompt_tokens,
            latency_s=before.latency_s + reply.latency_s,
        )

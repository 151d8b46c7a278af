"""`--plan-only`: calls, tokens and minutes of every company, before anything is asked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from harness.extraction.command import options as choices
from harness.extraction.command.inputs import Inputs
from harness.extraction.command.retrieving import retriever_of
from harness.extraction.documented.plan import plan as plan_documented
from harness.extraction.pipeline.plan import plan as plan_ours
from harness.extraction.reading.reader import ModelReader
from harness.extraction.timing import QUOTED

FACILITIES = 2


def plan_lines(asked: argparse.Namespace, inputs: Inputs, reader: ModelReader) -> Iterator[str]:
    """One line for each company, and what they rest on."""
    assumptions: dict[str, None] = {}
    for company in inputs.companies:
        facilities = (
            len(inputs.truths[company.name].facilities) if company.name in inputs.truths else FACILITIES
        )
        if asked.pipeline == choices.OURS:
            ours = plan_ours(
                company, reader, choices.our_settings(asked), facilities=facilities, seconds=QUOTED.seconds
            )
            assumptions.setdefault(ours.assumption)
            bound = "" if ours.is_exact else "up to "
            minutes = (ours.seconds or 0.0) / 60.0
            tokens = ours.prompt_tokens + ours.completion_tokens
            took = f"{tokens:,} tokens, {minutes:.0f} min (modelled)"
            yield f"{company.name}: {bound}{ours.calls:,} calls, {took}"
        else:
            settings = choices.documented_settings(asked)
            made = plan_documented(
                company, reader, settings, facilities=facilities, retrieve=retriever_of(asked, settings)
            )
            assumptions |= dict.fromkeys(made.assumptions)
            stages = ", ".join(f"{each.calls} {each.stage}" for each in made.stages)
            yield (
                f"{company.name}: {made.calls:,} calls ({stages}), {made.tokens:,} tokens, "
                f"{made.minutes:.0f} min (modelled)"
            )
    yield from (f"assumed: {each}" for each in assumptions)
    yield f"minutes: {QUOTED.origin}"

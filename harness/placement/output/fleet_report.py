"""A fleet of replicas as a JSON document and as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.placement.answers.answer import NoPlanError, no_plan
from harness.placement.answers.question import Question
from harness.placement.exact.front import Front
from harness.placement.fleets.fleet import Fleet
from harness.placement.output import report
from harness.placement.plan import Plan
from harness.placement.problem import Problem
from harness.placement.reasons.relaxation import Relaxation
from harness.render import numbers


def fleet_document(found: Fleet, replicas: Sequence[Plan]) -> report.Document:
    """The figures of the whole fleet, then the plan of each replica on GPUs of its own."""
    return {
        "usd_per_million_tokens": _per_million(found),
        "usd_per_hour": float(f"{found.usd_per_hour:.12g}"),
        "tokens_per_s": found.tokens_per_s,
        "proven_optimal": found.proven,
        "demand_tokens_per_s": found.demand_tokens_per_s,
        "lower_bound_usd_per_hour": found.lower_bound_usd_per_hour,
        "lp_usd_per_hour": found.lp_usd_per_hour,
        "gap": found.gap if math.isfinite(found.gap) else None,
        "pipelines_considered": found.columns,
        "replicas": [report.plan_document(plan) for plan in replicas],
    }


def _per_million(found: Fleet) -> float:
    return found.usd_per_hour / (3600.0 * found.tokens_per_s) * 1e6


def fleet_text(found: Fleet, replicas: Sequence[Plan], heading: str) -> str:
    """Totals, one row per kind of replica, and how far the proof goes."""
    kinds = Counter(report.plan_name(plan) for plan in replicas)
    example = {report.plan_name(plan): plan for plan in replicas}
    rows = [
        (str(count), f"{example[name].usd_per_hour:,.2f}", f"{example[name].tokens_per_s:,.2f}", name)
        for name, count in kinds.items()
    ]
    demand, per_million = found.demand_tokens_per_s, numbers.significant(_per_million(found), 6)
    totals = (
        f"{numbers.several(len(replicas), 'replica')} for {numbers.significant(demand)} tokens/s: "
        f"{per_million} USD per million tokens, {found.usd_per_hour:,.2f} USD/h, "
        f"{found.tokens_per_s:,.2f} tokens/s"
    )
    lines = [
        heading,
        "",
        totals,
        "",
        *report.table_lines(("count", "USD/h each", "tokens/s each", "plan"), rows, left=(3,)),
        "",
        _proof_line(found),
    ]
    return "\n".join(lines) + "\n"


def _proof_line(found: Fleet) -> str:
    bound = f"{found.lower_bound_usd_per_hour:,.2f} USD/h"
    looked = f"{numbers.several(found.columns, 'pipeline')} considered"
    if found.proven:
        return f"proven optimal: no fleet serves this demand for less than {bound}; {looked}"
    gap = "-" if math.isnan(found.gap) else numbers.percent(found.gap)
    return f"NOT proven optimal: every fleet costs {bound} or more, {gap} of the cost are open; {looked}"


def no_fleet(found: Fleet, question: Question, problem: Problem) -> NoPlanError:
    """Why no fleet serves the demand: not even one pipeline, or a pool that is too small."""
    if not found.most_tokens_per_s > 0:
        return no_plan(question, problem, Front((), 0, 0))
    demand, most = found.demand_tokens_per_s, found.most_tokens_per_s
    line = f"the pool serves {numbers.significant(most, 6)} tokens/s at the very most"
    return NoPlanError(f"no fleet serves {demand:g} tokens/s", (Relaxation("demand", demand, most, line),))

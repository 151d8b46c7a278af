"""What the documented methods found, as a JSON document and as text."""

from __future__ import annotations

import math

from harness.placement.answers.answer import Answer
from harness.placement.documented.enumeration import Comparison, dearer
from harness.placement.documented.methods import MethodResult, Solve
from harness.placement.output import report
from harness.render import numbers
from harness.render.escape import clip


def method_document(result: MethodResult) -> report.Document:
    """The best plan at what the model promises for it, then every solve.

    `proven_optimal` is about the cheapest token, which no single solve asks for: `all_solves_proven` says
    whether each solve did what it was asked.
    """
    return {
        **_best_document(result),
        "proven_optimal": False,
        "front": None,
        "method": result.method,
        "all_solves_proven": result.proven,
        "interrupted": result.interrupted,
        "solves": [_solve_document(solve) for solve in result.solves],
        "max_cost_per_token": result.target_usd_per_token,
        "competitive_plans": len(result.competitive),
        "warnings": list(result.warnings),
    }


def _best_document(result: MethodResult) -> report.Document:
    best = result.best
    if best is None or best.plan is None:
        return {"plan": None}
    told = report.plan_document(best.plan)
    return told | {
        "usd_per_million_tokens": _finite(1e6 * best.usd_per_token),
        "tokens_per_s": best.tokens_per_s,
    }


def _solve_document(solve: Solve) -> report.Document:
    return {
        "budget_usd_per_hour": _finite(solve.usd_per_hour),
        "cost_weight": solve.cost_weight,
        "status": solve.status,
        "usd_per_million_tokens": _finite(1e6 * solve.usd_per_token),
        "usd_per_hour": None if solve.plan is None else report.plan_document(solve.plan)["usd_per_hour"],
        "tokens_per_s": _finite(solve.tokens_per_s),
        "objective": _finite(solve.objective),
        "bound": _finite(solve.bound),
        "gap": _finite(solve.gap),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def method_text(result: MethodResult, heading: str) -> str:
    """The best plan, every solve as a row, the warnings."""
    lines = [heading, ""]
    best = result.best
    if best is not None and best.plan is not None:
        lines += [_best_line(result), "", *report.stage_table_lines(best.plan), ""]
    else:
        lines += [f"{result.method}: no plan found", ""]
    lines += solve_lines(result)
    plans = sum(solve.plan is not None for solve in result.solves)
    target = f"{result.target_usd_per_token:.4g} USD per token (max_cost_per_token)"
    lines.append(f"{len(result.competitive)} of {numbers.several(plans, 'plan')} cost at most {target}")
    if result.interrupted:
        lines.append(_interrupted(result.best is not None))
    return "\n".join([*lines, *(f"warning: {warning}" for warning in result.warnings)]) + "\n"


def _best_line(result: MethodResult) -> str:
    best = result.best
    assert best is not None
    assert best.plan is not None
    return (
        f"{result.method}: {numbers.significant(1e6 * best.usd_per_token, 6)} USD per million tokens, "
        f"{best.plan.usd_per_hour:,.2f} USD/h, {best.tokens_per_s:,.2f} tokens/s"
    )


def solve_lines(result: MethodResult) -> list[str]:
    """One row per solve, the best one marked with `*`."""
    rows = [
        (
            "*" if solve is result.best else "", _budget(solve.usd_per_hour),
            f"{solve.cost_weight:g}", solve.status,
            "-" if solve.plan is None else f"{solve.plan.usd_per_hour:,.2f}", _shown(solve.tokens_per_s, 2),
            numbers.significant(1e6 * solve.usd_per_token, 6) if solve.plan else "-",
            "-" if solve.plan is None else clip(report.plan_name(solve.plan), 80),
        )
        for solve in result.solves
    ]  # fmt: skip
    head = ("", "budget", "weight", "status", "USD/h", "tokens/s", "USD/M tokens", "plan")
    return report.table_lines(head, rows, left=(0, 3, 7))


def _interrupted(has_plan: bool) -> str:
    return f"interrupted: {'the best plan so far, NOT proven' if has_plan else 'there was no plan yet'}"


def _budget(usd_per_hour: float) -> str:
    return numbers.significant(usd_per_hour) if math.isfinite(usd_per_hour) else "none"


def _shown(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}" if math.isfinite(value) else "-"


def comparison_document(compared: Comparison, exact: Answer) -> report.Document:
    """Both methods and the exact optimum; gaps are how much dearer a token is."""
    return {
        "weighted": method_document(compared.weighted),
        "enumeration": method_document(compared.enumeration),
        "exact": report.document(exact),
        "weighted_above_enumeration": _finite(compared.gap),
        "weighted_above_exact": _finite(_above(compared.weighted, exact)),
        "enumeration_above_exact": _finite(_above(compared.enumeration, exact)),
    }


def _above(result: MethodResult, exact: Answer) -> float:
    return dearer(result.best.usd_per_token, exact.plan.usd_per_token) if result.best else math.nan


def comparison_text(compared: Comparison, exact: Answer, heading: str) -> str:
    """A row per method, and how far apart the two methods are."""
    rows = []
    for result in (compared.weighted, compared.enumeration):
        best = result.best
        if best is None or best.plan is None:
            rows.append((result.method, str(len(result.solves)), "-", "-", "-", "-", "no plan found"))
            continue
        rows.append((
            result.method, str(len(result.solves)), numbers.significant(1e6 * best.usd_per_token, 6),
            f"{best.plan.usd_per_hour:,.2f}", f"{best.tokens_per_s:,.2f}", _percent(_above(result, exact)),
            clip(report.plan_name(best.plan), 80),
        ))  # fmt: skip
    plan = exact.plan
    rows.append((
        "exact", "-", report.per_million(plan), f"{plan.usd_per_hour:,.2f}", f"{plan.tokens_per_s:,.2f}",
        _percent(0.0), clip(report.plan_name(plan), 80),
    ))  # fmt: skip
    head = ("method", "solves", "USD/M tokens", "USD/h", "tokens/s", "above exact", "plan")
    lines = [heading, "", *report.table_lines(head, rows, left=(0, 6))]
    if math.isfinite(compared.gap):
        same = abs(compared.gap) < 1e-9
        more = f"{_percent(abs(compared.gap))} {'more' if compared.gap > 0 else 'less'} than"
        lines += [
            "",
            f"a token of the weighted method costs {'as much as' if same else more} of the enumeration",
        ]
    if compared.weighted.interrupted or compared.enumeration.interrupted:
        lines += ["", _interrupted(compared.weighted.best is not None)]
    warnings = dict.fromkeys((*compared.weighted.warnings, *compared.enumeration.warnings))
    return "\n".join([*lines, *(f"warning: {warning}" for warning in warnings)]) + "\n"


def _percent(value: float) -> str:
    return "-" if not math.isfinite(value) else "0 %" if abs(value) < 1e-9 else numbers.percent(value)

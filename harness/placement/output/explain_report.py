"""Why a plan is what it is, as a JSON document and as text."""

from __future__ import annotations

import math

from harness.placement.documented.enumeration import dearer
from harness.placement.output import report
from harness.placement.plan import Plan
from harness.placement.reasons.explain import Explanation, Flip, StageLoad, TypeValue
from harness.placement.reasons.what_if import Change
from harness.render import numbers
from harness.render.escape import clip, printable


def explanation_document(found: Explanation) -> report.Document:
    """Bottleneck, what binds, and for each type what its GPUs are worth; None stands for infinite."""
    return {
        "bottleneck": [_load_document(load) for load in found.bottleneck],
        "used_up": list(found.used_up),
        "binding": list(found.binding),
        "stages": {
            "used": found.stages_used,
            "most": found.most_stages,
            "one_more": _change_document(found.one_more_stage),
        },
        "price_ranges_keep": _kept(found),
        "gpu_types": [_type_document(value) for value in found.types],
    }


def _kept(found: Explanation) -> str:
    return "the cheapest token" if found.is_cheapest_token else "the cheapest plan at this throughput"


def _load_document(load: StageLoad) -> report.Document:
    return {
        "gpu_type": load.gpu_type,
        "tp": load.tp,
        "layers": load.layers,
        "count": load.count,
        "tokens_per_s": load.tokens_per_s,
        "busy": load.busy,
    }


def _change_document(change: Change | None) -> report.Document | None:
    if change is None:
        return None
    return {
        "usd_per_million_tokens": _finite(change.usd_per_million_tokens),
        "usd_per_hour": _finite(change.usd_per_hour),
        "leaves_a_plan": math.isfinite(change.usd_per_hour),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _type_document(value: TypeValue) -> report.Document:
    useful = None
    if value.useful is not None:
        gpus, change = value.useful
        useful = {"gpus": gpus} | (_change_document(change) or {})
    return {
        "gpu_type": value.gpu_type,
        "used": value.used,
        "count": value.count,
        "one_more": _change_document(value.one_more),
        "one_fewer": _change_document(value.one_fewer),
        "useful": useful,
        "flips_below": _flip_document(value.low),
        "flips_above": _flip_document(value.high),
        "lost": None if value.lost is None else report.plan_document(value.lost),
    }


def _flip_document(flip: Flip) -> report.Document | None:
    if flip.plan is None:
        return None
    return {"usd_per_hour": _finite(flip.usd_per_hour), "plan": report.plan_document(flip.plan)["plan"]}


def explanation_text(found: Explanation, plan: Plan) -> str:
    """The bottleneck in a sentence, then a row for each GPU type."""
    slowest = ", ".join(_load_name(load) for load in found.bottleneck)
    binding = ", ".join(map(_name, found.binding)) or "nothing, more of any one thing changes nothing"
    used = f"{found.stages_used} of {numbers.several(found.most_stages, 'stage')}"
    if found.one_more_stage.matters:
        used += f", one more: {_change(found.one_more_stage)}"
    lines = [
        f"bottleneck: {slowest}",
        f"binding: {binding}",
        f"used up: {', '.join(map(_name, found.used_up)) or 'no GPU type'}; {used}",
        "",
        *_worth_lines(found),
        "",
        f"one GPU's price at which the plan stops being {_kept(found)}",
        *_flip_lines(found),
        "",
        "without a GPU type, the cheapest token then",
        *_loss_lines(found, plan),
    ]
    return "\n".join(lines) + "\n"


def _load_name(load: StageLoad) -> str:
    times = f"{load.count} x " if load.count > 1 else ""
    return f"{times}{_name(load.gpu_type)} TP{load.tp} with {numbers.several(load.layers, 'layer')}"


def _name(gpu_type: str) -> str:
    return printable(gpu_type, 40)


def _change(change: Change | None) -> str:
    """`-0.0012 USD/M, -0.40 USD/h`; `-` for no change."""
    if change is None or not change.matters:
        return "-"
    if not math.isfinite(change.usd_per_hour):
        return (
            "no plan left" if not math.isfinite(change.usd_per_million_tokens) else "throughput out of reach"
        )
    token = numbers.significant(change.usd_per_million_tokens, 3)
    sign = "+" if change.usd_per_million_tokens > 0 else ""
    return f"{sign}{token} USD/M, {change.usd_per_hour:+,.2f} USD/h"


def _worth_lines(found: Explanation) -> list[str]:
    """Types that the plan uses or that would change something; the others are only counted."""
    head = ("GPU type", "used", "of", "one more", "one fewer", "first useful number more")
    told = [value for value in found.types if value.used or value.useful is not None]
    rows = []
    for value in told:
        useful = "-" if value.useful is None else f"{value.useful[0]}: {_change(value.useful[1])}"
        rows.append((
            _name(value.gpu_type), str(value.used), str(value.count), _change(value.one_more),
            _change(value.one_fewer), useful,
        ))  # fmt: skip
    lines = report.table_lines(head, rows, left=(0, 3, 4, 5))
    others = len(found.types) - len(told)
    if others:
        lines.append(f"{numbers.several(others, 'other type')}: not used, and a few more change nothing")
    return lines


def _flip_lines(found: Explanation) -> list[str]:
    rows = []
    for value in found.types:
        for word, flip in (("below", value.low), ("above", value.high)):
            if flip.plan is not None:
                price = numbers.significant(flip.usd_per_hour, 4)
                rows.append((_name(value.gpu_type), f"{word} {price}", clip(report.plan_name(flip.plan), 80)))
    if not rows:
        return ["at no price of any type"]
    return report.table_lines(("GPU type", "USD/h", "plan then"), rows, left=(0, 1, 2))


def _loss_lines(found: Explanation, plan: Plan) -> list[str]:
    rows = []
    for value in found.types:
        if not value.used:
            continue
        if value.lost is None:
            rows.append((_name(value.gpu_type), "-", "-", "no plan is left"))
            continue
        more = dearer(value.lost.usd_per_token, plan.usd_per_token)
        against = f"{more * 100:+.1f} %" if math.isfinite(more) else "was free"
        rows.append((
            _name(value.gpu_type), report.per_million(value.lost), against,
            clip(report.plan_name(value.lost), 80),
        ))  # fmt: skip
    return report.table_lines(("lost", "USD/M tokens", "against this plan", "plan"), rows, left=(0, 3))

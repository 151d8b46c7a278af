"""An answer as a JSON document and as text."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

from harness.placement.answers.answer import Answer
from harness.placement.answers.question import Question
from harness.placement.exact.certificate import Certificate
from harness.placement.output.deployment import Deployment
from harness.placement.plan import Plan, Stage
from harness.placement.problem import Problem
from harness.render import numbers
from harness.render.escape import clip, printable

Document = dict[str, Any]

_MOST_FRONT_ROWS = 60


def document(found: Answer) -> Document:
    """The answer with its front and proof, for `--json`; the same question gives the same document."""
    return {
        **plan_document(found.plan),
        "proven_optimal": found.proven,
        "gap": found.gap if math.isfinite(found.gap) else None,
        "front": None if found.front is None else [plan_document(plan) for plan in found.plans],
        "candidates": found.candidates,
        "searched": found.searched,
        "certificate": None if found.certificate is None else certificate_document(found.certificate),
        **asked(found.question, found.problem),
    }


def asked(question: Question, problem: Problem) -> Document:
    """What was asked, and where the figures come from."""
    return {
        "goal": question.goal,
        "limits": {
            name: None if value == math.inf else value
            for name, value in dataclasses.asdict(question.limits).items()
        }
        | {"contiguous": question.contiguous},
        "sizes": list(question.sizes),
        "rules": question.rules.name,
        "rates": question.rates.name,
        "provenance": provenance(question),
        "problem": problem_document(problem),
    }


def provenance(question: Question) -> str:
    """`measured` where the rates are, else `modelled`."""
    return "measured" if question.rates.name == "measured" else "modelled"


def plan_document(plan: Plan) -> Document:
    """Figures and stages of one plan."""
    return {
        "usd_per_million_tokens": plan.usd_per_million_tokens,
        "usd_per_hour": float(f"{plan.usd_per_hour:.12g}"),
        "tokens_per_s": plan.tokens_per_s,
        "plan": [
            {
                "gpu_type": stage.gpu_type,
                "tp": stage.tp,
                "gpus": list(stage.gpus),
                "first_layer": stage.first_layer,
                "last_layer": stage.last_layer,
                "layers": stage.layers,
                "tokens_per_s": stage.tokens_per_s,
            }
            for stage in plan.stages
        ],
    }


def certificate_document(certificate: Certificate) -> Document:
    """The plan with the cheapest token and the spans that leave no room for a cheaper one."""
    return {
        "usd_per_million_tokens": certificate.point.usd_per_million_tokens,
        "usd_per_hour": certificate.point.usd_per_hour,
        "tokens_per_s": certificate.point.tokens_per_s,
        "choice": [list(stage) for stage in certificate.point.choice],
        "spans": [dataclasses.asdict(span) for span in certificate.spans],
        "no_plan_from": None if math.isinf(certificate.no_plan_from) else certificate.no_plan_from,
    }


def problem_document(problem: Problem) -> Document:
    """What identifies a problem: its size, and a fingerprint of every figure in it."""
    told = [
        dataclasses.asdict(problem.config),
        [dataclasses.asdict(gpu) for gpu in problem.pool],
        problem.bandwidth_gb_per_s.shape,
    ]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(problem.bandwidth_gb_per_s.astype("<f8").tobytes())
    return {
        "model_name": problem.config.model_name,
        "layers": problem.layers,
        "gpus": problem.gpus,
        "gpu_types": [gpu.name for gpu in problem.pool],
        "sha256": digest.hexdigest(),
    }


def json_text(told: Document) -> str:
    """A document as text, never with NaN in it."""
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def text(found: Answer) -> str:
    """The chosen plan as a table, the proof in a line, the front with the chosen point marked."""
    parts = [heading(found.question, found.problem), "", chosen_line(found.question.goal, found.plan), ""]
    parts += [*stage_table_lines(found.plan), *_held_lines(found), "", proof_line(found)]
    if found.front is not None:
        chosen = found.front.points.index(found.point)
        parts += ["", *front_lines(found.plans, chosen)]
    return "\n".join(parts) + "\n"


def heading(question: Question, problem: Problem) -> str:
    """Model, pool, rules and where the rates come from."""
    model = printable(problem.config.model_name, 60)
    types = sum(gpu.count > 0 for gpu in problem.pool)
    return (
        f"{model}, {numbers.several(problem.layers, 'layer')}, on {numbers.several(problem.gpus, 'GPU')} of "
        f"{numbers.several(types, 'type')}; rules {question.rules.name}, rates {question.rates.name} "
        f"({provenance(question)})"
    )


def chosen_line(goal: str, plan: Plan) -> str:
    """`cheapest token: 0.0986975 USD per million tokens, 3.60 USD/h, 10,131.97 tokens/s`."""
    return (
        f"{goal}: {per_million(plan)} USD per million tokens, {plan.usd_per_hour:,.2f} USD/h, "
        f"{plan.tokens_per_s:,.2f} tokens/s"
    )


def per_million(plan: Plan) -> str:
    """USD per million tokens as text."""
    return numbers.significant(plan.usd_per_million_tokens, 6)


def plan_name(plan: Plan, *, unit: bool = True) -> str:
    """`4 x V100 TP2 (7 layers), V100 TP4 (12 layers)`: equal neighbours together, the unit if wanted."""

    def kind(stage: Stage) -> tuple[str, int, int]:
        return stage.gpu_type, stage.tp, stage.layers

    told = []
    for (gpu_type, tp, layers), stages in itertools.groupby(plan.stages, kind):
        count = len(list(stages))
        times = f"{count} x " if count > 1 else ""
        size = numbers.several(layers, "layer") if unit else f"{layers}"
        told.append(f"{times}{printable(gpu_type, 40)} TP{tp} ({size})")
    return ", ".join(told)


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Aligned columns; those in `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(placed).rstrip()

    return [line(head), *(line(row) for row in rows)]


def stage_table_lines(plan: Plan) -> list[str]:
    """One row per stage; the slowest, which sets the plan's throughput, is marked."""
    slowest = min(stage.tokens_per_s for stage in plan.stages)
    rows = []
    for number, stage in enumerate(plan.stages, start=1):
        gpus = f"{stage.gpus[0]}-{stage.gpus[-1]}" if stage.tp > 1 else f"{stage.gpus[0]}"
        mark = " slowest" if stage.tokens_per_s == slowest else ""
        rows.append((
            str(number), f"{stage.first_layer}-{stage.last_layer}", str(stage.layers),
            printable(stage.gpu_type, 40), str(stage.tp), gpus, f"{stage.tokens_per_s:,.2f}", mark.strip(),
        ))  # fmt: skip
    head = ("stage", "layers", "count", "GPU type", "TP", "GPUs", "tokens/s", "")
    return table_lines(head, rows, left=(3, 7))


def _held_lines(found: Answer) -> list[str]:
    """What a plan makes below its slowest stage, and what holds it there."""
    made, slowest = found.plan.tokens_per_s, min(stage.tokens_per_s for stage in found.plan.stages)
    if made >= slowest * (1 - 1e-12):
        return []
    holder = "the documented big-M" if found.question.rules.big_m_per_type else "a link"
    return [f"{holder} holds the plan below its stages: {made:,.2f} tokens/s"]


def proof_line(found: Answer) -> str:
    """Candidates, searched ones, and the bound that leaves nothing better."""
    line = f"{found.candidates}, {found.searched:,} searched"
    if found.certificate is not None and found.certificate.spans:
        tightest = found.certificate.tightest
        bound = numbers.significant(tightest.usd_per_million_tokens, 6)
        line += (
            f"; no plan has a token for less than {bound} USD per million"
            f" (closest at {tightest.to_tokens_per_s:,.2f} tokens/s)"
        )
    if found.proven:
        return f"proven optimal: {line}"
    known = (
        f"at most {numbers.percent(found.gap)} from the best" if math.isfinite(found.gap) else "gap unknown"
    )
    return f"NOT proven optimal: {known}; {line}"


def front_lines(plans: Sequence[Plan], chosen: int) -> list[str]:
    """The front, the chosen plan marked with `*`; a long one keeps what is around the chosen plan."""
    first = max(0, min(chosen - _MOST_FRONT_ROWS // 2, len(plans) - _MOST_FRONT_ROWS))
    shown = range(first, min(len(plans), first + _MOST_FRONT_ROWS))
    rows = [
        (
            "*" if i == chosen else "", f"{plans[i].usd_per_hour:,.2f}", f"{plans[i].tokens_per_s:,.2f}",
            per_million(plans[i]), clip(plan_name(plans[i]), 100),
        )
        for i in shown
    ]  # fmt: skip
    lines = [f"front: {numbers.several(len(plans), 'plan')} that no other one beats"]
    lines += table_lines(("", "USD/h", "tokens/s", "USD/M tokens", "plan"), rows, left=(0, 4))
    if len(shown) < len(plans):
        lines.append(f"{len(plans) - len(shown):,} more in --json")
    return lines


def deployment_document(deployed: Deployment) -> Document:
    """What to launch, or why nothing can be."""
    return {
        "obstacle": deployed.why or None,
        "usd_per_token_above_answer": (
            deployed.dearer if deployed.plan and math.isfinite(deployed.dearer) else None
        ),
        "launch": None if deployed.launch is None else {
            "tensor_parallel_size": deployed.launch.tp,
            "layer_partition": list(deployed.launch.layer_partition),
            "commands": list(deployed.launch.commands),
            "notes": list(deployed.launch.notes),
        },
        "plan": None if deployed.plan is None else plan_document(deployed.plan),
    }  # fmt: skip


def deployment_text(found: Answer, deployed: Deployment) -> str:
    """A shell script: what the plan is and what it takes for granted as comments, then the commands."""
    notes = [heading(found.question, found.problem)]
    notes.append(f"{chosen_line(found.question.goal, found.plan)}: {plan_name(found.plan)}")
    if deployed.why:
        notes.append(f"one vLLM launch cannot serve this plan: {deployed.why}")
    if deployed.plan is not None and deployed.why:
        notes.append(chosen_line(f"the best that one can serve, {plan_name(deployed.plan)}", deployed.plan))
        notes.append(f"its token costs {_more(deployed.dearer)}")
    script = "" if deployed.launch is None else deployed.launch.text
    return "".join(f"# {note}\n" for note in notes) + script


def _more(share: float) -> str:
    if not math.isfinite(share):
        return "something, the answer's nothing"
    if abs(share) < 1e-9:
        return "nothing more"
    return f"{numbers.percent(abs(share))} {'more' if share > 0 else 'less'}"

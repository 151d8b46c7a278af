"""What `harness place` does with a question: one function for each kind of answer."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import EXIT_DONE, EXIT_INFEASIBLE, EXIT_PARTLY_DONE, HarnessError
from harness.placement.answers.answer import Answer, NoPlanError, answer, no_plan
from harness.placement.answers.question import Question, sizes_of
from harness.placement.command.recheck import check_answer, check_document
from harness.placement.command.result_document import read_document
from harness.placement.documented.audit import audit
from harness.placement.documented.enumeration import compare, enumeration
from harness.placement.documented.methods import Search, weighted
from harness.placement.exact.front import exact_front
from harness.placement.fleets.fleet import Fleet, fleet, lay_out_fleet
from harness.placement.fleets.fleet_ip import Effort
from harness.placement.output import audit_report, explain_report, fleet_report, method_report, report
from harness.placement.output.deployment import deployment
from harness.placement.output.front_plot import Corner, Marks, front_plot
from harness.placement.output.vllm_launch import GPUS_PER_MACHINE
from harness.placement.problem import Problem
from harness.placement.rates import links_may_bind
from harness.placement.reasons.explain import explain
from harness.placement.reasons.relaxation import Relaxation
from harness.placement.segments import CORRECTED, DOCUMENTED
from harness.placement.solver.interruption import Stop, stop_on_interrupt
from harness.placement.stages import stage_table
from harness.render.escape import printable


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in both forms, the exit code, and the front drawn if that was asked for."""

    document: report.Document
    text: str
    code: int = EXIT_DONE
    drawing: str = ""


Mode = Callable[[argparse.Namespace, Question, Problem], Told]


def mode_of(options: argparse.Namespace) -> Mode:
    """The function that answers what these options ask."""
    if options.check not in (None, Path()):
        return _check_file
    if options.compare:
        return _compare
    if options.audit:
        return _audit
    if options.demand is not None:
        return _fleet
    return _exact if options.method == "exact" else _documented_method


def _check_file(options: argparse.Namespace, question: Question, problem: Problem) -> Told:
    checked = check_document(read_document(options.check), question, problem)
    return Told(checked.document(), checked.line + "\n")


def _exact(options: argparse.Namespace, question: Question, problem: Problem) -> Told:
    found = answer(question, problem, ratio_only=options.ratio_only)
    document, text, code = report.document(found), report.text(found), EXIT_DONE
    if options.check is not None:
        checked = check_answer(found)
        document["checked"] = checked.document()
        text += f"\n{checked.line}\n"
    if options.explain:
        explained = explain(problem, found.point, question.rules, question.rates, question.sizes)
        document["explanation"] = explain_report.explanation_document(explained)
        text += "\n" + explain_report.explanation_text(explained, found.plan)
    if options.emit:
        deployed = deployment(found, options.gpus_per_machine or GPUS_PER_MACHINE)
        document["vllm"] = report.deployment_document(deployed)
        text = report.deployment_text(found, deployed)
        code = EXIT_DONE if deployed.launch else EXIT_INFEASIBLE
    return Told(document, text, code, _drawing(found) if options.plot else "")


def _drawing(found: Answer) -> str:
    assert found.front is not None
    corners = [Corner(report.plan_name(p, unit=False), p.usd_per_hour, p.tokens_per_s) for p in found.plans]
    marks = Marks(found.front.points.index(found.point), found.question.budget, found.question.floor)
    title = f"{printable(found.problem.config.model_name, 60)} on {found.problem.gpus:,} GPUs"
    origin = f"{report.provenance(found.question)}, rates {found.question.rates.name}"
    return front_plot(corners, title, origin, marks)


def _documented_method(options: argparse.Namespace, question: Question, problem: Problem) -> Told:
    with stop_on_interrupt() as stop:
        search = _search(options, question, problem, stop)
        if options.method == "weighted":
            result = weighted(search, options.cost_weight)
        else:
            result = enumeration(search)
    if result.best is None and result.proven:
        raise _no_plan_by_milp(question, problem)
    goal = f"method {result.method}"
    document = method_report.method_document(result) | report.asked(question, problem) | {"goal": goal}
    text = method_report.method_text(result, report.heading(question, problem))
    return Told(document, text, EXIT_PARTLY_DONE if result.interrupted or result.best is None else EXIT_DONE)


def _no_plan_by_milp(question: Question, problem: Problem) -> HarnessError:
    """The reason is the exact front's: it holds every plan that the program could have returned."""
    front = exact_front(stage_table(problem, question.rules, question.rates, question.sizes))
    if Question(question.rules, question.rates, question.sizes).choose(front, problem.config) is None:
        return no_plan(question, problem, front)
    return NoPlanError("the documented rules, or the links between the GPUs, leave none", ())


def _compare(options: argparse.Namespace, question: Question, problem: Problem) -> Told:
    best = Question(CORRECTED, question.rates, sizes_of("all", problem, CORRECTED))
    exact = answer(best, problem)
    with stop_on_interrupt() as stop:
        search = _search(options, question, problem, stop)
        compared = compare(search) if options.cost_weight is None else compare(search, options.cost_weight)
    document = report.asked(question, problem) | {"goal": "comparison of methods"}
    text = method_report.comparison_text(compared, exact, report.heading(question, problem))
    both = (compared.weighted, compared.enumeration)
    done = all(not result.interrupted and (result.best is not None or result.proven) for result in both)
    return Told(
        method_report.comparison_document(compared, exact) | document,
        text,
        EXIT_DONE if done else EXIT_PARTLY_DONE,
    )


def _search(options: argparse.Namespace, question: Question, problem: Problem, stop: Stop) -> Search:
    return Search(
        problem, question.rules, question.rates, question.sizes, options.time_limit, options.gap, stop=stop
    )


def _audit(options: argparse.Namespace, question: Question, problem: Problem) -> Told:
    found = audit(problem, question.rates, sizes_of(options.sizes, problem, DOCUMENTED))
    goal, audited = {"goal": "audit of the documented method"}, replace(question, rules=DOCUMENTED)
    document = audit_report.audit_document(found) | report.asked(audited, problem) | goal
    document["sizes"] = list(found.sizes)
    return Told(document, audit_report.audit_text(found, report.heading(audited, problem)))


def _fleet(options: argparse.Namespace, question: Question, problem: Problem) -> Told:
    table = stage_table(problem, question.rules, question.rates, question.sizes)
    if links_may_bind(problem, float(table.tokens_per_s.max(initial=0))):
        raise HarnessError("--demand leaves links out, and some link here may be slower than a stage")
    effort = Effort() if options.time_limit is None else Effort(time_limit_s=options.time_limit)
    found = fleet(table, options.demand, question.limits, effort)
    if found.status == "infeasible":
        raise fleet_report.no_fleet(found, question, problem)
    if found.status == "no plan found":
        raise HarnessError(
            "no fleet was found in time, nor a proof that there is none",
            next_step="raise --time-limit",
            exit_code=EXIT_PARTLY_DONE,
        )
    _require_budget(found, problem)
    replicas = lay_out_fleet(found, table, problem)
    goal = {"goal": f"cheapest fleet for {options.demand:g} tokens/s"}
    document = fleet_report.fleet_document(found, replicas) | report.asked(question, problem) | goal
    return Told(document, fleet_report.fleet_text(found, replicas, report.heading(question, problem)))


def _require_budget(found: Fleet, problem: Problem) -> None:
    """The config's budget holds for a fleet too: NoPlanError, or exit 20 where the proof is not done."""
    budget = problem.config.budget_usd_per_hour * (1 + 1e-12)
    if found.usd_per_hour <= budget:
        return
    what = f"no fleet serves {found.demand_tokens_per_s:g} tokens/s within max_hourly_cost"
    enough = float(f"{found.usd_per_hour:.12g}")
    line = f"max_hourly_cost {problem.config.max_hourly_cost:g} is too little, {enough:g} USD/h are enough"
    if found.lower_bound_usd_per_hour <= budget:
        raise HarnessError(
            f"{what} was found, nor a proof that there is none; {line}",
            next_step="raise --time-limit",
            exit_code=EXIT_PARTLY_DONE,
        )
    raise NoPlanError(what, (Relaxation("max_hourly_cost", problem.config.max_hourly_cost, enough, line),))

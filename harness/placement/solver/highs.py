"""Run HiGHS on a program: with one thread, and unless told to stop, all in the calling thread."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.plan import Status
from harness.placement.solver.interruption import Stop, run_until_stopped
from harness.placement.solver.program import Floats, Program

# HiGHS stops at either gap; the absolute one must not end a search for the exact optimum early.
_ABSOLUTE_GAP = 1e-9

# How long HiGHS may run over its own time limit before its process is ended.
_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What HiGHS found: `values` is one figure per column, or None; NaN where it has no figure."""

    status: Status
    values: Floats | None
    objective: float
    bound: float
    gap: float


def run_highs(
    program: Program,
    *,
    time_limit_s: float = math.inf,
    gap: float = 0.0,
    seed: int = 0,
    most_nodes: int | None = None,
    stop: Stop | None = None,
) -> Outcome:
    """Optimise to the relative `gap`. A solver that breaks down raises HarnessError (exit 21).

    `most_nodes` of the search tree end it at the same place on every machine, unlike a time limit.
    With a `stop` HiGHS runs in a process of its own, which ends with the best so far when `stop` is
    asked, or soon after the time limit where HiGHS overlooks it.
    """
    options: dict[str, Any] = {
        "output_flag": False,
        "threads": 1,
        "random_seed": seed,
        "mip_rel_gap": gap,
        "mip_abs_gap": _ABSOLUTE_GAP,
        "time_limit": time_limit_s,
    }
    if most_nodes is not None:
        options["mip_max_nodes"] = most_nodes
    if stop is None:
        return _run(program, options)

    def search(report: Callable[[Outcome], None]) -> Outcome:
        return _run(program, options, report)

    found = run_until_stopped(search, stop, time_limit_s + _GRACE_S)
    return found or Outcome("no plan found", None, math.nan, math.nan, math.nan)


def _run(
    program: Program, options: dict[str, Any], report: Callable[[Outcome], None] | None = None
) -> Outcome:
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in options.items():
        if highs.setOptionValue(name, value) == highspy.HighsStatus.kError:
            raise HarnessError(f"HiGHS refused {name} = {value}", exit_code=EXIT_INFRASTRUCTURE)
    if highs.passModel(_highs_model(program)) == highspy.HighsStatus.kError:
        raise HarnessError("HiGHS refused the model", exit_code=EXIT_INFRASTRUCTURE)
    if report is not None:
        highs.cbMipImprovingSolution += lambda event: report(_improved(event.data_out))
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kSolveError:
        # seen on small programs: presolve trips over them, the program itself is fine
        highs.clearSolver()
        highs.setOptionValue("presolve", "off")
        highs.run()
    info = highs.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return Outcome(
        status=_status(highs, found),
        values=np.asarray(highs.getSolution().col_value) if found else None,
        objective=float(info.objective_function_value) if found else math.nan,
        bound=_finite(float(info.mip_dual_bound)),
        gap=_finite(float(info.mip_gap)) if found else math.nan,
    )


def _improved(found: Any) -> Outcome:
    """A plan on the way, with the bound of that moment."""
    objective, bound = float(found.objective_function_value), _finite(float(found.mip_dual_bound))
    gap = abs(bound - objective) / abs(objective) if objective else math.nan
    return Outcome("feasible", np.array(found.mip_solution), objective, bound, gap)


def _highs_model(program: Program) -> Any:
    kinds = {True: highspy.HighsVarType.kInteger, False: highspy.HighsVarType.kContinuous}
    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_, _ = program.shape
    lp.sense_ = highspy.ObjSense.kMaximize if program.maximise else highspy.ObjSense.kMinimize
    lp.col_cost_ = program.objective
    lp.col_lower_, lp.col_upper_ = program.column_lower, program.column_upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.integrality_ = [kinds[whole] for whole in program.integer.tolist()]
    matrix = lp.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.num_col_, matrix.num_row_ = lp.num_col_, lp.num_row_
    matrix.start_, matrix.index_, matrix.value_ = program.starts, program.rows, program.values
    return lp


def _status(highs: Any, found: bool) -> Status:
    known, status = highspy.HighsModelStatus, highs.getModelStatus()
    if status == known.kOptimal:
        return "optimal"
    # Our objectives have bounded columns only, so "one of the two" can only mean infeasible.
    if status in (known.kInfeasible, known.kUnboundedOrInfeasible):
        return "infeasible"
    if status in (known.kTimeLimit, known.kInterrupt, known.kSolutionLimit):
        return "feasible" if found else "no plan found"
    raise HarnessError(
        f"HiGHS stopped with {highs.modelStatusToString(status)}", exit_code=EXIT_INFRASTRUCTURE
    )


def _finite(value: float) -> float:
    """HiGHS writes its infinity where it has no figure; NaN is ours."""
    return value if abs(value) < highspy.kHighsInf else math.nan


@dataclass(frozen=True, slots=True)
class LpOutcome:
    """An optimal basis: a figure per column, and per row what one more unit of its bound is worth."""

    values: Floats
    objective: float
    duals: Floats


def run_lp(program: Program) -> LpOutcome | None:
    """The optimum of the relaxation, whole columns or not; None when the rows contradict each other."""
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    model = _highs_model(program)
    model.integrality_ = []
    if highs.passModel(model) == highspy.HighsStatus.kError:
        raise HarnessError("HiGHS refused the model", exit_code=EXIT_INFRASTRUCTURE)
    highs.run()
    if _status(highs, True) == "infeasible":
        return None
    solution = highs.getSolution()
    return LpOutcome(
        values=np.asarray(solution.col_value),
        objective=float(highs.getInfo().objective_function_value),
        duals=np.asarray(solution.row_dual),
    )

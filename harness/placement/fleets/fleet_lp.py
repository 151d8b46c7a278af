"""The fleet as a linear programme over fractions of pipelines, by column generation.

Its duals say what tokens and GPUs are worth; pipelines that make a profit at these prices join. When
there is none left, no fleet costs less than the programme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from harness.placement.exact.limits import Limits, oracle_of, parts
from harness.placement.fleets.pricing import Worth, profitable
from harness.placement.problem import Floats
from harness.placement.solver.highs import LpOutcome, run_lp
from harness.placement.solver.program import Program, Rows
from harness.placement.stages import Choice, StageTable

# GPUs of each type -> tokens/s of the fastest pipeline on them
Columns = dict[tuple[int, ...], float]

# HiGHS keeps a row within 1e-6, so that a demand of this many units is met to 1e-9 of it.
_UNITS = 1e3
_NO_PROFIT = 1e-9


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The programme over fractions of pipelines at its optimum: a bound on every fleet's cost, and its duals.

    `amounts` are those of the columns when it was solved, in their order.
    """

    bound: float
    worth: Worth
    amounts: Floats


def gpus_of(table: StageTable, choice: Choice) -> tuple[int, ...]:
    """GPUs of each type that a choice takes."""
    used = [0] * len(table.gpus)
    for kind, _ in choice:
        used[int(table.type[kind])] += int(table.tp[kind])
    return tuple(used)


def learn(columns: Columns, table: StageTable, choices: Iterable[Choice]) -> bool:
    """Add the pipelines that are new, or faster on their GPUs; whether there were any."""
    grown = False
    for choice in choices:
        gpus, rate = gpus_of(table, choice), table.rate(choice)
        if columns.get(gpus, 0.0) < rate:
            columns[gpus], grown = rate, True
    return grown


def usd_of_columns(table: StageTable, columns: Iterable[tuple[int, ...]]) -> Floats:
    """Cost of each column, in USD/h."""
    prices = table.usd_per_hour.tolist()
    return np.array([
        math.fsum(n * price for n, price in zip(gpus, prices, strict=True)) for gpus in columns
    ])  # fmt: skip


def fleet_program(table: StageTable, columns: Columns, demand: float) -> Program:
    """How many of each column: min usd v, sum min(tokens/s, demand) v >= demand, sum gpus v <= the pool's.

    The first row is the demand in units of a thousandth of it; then one row for each type.
    """
    share = np.minimum(list(columns.values()), demand) * (_UNITS / demand)
    rows = Rows()
    rows.add(rows.block(1, _UNITS, np.inf), np.arange(len(columns)), share)
    return _within_pool(table, columns, rows, usd_of_columns(table, columns))


def capacity_program(table: StageTable, columns: Columns) -> Program:
    """The same for the most tokens/s, at a cost of -1 each, without a demand."""
    return _within_pool(table, columns, Rows(), -np.array(list(columns.values())))


def _within_pool(table: StageTable, columns: Columns, rows: Rows, objective: Floats) -> Program:
    gpus = np.array(list(columns))
    numbers = rows.block(len(table.gpus), -np.inf, table.gpus)
    rows.add(numbers, np.arange(len(columns))[:, None], gpus)
    return rows.program(
        maximise=False,
        objective=objective,
        lower=np.zeros(len(columns)),
        upper=np.full(len(columns), np.inf),
        integer=np.ones(len(columns), dtype=np.bool_),
    )


def _generate(
    table: StageTable,
    limits: Limits,
    columns: Columns,
    program: Callable[[StageTable, Columns], Program],
    worth_of: Callable[[LpOutcome], Worth],
    enough: float = -math.inf,
) -> tuple[LpOutcome, Worth, float] | None:
    """Add columns until none makes a profit, or the cost is down to `enough`; the last is the most profit.

    None when the columns at the start make the program infeasible.
    """
    oracle, tables = oracle_of(limits), parts(table, limits)
    while True:
        outcome = run_lp(program(table, columns))
        if outcome is None:
            return None
        worth = worth_of(outcome)
        little = _NO_PROFIT * abs(outcome.objective)
        for satisfied in (little, math.inf):
            found = [profitable(part, worth, oracle, satisfied) for part in tables]
            learned = [learn(columns, table, choices) for _, choices in found]
            profit = max(best for best, _ in found)
            # Nothing new at some profit: only the rest of the search can tell whether there is more.
            if any(learned) or profit <= little:
                break
        if profit <= little or not any(learned) or outcome.objective <= enough:
            return outcome, worth, profit


def relaxed_capacity(
    table: StageTable, limits: Limits, columns: Columns, enough: float = math.inf
) -> Relaxed:
    """The most tokens/s that fractions of pipelines serve, as a cost: negative.

    It ends early, without being a bound, where the columns serve `enough`.
    """

    def worth_of(outcome: LpOutcome) -> Worth:
        return Worth(np.maximum(-outcome.duals, 0.0), 1.0, math.inf)

    found = _generate(table, limits, columns, capacity_program, worth_of, -enough)
    assert found is not None, "serving nothing is always possible"
    outcome, worth, profit = found
    if -outcome.objective >= enough:
        return Relaxed(outcome.objective, worth, outcome.values)
    bound = -float(worth.usd_per_hour @ table.gpus)
    return Relaxed(bound - _oversight(table, profit), worth, outcome.values)


def relaxed_fleet(table: StageTable, limits: Limits, columns: Columns, demand: float) -> Relaxed | None:
    """The least that fractions of pipelines cost; None when the columns given do not serve the demand."""

    def worth_of(outcome: LpOutcome) -> Worth:
        token = max(0.0, float(outcome.duals[0])) * _UNITS / demand
        return Worth(table.usd_per_hour + np.maximum(-outcome.duals[1:], 0.0), token, demand)

    found = _generate(table, limits, columns, lambda t, c: fleet_program(t, c, demand), worth_of)
    if found is None:
        return None
    outcome, worth, profit = found
    scarce = worth.usd_per_hour - table.usd_per_hour
    bound = worth.usd_per_token_s * demand - float(scarce @ table.gpus)
    return Relaxed(bound - _oversight(table, profit), worth, outcome.values)


def _oversight(table: StageTable, profit: float) -> float:
    """What is left to gain when a pipeline still makes this profit: each takes one GPU at least."""
    return max(profit, 0.0) * int(table.gpus.sum())

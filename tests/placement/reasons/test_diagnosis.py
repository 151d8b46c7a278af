from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.placement.exact.front import exact_front
from harness.placement.exact.limits import Limits
from harness.placement.problem import Problem
from harness.placement.reasons.diagnosis import diagnose
from harness.placement.segments import CORRECTED, DOCUMENTED, Rules
from harness.placement.stages import stage_table


def changed(problem: Problem, counts: dict[str, int] | None = None, **config: float) -> Problem:
    """The problem with other settings, and only these types of its pool where counts are given."""
    pool = problem.pool
    if counts is not None:
        pool = tuple(replace(gpu, count=counts[gpu.name]) for gpu in pool if gpu.name in counts)
    return replace(problem, config=replace(problem.config, **config), pool=pool)  # type: ignore[arg-type]


def found(
    problem: Problem, rules: Rules = CORRECTED, sizes: tuple[int, ...] | None = None
) -> tuple[str, dict[str, tuple[float | None, float | None]]]:
    """The cause, and (now, enough) per constraint."""
    diagnosis = diagnose(problem, rules, sizes=sizes)
    assert diagnosis is not None
    return diagnosis.cause, {r.constraint: (r.now, r.enough) for r in diagnosis.relaxations}


def test_a_feasible_problem_has_no_diagnosis(medium: Problem) -> None:
    assert diagnose(medium) is None
    assert diagnose(medium, limits=Limits(uniform_tp=True)) is None


def test_limits_are_blamed_only_where_the_problem_itself_has_a_plan(medium: Problem) -> None:
    limits = Limits(prefill_s=0.1)
    diagnosis = diagnose(medium, limits=limits)
    assert diagnosis is not None
    assert diagnosis.cause == "no plan keeps to the limits on prefill_s"
    diagnosis = diagnose(changed(medium, {"V100": 4}), limits=limits)
    assert diagnosis is not None
    assert diagnosis.cause.startswith("GPUs")


def test_memory(medium: Problem) -> None:
    cause, ways = found(changed(medium, batch_size=4096))
    assert cause == "memory: no GPUs of any type hold even one layer at batch size 4096"
    assert ways == {"batch_size": (4096, 466)}


@pytest.mark.parametrize(
    ("constraint", "now", "enough"), [("min_layers_per_stage", 8, 6), ("min_memory_utilization", 0.99, 0.86)]
)
def test_layer_floor(medium: Problem, constraint: str, now: float, enough: float) -> None:
    one_each = {"A100": 1, "L20": 1, "A10": 1}
    cause, ways = found(changed(medium, one_each, num_decoder_layers=20, **{constraint: now}))
    assert cause.startswith("layer floor: min_layers_per_stage = ")
    assert ways[constraint] == (now, enough)


def test_stages(medium: Problem) -> None:
    cause, ways = found(changed(medium, {"T4": 20}, max_pipeline_stages=1))
    assert cause == "stages: 1 stages of at most 30 layers hold 30 of 40 layers"
    assert ways == {"max_pipeline_stages": (1, 2)}


@pytest.mark.parametrize(
    ("rules", "v100", "t4"),
    [(CORRECTED, 6, 12), (DOCUMENTED, 8, 16)],
    ids=["corrected", "TP divides the count"],
)
def test_gpus(medium: Problem, rules: Rules, v100: int, t4: int) -> None:
    cause, ways = found(changed(medium, {"V100": 3, "T4": 4}), rules)
    assert cause == "GPUs: too few in all, or of the types that 40 layers need"
    assert ways == {"count of V100": (3, v100), "count of T4": (4, t4)}


def test_layer_sizes(medium: Problem) -> None:
    cause, ways = found(medium, sizes=(7,))
    assert cause == "layer sizes: the sizes that stages may have do not add up to 40 layers"
    assert ways == {"segment_sizes": (None, None)}


def test_constraints_that_must_be_relaxed_together(medium: Problem) -> None:
    _, ways = found(changed(medium, {"T4": 2}, max_pipeline_stages=1))
    assert ways == {"max_pipeline_stages and count": (None, None)}


def test_nothing_helps(tiny: Problem) -> None:
    hopeless = replace(tiny, pool=tuple(replace(gpu, memory_gb=1e-3) for gpu in tiny.pool))
    diagnosis = diagnose(hopeless)
    assert diagnosis is not None
    assert diagnosis.cause.startswith("memory")
    assert diagnosis.relaxations == ()


def relaxed(problem: Problem, constraint: str, value: float) -> Problem:
    if constraint.startswith("count of "):
        counts = {gpu.name: gpu.count for gpu in problem.pool}
        return changed(problem, {**counts, constraint.removeprefix("count of "): int(value)})
    return changed(problem, **{constraint: value})


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rules=st.sampled_from([CORRECTED, DOCUMENTED]))
def test_relaxations_give_a_plan_and_are_the_nearest(
    small_problems: st.SearchStrategy[Problem], data: st.DataObject, rules: Rules
) -> None:
    problem = data.draw(small_problems)
    diagnosis = diagnose(problem, rules)
    assert (diagnosis is None) == bool(exact_front(stage_table(problem, rules)).points)
    for way in diagnosis.relaxations if diagnosis else ():
        if way.enough is None or way.now is None:
            continue
        assert stage_table_has_plan(relaxed(problem, way.constraint, way.enough), rules)
        step = 0.01 if way.constraint == "min_memory_utilization" else 1
        between = way.enough + (step if way.now > way.enough else -step)
        if min(way.now, way.enough) < between < max(way.now, way.enough) - 1e-9:
            assert not stage_table_has_plan(relaxed(problem, way.constraint, between), rules)


def stage_table_has_plan(problem: Problem, rules: Rules) -> bool:
    return bool(exact_front(stage_table(problem, rules)).points)

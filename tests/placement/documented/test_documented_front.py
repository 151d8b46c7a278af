from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.documented.documented_front import documented_front, documented_plan, path_through
from harness.placement.documented.linked import build_linked
from harness.placement.documented.milp import Goal, solve
from harness.placement.exact.front import exact_front
from harness.placement.plan import Plan, verify_plan
from harness.placement.problem import Config, Floats, GpuSpec, GpuType, Problem
from harness.placement.rates import DOCUMENTED_RATES, GPU_SPECS, stage_memory_gb, stage_rates
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    Rules,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)
from harness.placement.stages import stage_table

FLAGS = (
    "tp_divides_count",
    "type_blind_gpu_ids",
    "filter_slow_links",
    "big_m_per_type",
    "one_layer_always_fits",
)
COARSE, FINE, ALL = coarse_sizes(40), fine_sizes(40), all_sizes(40)


@pytest.mark.parametrize("sizes", [COARSE, FINE, ALL], ids=["6 sizes", "14 sizes", "all sizes"])
def test_the_cheapest_token_of_the_medium_pool(medium: Problem, sizes: tuple[int, ...]) -> None:
    """No granularity helps: the defects bind, not the sizes."""
    best = documented_front(medium, sizes).cheapest_token()
    assert best is not None
    assert best.usd_per_million_tokens == pytest.approx(0.105747, abs=5e-7)
    plan = documented_plan(best.choice, medium, sizes)
    assert [(stage.gpu_type, stage.tp, stage.layers) for stage in plan.stages] == [("V100", 4, 20)] * 2
    assert verify_plan(plan, medium, DOCUMENTED) == ()


def test_a_degree_that_was_not_measured_caps_nothing(tiny: Problem) -> None:
    """Rates of one GPU alone: the program and its front have the same plan, not none."""

    def alone(config: Config, gpu: GpuType, tp: int) -> Floats:
        return DOCUMENTED_RATES.tokens_per_s(config, gpu, tp) * (tp == 1)

    rates = replace(DOCUMENTED_RATES, tokens_per_s=alone)
    fastest = documented_front(tiny, (1, 2), DOCUMENTED, rates).points[-1]
    segments = enumerate_segments(tiny, (1, 2), DOCUMENTED, rates)
    solution = solve(build_linked(segments, tiny, DOCUMENTED, Goal(), rates))
    assert solution.objective == pytest.approx(fastest.tokens_per_s)


@pytest.mark.parametrize(
    ("budget", "tokens_per_s", "usd_per_hour"),
    [
        (1.9, None, None),
        (2.0, 2901.4, 2.0),
        (2.4, 6304.3, 2.4),
        (3.0, 6304.3, 2.4),
        (4.0, 8344.650268554688, 4.0),
        (6.0, 9536.7, 5.8),
        (12.0, 9536.7, 5.8),
    ],
)
def test_the_budgets_that_the_program_was_solved_for(
    medium: Problem, budget: float, tokens_per_s: float | None, usd_per_hour: float | None
) -> None:
    point = documented_front(medium, COARSE).fastest_within(budget)
    if tokens_per_s is None:
        assert point is None
        return
    assert point is not None
    assert point.tokens_per_s == pytest.approx(tokens_per_s, abs=0.05)
    assert point.usd_per_hour == pytest.approx(usd_per_hour)


def test_the_cap_to_the_last_digit(medium: Problem) -> None:
    """What the program believes of its plan at $4, and what the plan's stage really reaches."""
    point = documented_front(medium, COARSE).fastest_within(4.0)
    assert point is not None
    assert point.tokens_per_s == 8344.650268554688
    assert point.usd_per_million_tokens == pytest.approx(0.13315250793650794, rel=1e-12)
    assert documented_plan(point.choice, medium, COARSE).tokens_per_s == pytest.approx(8583.07, abs=0.005)


def test_without_any_defect_it_is_the_exact_front(medium: Problem) -> None:
    corrected = documented_front(medium, ALL, CORRECTED)
    assert corrected.points == exact_front(stage_table(medium)).points
    best = corrected.cheapest_token()
    assert best is not None
    plan = documented_plan(best.choice, medium, ALL, CORRECTED)
    assert verify_plan(plan, medium, CORRECTED) == ()


def test_free_groups_are_refused_next_to_another_defect(medium: Problem) -> None:
    with pytest.raises(HarnessError, match="in no order"):
        documented_front(medium, COARSE, replace(DOCUMENTED, ordered_groups=False))


def test_links_that_could_bind_are_refused(medium: Problem) -> None:
    slow = replace(medium, bandwidth_gb_per_s=np.full((64, 64), 0.5))
    with pytest.raises(HarnessError, match="may limit the fastest stage"):
        documented_front(slow, COARSE)


def test_a_pool_too_large_to_enumerate_is_refused(medium: Problem) -> None:
    types = tuple(
        replace(gpu, name=f"{gpu.name}-{i}", spec=GPU_SPECS[gpu.name])
        for i in range(5)
        for gpu in medium.pool
    )
    problem = replace(medium, pool=types, bandwidth_gb_per_s=np.full((len(types), len(types)), 600.0))
    with pytest.raises(HarnessError, match="too large to enumerate"):
        documented_front(problem, COARSE)


def test_a_pool_that_holds_nothing(tiny: Problem) -> None:
    problem = replace(tiny, pool=tuple(replace(gpu, memory_gb=1.0) for gpu in tiny.pool))
    rules = replace(DOCUMENTED, one_layer_always_fits=False)
    assert documented_front(problem, all_sizes(4), rules).points == ()


def test_stages_in_no_possible_order_have_no_plan(medium: Problem) -> None:
    """One group of each of two types: both hold their type's GPU 0, which the rules take for the same."""
    table = stage_table(medium, DOCUMENTED, sizes=ALL)
    kinds = [int(np.flatnonzero((table.type == g) & (table.tp == 4))[0]) for g in (0, 1)]
    with pytest.raises(HarnessError, match="cannot be put in an order"):
        documented_plan(((kinds[0], 20), (kinds[1], 20)), medium, ALL)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 5), st.data())
def test_a_path_is_found_where_a_permutation_is_one(nodes: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=nodes * nodes, max_size=nodes * nodes))
    allowed = np.array(bits, dtype=np.bool_).reshape(nodes, nodes)
    paths = [
        order
        for order in itertools.permutations(range(nodes))
        if order and all(allowed[a, b] for a, b in itertools.pairwise(order))
    ]
    assert path_through(allowed) == (paths[0] if paths else None)


def _problem(data: st.DataObject, strategy: st.SearchStrategy[Problem]) -> Problem:
    """At most 3 stages, very unequal GPUs, and links of different bandwidth, all fast."""
    drawn = data.draw(strategy)
    gpus = len(drawn.bandwidth_gb_per_s)
    links = np.random.default_rng(data.draw(st.integers(0, 99))).integers(1, 4, (gpus, gpus)) * 1e6
    config = replace(drawn.config, max_pipeline_stages=min(3, drawn.config.max_pipeline_stages))
    pool = tuple(
        replace(
            gpu, count=min(gpu.count, 4), spec=GpuSpec(data.draw(st.sampled_from([4, 40, 400])), 2000, 0.5)
        )
        for gpu in drawn.pool
    )
    gpus = sum(gpu.count for gpu in pool)
    return Problem(config, pool, links[:gpus, :gpus])


def _rules(data: st.DataObject) -> Rules:
    """The documented ones with some switched off."""
    off = data.draw(st.sets(st.sampled_from(FLAGS), max_size=3))
    return replace(DOCUMENTED, **dict.fromkeys(off, False))


def _literal_sizes(problem: Problem, gpu: GpuType, tp: int, sizes: set[int], rules: Rules) -> list[int]:
    config = problem.config
    used = {n: stage_memory_gb(config, tp)[n - 1] for n in range(1, problem.layers + 1)}
    filled = [n for n, memory in used.items() if memory >= config.min_memory_utilization * gpu.memory_gb]
    fewest = min(filled, default=problem.layers)
    return [
        n
        for n in sorted(sizes)
        if n >= config.min_layers_per_stage
        and (
            (used[n] <= gpu.memory_gb and n >= fewest)
            or (rules.one_layer_always_fits and n == 1 and used[1] > gpu.memory_gb)
        )
    ]


Segment = tuple[int, int, int, int, int]  # type, tp, group, first layer, layers


def _literal(problem: Problem, sizes: set[int], rules: Rules) -> Iterator[tuple[float, float]]:
    """(t, USD/h) of every ordered plan that the documented rows allow, written down row by row."""
    config, pool, layers = problem.config, problem.pool, problem.layers
    segments: list[Segment] = [
        (index, tp, group, start, n)
        for index, gpu in enumerate(pool)
        for tp in (1, 2, 4, 8)
        if tp <= gpu.count and not (rules.tp_divides_count and gpu.count % tp)
        for n in _literal_sizes(problem, gpu, tp, sizes, rules)
        for group in range(gpu.count // tp)
        for start in range(1, layers - n + 2)
    ]

    def gpus(segment: Segment, blind: bool) -> set[int]:
        index, tp, group, *_ = segment
        first = group * tp + (0 if blind else sum(gpu.count for gpu in pool[:index]))
        return set(range(first, first + tp))

    def link(one: Segment, other: Segment) -> float:
        matrix = problem.bandwidth_gb_per_s
        return min(float(matrix[a, b]) for a in gpus(one, False) for b in gpus(other, False))

    blind = rules.type_blind_gpu_ids
    connections = {
        (one, other): link(one, other)
        for one in segments
        for other in segments
        if one[3] + one[4] == other[3] and not gpus(one, blind) & gpus(other, blind)
    }
    if connections and rules.filter_slow_links:
        limit = float(np.percentile(list(connections.values()), 10))
        connections = {pair: value for pair, value in connections.items() if value >= limit}
    following: dict[Segment | None, list[Segment]] = {None: [s for s in segments if s[3] == 1]}
    for one, other in connections:
        following.setdefault(one, []).append(other)
    groups = {segment[:3] for segment in segments}
    present = sorted({segment[4] for segment in segments})

    def cap(index: int) -> float:
        gpu = pool[index]
        tp = max(degree for degree in (1, 2, 4, 8) if degree <= gpu.count)
        every = set(range(1, layers + 1))
        fitting = [n for n in every if stage_memory_gb(config, tp)[n - 1] <= gpu.memory_gb]
        floor = config.min_memory_utilization * gpu.memory_gb
        fewest = min((n for n in every if stage_memory_gb(config, tp)[n - 1] >= floor), default=layers)
        usable = [n for n in present if n in fitting and n >= (fewest if fitting else 1)]
        return 3 * stage_rates(config, gpu, tp)[max(usable or present)]

    def extend(path: list[Segment]) -> Iterator[tuple[float, float]]:
        if path and path[-1][3] + path[-1][4] == layers + 1:
            used = {segment[:3] for segment in path}
            in_order = all((i, tp, g - 1) in used for i, tp, g in used if g)
            if in_order:
                t = min(stage_rates(config, pool[i], tp)[n] for i, tp, _, _, n in path)
                if rules.big_m_per_type:
                    t = min([t, *(cap(i) for i in {i for i, _, _ in groups - used})])
                yield t, sum(pool[i].usd_per_hour * tp for i, tp, *_ in path)
            return
        if len(path) == config.max_pipeline_stages:
            return
        taken = set().union(*(gpus(segment, False) for segment in path))
        for segment in following.get(path[-1] if path else None, []):
            if not taken & gpus(segment, False):
                yield from extend([*path, segment])

    return extend([])


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_the_front_is_that_of_the_rules_taken_literally(
    small_problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem, rules = _problem(data, small_problems), _rules(data)
    sizes = data.draw(st.sets(st.integers(1, problem.layers), min_size=1))
    best = -math.inf
    expected = []
    for t, usd in sorted(_literal(problem, sizes, rules), key=lambda plan: (round(plan[1], 9), -plan[0])):
        if t > best:
            best = t
            expected.append((pytest.approx(t), pytest.approx(usd)))
    front = documented_front(problem, sizes, rules)
    assert [(point.tokens_per_s, point.usd_per_hour) for point in front.points] == expected
    for point in front.points:
        plan = documented_plan(point.choice, problem, sizes, rules)
        assert plan.tokens_per_s >= point.tokens_per_s
        assert plan.usd_per_hour == pytest.approx(point.usd_per_hour)
        assert _faults(plan, problem, rules) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_order_of_the_pool_and_the_names_do_not_matter(
    small_problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem, rules = _problem(data, small_problems), _rules(data)
    problem = replace(problem, bandwidth_gb_per_s=np.full_like(problem.bandwidth_gb_per_s, 1e6))
    order = data.draw(st.permutations(range(len(problem.pool))))
    pool = tuple(replace(problem.pool[index], name=f"renamed {index}") for index in order)
    sizes = all_sizes(problem.layers)

    def told(any_problem: Problem) -> list[tuple[float, float, list[tuple[float, int, int]]]]:
        table = stage_table(any_problem, rules, sizes=sizes)
        return [
            (
                point.tokens_per_s,
                point.usd_per_hour,
                sorted(
                    (float(table.usd_per_hour[table.type[kind]]), int(table.tp[kind]), layers)
                    for kind, layers in point.choice
                ),
            )
            for point in documented_front(any_problem, sizes, rules).points
        ]

    assert told(replace(problem, pool=pool)) == told(problem)


def _faults(plan: Plan, problem: Problem, rules: Rules) -> list[str]:
    """Without those of a layer that is placed although it does not fit."""
    faults = verify_plan(plan, problem, rules)
    return [fault for fault in faults if "1 layers do not fit" not in fault]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_program_with_connections_returns_the_same(
    small_problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem, rules = _problem(data, small_problems), _rules(data)
    sizes = tuple(sorted(data.draw(st.sets(st.integers(1, problem.layers), min_size=1))))
    goal = Goal(
        data.draw(st.sampled_from([1.1, 3.1, 6.1, math.inf])), data.draw(st.sampled_from([0.0, 50.0]))
    )
    front = documented_front(problem, sizes, rules)
    values = [
        point.tokens_per_s - goal.tokens_per_s_per_usd * point.usd_per_hour
        for point in front.points
        if point.usd_per_hour <= goal.usd_per_hour
    ]
    segments = enumerate_segments(problem, sizes, rules)
    found = solve(build_linked(segments, problem, rules, goal))
    assert found.status == ("optimal" if values else "infeasible")
    if values:
        assert found.objective == pytest.approx(max(values), rel=1e-5)

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.placement.documented.linked import build, build_linked, needs_links
from harness.placement.documented.milp import Goal, Milp, build_model, solve
from harness.placement.plan import verify_plan
from harness.placement.problem import Config, GpuType, Problem
from harness.placement.rates import layer_range, link_rate, stage_rates
from harness.placement.segments import (
    CORRECTED,
    DOCUMENTED,
    Rules,
    all_sizes,
    coarse_sizes,
    enumerate_segments,
    fine_sizes,
)


@pytest.mark.parametrize(
    ("sizes", "rules", "columns", "rows", "nonzeros"),
    [
        pytest.param(coarse_sizes(40), DOCUMENTED, 259_768, 647_117, 1_845_145, id="6 sizes"),
        pytest.param(fine_sizes(40), DOCUMENTED, 676_677, 1_687_525, 4_793_743, id="14 sizes"),
        pytest.param(coarse_sizes(40), CORRECTED, 318_904, 794_899, 2_258_981, id="6 sizes, corrected"),
        pytest.param(fine_sizes(40), CORRECTED, 851_505, 2_124_537, 6_017_423, id="14 sizes, corrected"),
    ],
)
def test_the_reference_models_counts(
    medium: Problem, sizes: tuple[int, ...], rules: Rules, columns: int, rows: int, nonzeros: int
) -> None:
    """The reference says "each GPU in one segment" over x; over z, equal to sums of x, it takes less."""
    segments = enumerate_segments(medium, sizes, DOCUMENTED)
    found = build_linked(segments, medium, rules, Goal(usd_per_hour=4.0)).program.shape
    _, first = np.unique(segments[["type", "tp", "group"]], return_index=True)
    spared = int(segments["tp"].sum() - segments["tp"][first].sum())
    assert found == (columns, rows, nonzeros - spared)


def test_the_form_follows_from_rules_and_links(medium: Problem) -> None:
    segments = enumerate_segments(medium, coarse_sizes(40), CORRECTED)
    slow = replace(medium, bandwidth_gb_per_s=np.full((64, 64), 0.5))
    assert not needs_links(segments, medium, CORRECTED)
    assert needs_links(segments, slow, CORRECTED)
    assert needs_links(segments, medium, DOCUMENTED)
    goal = Goal(usd_per_hour=3.6)
    small = build_model(segments, medium, CORRECTED, goal).program.shape
    assert build(segments, medium, CORRECTED, goal).program.shape == small
    assert build(segments, slow, CORRECTED, goal).program.shape[0] > 100 * small[0]


def test_too_many_connections_are_refused_before_they_are_made(medium: Problem) -> None:
    """3,500 GPUs of five types and every size: 10^9 pairs and more."""
    pool = tuple(replace(gpu, count=700) for gpu in medium.pool)
    large = replace(medium, pool=pool, bandwidth_gb_per_s=np.full((5, 5), 600.0))
    segments = enumerate_segments(large, all_sizes(40), DOCUMENTED)
    with pytest.raises(HarnessError, match=r"pairs of segments could be connected .* the exact method"):
        build_linked(segments, large, DOCUMENTED, Goal())


def test_a_slow_link_is_gone_around(tiny: Problem) -> None:
    """Two A100 would do, but not over 1 token/s: one of them and both T4 do."""
    links = np.full((4, 4), 600.0)
    links[0, 1] = links[1, 0] = 1.0 / link_rate(tiny.config, 1.0)
    problem = replace(tiny, bandwidth_gb_per_s=links)
    segments = enumerate_segments(problem, (1, 2), CORRECTED)
    single = segments[segments["tp"] == 1]
    near = solve(build_linked(single, tiny, CORRECTED, Goal())).require()
    assert [stage.gpu_type for stage in near.stages] == ["A100", "A100"]
    plan = solve(build_linked(single, problem, CORRECTED, Goal())).require()
    assert sorted(stage.gpu_type for stage in plan.stages) == ["A100", "T4", "T4"]
    assert plan.tokens_per_s == pytest.approx(238_419, abs=1)
    assert verify_plan(plan, problem, CORRECTED) == ()


def test_segments_without_connections(tiny: Problem) -> None:
    """One stage is all there can be: its rows have no e, and the plan needs none."""
    segments = enumerate_segments(tiny, (4,), CORRECTED)
    milp = build_linked(segments, tiny, CORRECTED, Goal())
    assert milp.program.shape[0] == build_model(segments, tiny, CORRECTED, Goal()).program.shape[0]
    assert len(solve(milp).require().stages) == 1


def test_neighbours_that_no_connection_allows(tiny: Problem) -> None:
    """Under type-blind numbers A100 0 and T4 0 are one GPU: with one of each there is no pair left."""
    pool = tuple(replace(gpu, count=1) for gpu in tiny.pool)
    config = replace(tiny.config, num_decoder_layers=3)
    problem = replace(tiny, config=config, pool=pool, bandwidth_gb_per_s=np.full((2, 2), 600.0))
    segments = enumerate_segments(problem, (1, 2), DOCUMENTED)
    assert solve(build_linked(segments, problem, DOCUMENTED, Goal())).status == "infeasible"
    typed = replace(DOCUMENTED, type_blind_gpu_ids=False)
    assert len(solve(build_linked(segments, problem, typed, Goal())).require().stages) == 2


@dataclass(frozen=True)
class Case:
    problem: Problem
    sizes: tuple[int, ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to 2 types with 5 GPUs in all, 2 to 4 layers; links from far too slow to far too fast."""
    layers = draw(st.integers(2, 4))
    config = Config(
        model_name="random",
        sequence_length=256,
        batch_size=1,
        num_decoder_layers=layers,
        d_model=512,
        layer_weight_memory_gb=1.0,
        bytes_per_element=2,
        max_pipeline_stages=draw(st.integers(1, 4)),
        min_layers_per_stage=1,
        min_memory_utilization=0.0,
    )
    counts = draw(st.sampled_from([(1,), (3,), (4,), (1, 1), (2, 1), (2, 2), (1, 3), (2, 3)]))
    pool = tuple(
        GpuType(name, count, draw(st.integers(1, 5)), draw(st.integers(1, 9)) / 4)
        for name, count in zip(("A100", "T4"), counts, strict=False)
    )
    typical = stage_rates(config, pool[0], 1)[1] / link_rate(config, 1.0)
    speeds = st.sampled_from([0.1, 0.4, 0.9, 1.7, 8.0])
    gpus = sum(counts)
    factors = draw(st.lists(speeds, min_size=gpus * gpus, max_size=gpus * gpus))
    sizes = draw(st.sets(st.integers(1, layers), min_size=1))
    matrix = typical * np.array(factors).reshape(gpus, gpus)
    return Case(Problem(config, pool, matrix), tuple(sorted(sizes)))


# first GPU, TP, first layer, number of layers, tokens/s, index of the type
Block = tuple[int, int, int, int, float, int]


def every_ordered_plan(case: Case, rules: Rules) -> Iterator[tuple[Block, ...]]:
    """Every sequence of stages on disjoint blocks of GPUs, by recursion, sharing no code with the solver."""
    problem, config = case.problem, case.problem.config
    kinds = [
        (problem.first_gpus[index] + tp * group, tp, size, stage_rates(config, gpu, tp)[size], index)
        for index, gpu in enumerate(problem.pool)
        for tp in (1, 2, 4, 8)
        for group in range(gpu.count // tp)
        for size in case.sizes
        if not (rules.tp_divides_count and gpu.count % tp)
        and layer_range(config, gpu, tp)[0] <= size
        and size <= max(layer_range(config, gpu, tp)[1], rules.one_layer_always_fits)
    ]

    def extend(stages: tuple[Block, ...], layer: int) -> Iterator[tuple[Block, ...]]:
        if layer > problem.layers:
            yield stages
        elif len(stages) < config.max_pipeline_stages:
            used = {gpu for stage in stages for gpu in range(stage[0], stage[0] + stage[1])}
            for first, tp, size, rate, index in kinds:
                if layer + size - 1 <= problem.layers and not used & set(range(first, first + tp)):
                    yield from extend((*stages, (first, tp, layer, size, rate, index)), layer + size)

    yield from extend((), 1)


def carried(problem: Problem, here: Block, there: Block) -> float:
    """Tokens/s from one stage to the next."""
    matrix = problem.bandwidth_gb_per_s
    parts = [matrix[here[0], there[0]]]
    for first, tp, *_ in (here, there):
        block = range(first, first + tp)
        parts += [matrix[a, b] * (tp - 1) / tp for a, b in itertools.permutations(block, 2)]
    return float(min(parts)) * 2**30 / (problem.config.d_model * problem.config.bytes_per_element)


def cost(problem: Problem, stages: tuple[Block, ...]) -> float:
    return sum(problem.pool[stage[5]].usd_per_hour * stage[1] for stage in stages)


def throughput(problem: Problem, stages: tuple[Block, ...]) -> float:
    links = [carried(problem, *pair) for pair in itertools.pairwise(stages)]
    return min([stage[4] for stage in stages] + links)


GOALS = st.builds(Goal, st.sampled_from([1.1, 3.1, math.inf]), st.sampled_from([0.0, 5e3, 1e5, math.inf]))


def value(goal: Goal, rate: float, usd: float) -> float:
    if math.isinf(goal.tokens_per_s_per_usd):
        return -usd
    return rate - goal.tokens_per_s_per_usd * usd


def check(milp: Milp, goal: Goal, values: list[float], scale: float) -> None:
    solution = solve(milp)
    if not values:
        assert solution.status == "infeasible"
        return
    assert solution.status == "optimal"
    assert solution.objective == pytest.approx(max(values), rel=1e-6, abs=1e-6 * scale)
    assert solution.require().usd_per_hour <= goal.usd_per_hour + 1e-6


@settings(max_examples=60, deadline=None)
@given(case=cases(), goal=GOALS)
def test_optimum_equals_brute_force_over_ordered_plans(case: Case, goal: Goal) -> None:
    problem = case.problem
    found = [
        (throughput(problem, stages), cost(problem, stages))
        for stages in every_ordered_plan(case, CORRECTED)
        if cost(problem, stages) <= goal.usd_per_hour
    ]
    segments = enumerate_segments(problem, case.sizes, CORRECTED)
    milp = build_linked(segments, problem, CORRECTED, goal)
    scale = max((rate for rate, _ in found), default=1.0)
    check(milp, goal, [value(goal, *plan) for plan in found], scale)
    if found:
        plan = solve(milp).require()
        assert verify_plan(plan, problem, CORRECTED) == ()
        assert value(goal, plan.tokens_per_s, plan.usd_per_hour) == pytest.approx(
            max(value(goal, *plan) for plan in found), rel=1e-6, abs=1e-6 * scale
        )


@settings(max_examples=60, deadline=None)
@given(case=cases(), goal=GOALS)
def test_documented_optimum_equals_brute_force(case: Case, goal: Goal) -> None:
    """With every defect: blind numbers, filter, ordered groups, both caps."""
    problem = case.problem
    segments = enumerate_segments(problem, case.sizes, DOCUMENTED)
    allowed, cap = documented_pairs(case, segments)
    values = [
        value(goal, min(throughput(problem, stages), *caps(case, segments, stages, cap)), usd)
        for stages in every_ordered_plan(case, DOCUMENTED)
        if (usd := cost(problem, stages)) <= goal.usd_per_hour
        and all((here[:4], there[:4]) in allowed for here, there in itertools.pairwise(stages))
        and in_order(problem, stages)
    ]
    scale = float(np.max(segments["rate"], initial=1.0))
    check(build_linked(segments, problem, DOCUMENTED, goal), goal, values, scale)


Pairs = set[tuple[tuple[int, ...], tuple[int, ...]]]


def documented_pairs(case: Case, segments: np.ndarray) -> tuple[Pairs, float]:
    """(pairs that the blind test and the filter leave, twice their fastest link)."""
    problem = case.problem
    blocks = [
        tuple(int(segment[name]) for name in ("first_gpu", "tp", "start", "size")) for segment in segments
    ]
    types = [int(segment["type"]) for segment in segments]

    def blind(i: int) -> set[int]:
        first = blocks[i][0] - problem.first_gpus[types[i]]
        return set(range(first, first + blocks[i][1]))

    pairs = []
    for i, j in itertools.permutations(range(len(blocks)), 2):
        here, there = blocks[i], blocks[j]
        if here[2] + here[3] == there[2] and not blind(i) & blind(j):
            ends = (range(block[0], block[0] + block[1]) for block in (here, there))
            slowest = min(problem.bandwidth_gb_per_s[a, b] for a, b in itertools.product(*ends))
            pairs.append((here, there, slowest))
    limit = np.percentile([pair[2] for pair in pairs], 10) if pairs else 0.0
    kept = {(here, there) for here, there, slowest in pairs if slowest >= limit}
    fastest = max((carried(problem, (*a, 0.0, 0), (*b, 0.0, 0)) for a, b in kept), default=0.0)  # type: ignore[arg-type]
    return kept, 2 * fastest


def caps(case: Case, segments: np.ndarray, stages: tuple[Block, ...], link_cap: float) -> list[float]:
    """What each group and connection that is not used lets the plan reach at most."""
    problem = case.problem
    used = {(stage[0], stage[1]) for stage in stages}
    found = []
    for index, first, tp in {(int(s["type"]), int(s["first_gpu"]), int(s["tp"])) for s in segments}:
        if (first, tp) not in used:
            gpu = problem.pool[index]
            largest_tp = max(degree for degree in (1, 2, 4, 8) if degree <= gpu.count)
            fewest, most = layer_range(problem.config, gpu, largest_tp)
            sizes = {int(size) for size in segments["size"]}
            size = max({size for size in sizes if fewest <= size <= most} or sizes)
            found.append(3 * stage_rates(problem.config, gpu, largest_tp)[size])
    allowed, _ = documented_pairs(case, segments)
    if len(allowed) > len(stages) - 1:
        found.append(link_cap)
    return [math.inf, *found]


def in_order(problem: Problem, stages: tuple[Block, ...]) -> bool:
    """Of each type and TP the first groups are used, none left out."""
    used: dict[tuple[int, int], set[int]] = {}
    for first, tp, _, _, _, index in stages:
        used.setdefault((index, tp), set()).add((first - problem.first_gpus[index]) // tp)
    return all(groups == set(range(len(groups))) for groups in used.values())


def test_every_size_of_the_tiny_pool(tiny: Problem) -> None:
    """Where no link binds both forms agree, for throughput and for cost."""
    segments = enumerate_segments(tiny, all_sizes(4), CORRECTED)
    for goal in (Goal(), Goal(tokens_per_s_per_usd=math.inf), Goal(tokens_per_s_per_usd=500.0)):
        with_links = solve(build_linked(segments, tiny, CORRECTED, goal))
        assert with_links.objective == pytest.approx(
            solve(build_model(segments, tiny, CORRECTED, goal)).objective
        )

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.documented.linked import build_linked
from harness.placement.documented.milp import Goal, solve
from harness.placement.exact import walks
from harness.placement.exact.front import Front, FrontPoint, exact_front
from harness.placement.exact.limits import Limits, prefill_s
from harness.placement.exact.linked_front import LinkedFront, linked_front
from harness.placement.plan import verify_plan
from harness.placement.problem import Config, GpuType, Problem
from harness.placement.segments import CORRECTED, all_sizes, enumerate_segments
from harness.placement.stages import StageTable, stage_table

# ratios of the same figures differ in their last bits
_UP = 1 + 1e-9


def _problem(counts: list[int], usd: list[float], gb_per_s: np.ndarray, layers: int, stages: int) -> Problem:
    config = Config(
        model_name="random",
        sequence_length=1,
        batch_size=1,
        num_decoder_layers=layers,
        d_model=2**30,
        layer_weight_memory_gb=1.0,
        bytes_per_element=1,
        max_pipeline_stages=stages,
        min_layers_per_stage=1,
    )
    pool = tuple(
        GpuType(f"G{i}", count, 1.0, price) for i, (count, price) in enumerate(zip(counts, usd, strict=True))
    )
    return Problem(config, pool, gb_per_s)


@st.composite
def linked_problems(draw: st.DrawFn, per_gpu: bool = False) -> tuple[Problem, StageTable]:
    """Up to 3 types, TP 1, 2, 4, 6 layers, 4 stages; any table of rates; links as slow as the stages."""
    types = draw(st.sampled_from([2, 3, 1]))
    layers, most_stages = draw(st.integers(2, 6)), draw(st.sampled_from([4, 3, 2, 4, 1]))
    counts = [draw(st.integers(1, 2) if per_gpu else st.integers(2, 5)) for _ in range(types)]
    usd = [draw(st.integers(1, 9)) / 4 for _ in range(types)]
    classes = [(g, tp) for g in range(types) for tp in (1, 2, 4) if tp <= counts[g]]
    size = sum(counts) if per_gpu else types
    speeds = st.lists(st.sampled_from([1, 2, 3, 4, 5, 8, 0, 20]), min_size=size * size, max_size=size * size)
    gb_per_s = np.array(draw(speeds), dtype=np.float64).reshape(size, size)
    # few sizes are large, so that most plans need several stages
    least = -(-layers // most_stages)
    largest = draw(st.integers(least, min(least + 1, layers)))
    rates = st.lists(
        st.sampled_from([6.0, 4.0, 10.0, 3.0, 0.0, 5.0, 7.5, 12.0]), min_size=largest, max_size=largest
    )
    tokens_per_s = np.zeros((len(classes), layers + 1))
    for row in range(len(classes)):
        tokens_per_s[row, 1 : largest + 1] = draw(rates)
    seconds = st.lists(st.integers(0, 6), min_size=layers + 1, max_size=layers + 1)
    table = StageTable(
        layers=layers,
        most_stages=most_stages,
        gpus=np.array(counts),
        usd_per_hour=np.array(usd),
        type=np.array([g for g, _ in classes]),
        tp=np.array([tp for _, tp in classes]),
        tokens_per_s=tokens_per_s,
        prefill_s=np.array([draw(seconds) for _ in classes]),
    )
    return _problem(counts, usd, gb_per_s, layers, most_stages), table


def _link(problem: Problem, gb_per_s: np.ndarray, here: tuple[int, int], there: tuple[int, int]) -> float:
    """Tokens/s between two (type, TP), as the documents put it."""
    limits = [gb_per_s[here[0], there[0]]]
    limits += [gb_per_s[g, g] * (tp - 1) / tp for g, tp in (here, there) if tp > 1]
    return float(min(limits)) * 2**30 / (problem.config.d_model * problem.config.bytes_per_element)


def _ordered_plans(
    problem: Problem, table: StageTable, gb_per_s: np.ndarray, contiguous: bool, prefill_s: float = np.inf
) -> Iterator[tuple[float, float]]:
    """(tokens/s, USD/h) of every sequence of stages, by recursion."""
    classes = list(zip(table.type.tolist(), table.tp.tolist(), strict=True))

    def extend(
        sequence: tuple[tuple[int, int], ...], rate: float, layers: int, seconds: float
    ) -> Iterator[tuple[float, float]]:
        if layers == 0:
            yield rate, sum(tp * problem.pool[g].usd_per_hour for g, tp in sequence)
        if layers == 0 or len(sequence) == table.most_stages:
            return
        for row, kind in enumerate(classes):
            used = sum(tp for g, tp in sequence if g == kind[0])
            left = contiguous and any(g == kind[0] for g, _ in sequence) and sequence[-1][0] != kind[0]
            if used + kind[1] > problem.pool[kind[0]].count or left:
                continue
            link = _link(problem, gb_per_s, sequence[-1], kind) if sequence else np.inf
            for n in range(1, layers + 1):
                own, spent = float(table.tokens_per_s[row, n]), seconds + float(table.prefill_s[row, n])
                if min(own, link) > 0 and spent <= prefill_s:
                    yield from extend((*sequence, kind), min(rate, own, link), layers - n, spent)

    yield from extend((), np.inf, table.layers, 0.0)


def _corners(plans: Iterator[tuple[float, float]]) -> list[tuple[float, float]]:
    """The plans that are cheaper than all that are at least as fast, by ascending throughput."""
    corners: list[tuple[float, float]] = []
    for rate, usd in sorted(set(plans), key=lambda plan: (-plan[0], plan[1])):
        if not corners or usd < corners[-1][1]:
            corners.append((rate, usd))
    return corners[::-1]


def _as_pairs(front: Front) -> list[tuple[float, float]]:
    return [(point.tokens_per_s, point.usd_per_hour) for point in front.points]


@settings(deadline=None)
@given(drawn=linked_problems(), contiguous=st.booleans())
def test_the_front_equals_brute_force_over_ordered_plans(
    drawn: tuple[Problem, StageTable], contiguous: bool
) -> None:
    problem, table = drawn
    linked = linked_front(problem, table, contiguous)
    expected = _corners(_ordered_plans(problem, table, problem.bandwidth_gb_per_s, contiguous))
    event(f"{'feasible' if expected else 'infeasible'}, {'fallback' if linked.fallbacks else 'no fallback'}")
    assert _as_pairs(linked.front) == expected
    assert linked.front.proven
    token = linked.front.cheapest_token()
    if token:
        best = min(usd / rate for rate, usd in expected)
        assert token.usd_per_hour / token.tokens_per_s == pytest.approx(best, rel=1e-9)


@settings(deadline=None)
@given(drawn=linked_problems(), contiguous=st.booleans(), seconds=st.integers(1, 12))
def test_a_latency_limit_holds_along_with_links(
    drawn: tuple[Problem, StageTable], contiguous: bool, seconds: int
) -> None:
    problem, table = drawn
    linked = linked_front(problem, table, contiguous, Limits(prefill_s=seconds))
    plans = _ordered_plans(problem, table, problem.bandwidth_gb_per_s, contiguous, seconds)
    assert _as_pairs(linked.front) == _corners(plans)
    assert all(prefill_s(table, point.choice) <= seconds for point in linked.front.points)


@settings(deadline=None)
@given(drawn=linked_problems(), uniform_tp=st.booleans())
def test_limits_on_type_and_tp_hold_along_with_links(
    drawn: tuple[Problem, StageTable], uniform_tp: bool
) -> None:
    problem, table = drawn
    limits = Limits(uniform_tp=uniform_tp, single_type=not uniform_tp)
    label = table.tp if uniform_tp else table.type
    expected: list[tuple[float, float]] = []
    for one in np.unique(label):
        part = replace(table, tokens_per_s=np.where((label == one)[:, None], table.tokens_per_s, 0.0))
        expected += _ordered_plans(problem, part, problem.bandwidth_gb_per_s, contiguous=False)
    assert _as_pairs(linked_front(problem, table, limits=limits).front) == _corners(iter(expected))


def _placements(problem: Problem, table: StageTable) -> Iterator[tuple[float, float]]:
    """(tokens/s, USD/h) of every plan on every choice of GPUs, links by GPU."""
    matrix = problem.bandwidth_gb_per_s
    firsts = problem.first_gpus

    def slow_inside(group: tuple[int, ...]) -> float:
        links = [matrix[a, b] for a, b in itertools.permutations(group, 2)]
        return min(links, default=np.inf) * (len(group) - 1 or np.inf) / len(group)

    def extend(
        before: tuple[tuple[int, ...], ...], rate: float, layers: int, usd: float
    ) -> Iterator[tuple[float, float]]:
        if layers == 0:
            yield rate, usd
        if layers == 0 or len(before) == table.most_stages:
            return
        for row, (g, tp) in enumerate(zip(table.type.tolist(), table.tp.tolist(), strict=True)):
            own = range(firsts[g], firsts[g] + problem.pool[g].count)
            free = [gpu for gpu in own if not any(gpu in group for group in before)]
            for group in itertools.permutations(free, tp):
                link = np.inf
                if before:
                    last = before[-1]
                    link = min(matrix[last[0], group[0]], slow_inside(last), slow_inside(group))
                for n in range(1, layers + 1):
                    least = min(rate, float(table.tokens_per_s[row, n]), link)
                    if least > 0:
                        price = usd + tp * problem.pool[g].usd_per_hour
                        yield from extend((*before, group), least, layers - n, price)

    yield from extend((), np.inf, table.layers, 0.0)


@settings(deadline=None)
@given(drawn=linked_problems(per_gpu=True), usd=st.integers(1, 40))
def test_where_links_differ_by_gpu_the_optimum_is_within_the_gap(
    drawn: tuple[Problem, StageTable], usd: int
) -> None:
    problem, table = drawn
    linked = linked_front(problem, table)
    true = Front(tuple(FrontPoint(*corner, ()) for corner in _corners(_placements(problem, table))), 0, 0)
    event(f"proven: {linked.front.proven}")
    if linked.front.proven:
        assert _as_pairs(linked.front) == _as_pairs(true)
    for point in linked.front.points:  # what is promised is kept on the GPUs of the plan
        assert linked.plan(point, problem).tokens_per_s >= point.tokens_per_s
        assert true.cheapest_at(point.tokens_per_s).usd_per_hour <= point.usd_per_hour  # type: ignore[union-attr]
    for point in true.points:
        bound, found = (
            linked.bound.cheapest_at(point.tokens_per_s),
            linked.front.cheapest_at(point.tokens_per_s),
        )
        assert bound is not None
        assert bound.usd_per_hour <= point.usd_per_hour
        gap = _floor_gap(linked, point.tokens_per_s)
        assert (
            gap == math.inf if found is None else found.usd_per_hour <= point.usd_per_hour * (1 + gap) * _UP
        )
    fastest, found = true.fastest_within(usd), linked.front.fastest_within(usd)
    if fastest and found:
        assert fastest.tokens_per_s <= found.tokens_per_s * (1 + _budget_gap(linked, usd)) * _UP
    token, found = true.cheapest_token(), linked.front.cheapest_token()
    if token and found:
        most = token.usd_per_million_tokens * (1 + _token_gap(linked))
        assert found.usd_per_million_tokens <= most * _UP


def _token_gap(linked: LinkedFront) -> float:
    return linked.gap(Front.cheapest_token, lambda point: point.usd_per_million_tokens)


def _floor_gap(linked: LinkedFront, tokens_per_s: float) -> float:
    return linked.gap(lambda front: front.cheapest_at(tokens_per_s), lambda point: point.usd_per_hour)


def _budget_gap(linked: LinkedFront, usd_per_hour: float) -> float:
    return linked.gap(lambda front: front.fastest_within(usd_per_hour), lambda point: 1 / point.tokens_per_s)


def _table(
    counts: list[int], usd: list[float], tps: list[tuple[int, int]], rates: list[list[float]]
) -> StageTable:
    tokens_per_s = np.array([[0.0, *row] for row in rates])
    return StageTable(
        layers=len(rates[0]),
        most_stages=4,
        gpus=np.array(counts),
        usd_per_hour=np.array(usd),
        type=np.array([g for g, _ in tps]),
        tp=np.array([tp for _, tp in tps]),
        tokens_per_s=tokens_per_s,
        prefill_s=np.zeros_like(tokens_per_s),
    )


def _two_islands() -> tuple[Problem, StageTable]:
    """Links inside either type only; without links one A and two B would be cheapest."""
    counts, usd = [3, 2], [2.0, 1.0]
    table = _table(counts, usd, [(0, 1), (1, 1)], [[9.0, 0, 0], [9.0, 0, 0]])
    return _problem(counts, usd, np.array([[20.0, 0.0], [0.0, 20.0]]), 3, 4), table


def test_types_without_a_link_are_not_mixed() -> None:
    problem, table = _two_islands()
    assert _as_pairs(exact_front(table)) == [(9.0, 4.0)]
    linked = linked_front(problem, table)
    assert linked.fallbacks > 0
    assert _as_pairs(linked.front) == [(9.0, 6.0)]
    assert linked.front.points[0].choice == ((0, 1), (0, 1), (0, 1))


def test_stages_that_the_solver_leaves_in_pieces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its flow the program counts a walk on one island and a circle on the other."""
    monkeypatch.setattr(walks, "_flow_rows", lambda *_: None)
    with pytest.raises(HarnessError, match="no order connects") as caught:
        linked_front(*_two_islands())
    assert caught.value.exit_code == EXIT_INFRASTRUCTURE


def test_a_dearer_type_bridges_two_that_have_no_link() -> None:
    counts, usd = [1, 1, 1], [1.0, 1.0, 5.0]
    table = _table(counts, usd, [(0, 1), (1, 1), (2, 1)], [[9.0, 9.0, 0]] * 3)
    links = np.zeros((3, 3))
    links[0, 2] = links[2, 1] = 9.0
    linked = linked_front(_problem(counts, usd, links, 3, 4), table)
    assert linked.fallbacks > 0
    assert _as_pairs(linked.front) == [(9.0, 6.0)]


def test_stages_of_one_type_stand_together_if_asked() -> None:
    """Without links inside a type only A B A is possible, where A comes back after B."""
    counts, usd = [2, 1, 3], [1.0, 1.0, 4.0]
    table = _table(counts, usd, [(0, 1), (1, 1), (2, 1)], [[9.0, 0, 0]] * 3)
    links = np.array([[0.0, 20.0, 0.0], [20.0, 0.0, 0.0], [0.0, 0.0, 20.0]])
    problem = _problem(counts, usd, links, 3, 4)
    assert _as_pairs(linked_front(problem, table).front) == [(9.0, 3.0)]
    together = linked_front(problem, table, contiguous=True)
    assert together.fallbacks > 0
    assert _as_pairs(together.front) == [(9.0, 12.0)]


def test_no_order_of_the_stages_is_no_plan() -> None:
    table = _table([2], [1.0], [(0, 1)], [[9.0, 0]])
    linked = linked_front(_problem([2], [1.0], np.zeros((2, 2)), 2, 4), table)
    assert linked.front.points == linked.bound.points == ()
    assert linked.front.proven
    assert _token_gap(linked) == _floor_gap(linked, 1) == _budget_gap(linked, 1) == 0


def test_free_plans_leave_no_gap(tiny: Problem) -> None:
    free = replace(tiny, pool=tuple(replace(gpu, usd_per_hour=0.0) for gpu in tiny.pool))
    assert _token_gap(linked_front(free, stage_table(free), True)) == 0.0


def test_a_gap_without_a_plan_is_infinite() -> None:
    """Some pair of GPUs is connected, the slowest is not."""
    table = _table([3], [1.0], [(0, 1)], [[9.0, 0]])
    links = np.array([[0.0, 20.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    problem = _problem([3], [1.0], links, 2, 4)
    linked = linked_front(problem, table)
    assert linked.front.points == ()
    assert not linked.front.proven
    assert _as_pairs(linked.bound) == [(9.0, 2.0)]
    assert _token_gap(linked) == _floor_gap(linked, 1) == _budget_gap(linked, 9) == np.inf
    with pytest.raises(ValueError, match="no order"):
        linked.plan(linked.bound.points[0], problem)


@pytest.mark.parametrize("contiguous", [False, True])
def test_links_of_the_medium_pool_never_bind(medium: Problem, contiguous: bool) -> None:
    table = stage_table(medium)
    linked = linked_front(medium, table, contiguous)
    assert linked.front == exact_front(table)
    assert linked.front.proven
    assert linked.fallbacks == 0
    best = linked.front.cheapest_token()
    assert best is not None
    assert best.usd_per_million_tokens == pytest.approx(0.0986975, abs=5e-7)


@pytest.mark.parametrize("contiguous", [False, True])
def test_a_medium_pool_with_slow_links(medium: Problem, contiguous: bool) -> None:
    """0.15 GB/s between types: three corners that mix types are lost, the others keep their place."""
    links = np.where(np.eye(5, dtype=np.bool_), 600.0, 0.15)
    problem = replace(medium, bandwidth_gb_per_s=links)
    table = stage_table(problem)
    linked = linked_front(problem, table, contiguous)
    free = exact_front(table)
    assert linked.front.proven
    assert linked.fallbacks > 0
    assert linked.front.cheapest_token() == free.cheapest_token()
    for before, point in itertools.pairwise([None, *linked.front.points]):
        assert point is not None
        floor = np.nextafter(before.tokens_per_s, np.inf) if before else 1.0
        least = free.cheapest_at(floor)
        assert least is not None
        assert point.usd_per_hour >= least.usd_per_hour
        plan = linked.plan(point, problem)
        assert verify_plan(plan, problem, CORRECTED) == ()
        assert (plan.tokens_per_s, plan.usd_per_hour) == (
            point.tokens_per_s,
            pytest.approx(point.usd_per_hour),
        )
        runs = [name for name, _ in itertools.groupby(stage.gpu_type for stage in plan.stages)]
        assert not contiguous or len(runs) == len(set(runs))
    assert len(linked.front.points) == 10 < len(free.points) == 13


def test_the_front_is_that_of_the_segment_program_with_connections(tiny: Problem) -> None:
    """An independent model: at each corner's throughput the same cost, above it a dearer plan or none."""
    links = np.array([[0.3, 0.05], [0.02, 0.2]])
    problem = replace(tiny, bandwidth_gb_per_s=links)
    table = stage_table(problem)
    linked = linked_front(problem, table)
    assert linked.front.points != exact_front(table).points
    segments = enumerate_segments(problem, all_sizes(problem.layers), CORRECTED)
    for point, after in itertools.pairwise([*linked.front.points, None]):
        assert point is not None
        for floor, expected in ((point.tokens_per_s, point), (point.tokens_per_s * (1 + 1e-4), after)):
            goal = Goal(tokens_per_s_per_usd=math.inf, tokens_per_s=floor)
            solution = solve(build_linked(segments, problem, CORRECTED, goal))
            if expected is None:
                assert solution.status == "infeasible"
            else:
                assert solution.objective == pytest.approx(-expected.usd_per_hour)

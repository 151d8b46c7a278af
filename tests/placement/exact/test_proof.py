"""The exact method against brute force and against the MILP.

`pytest tests/placement/test_proof.py --hypothesis-profile=full` tries 4,000 instances of each kind.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.placement.exact.certificate import certificate_of, check_certificate, check_front, least_usd
from harness.placement.exact.front import exact_front, usd_of
from harness.placement.exact.ratio import cheapest_token
from harness.placement.exact.sweep import sweep
from harness.placement.problem import Problem
from harness.placement.segments import CORRECTED, DOCUMENTED, Rules
from harness.placement.stages import Choice, StageTable, lay_out, stage_table


@st.composite
def tables(draw: st.DrawFn) -> StageTable:
    """1 to 3 types with TP 1, 2, 4; a third of the classes has any rates, also rising with the layers."""
    layers = draw(st.integers(1, 8))
    counts = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    classes = [(g, tp) for g, count in enumerate(counts) for tp in (1, 2, 4) if tp <= count]
    rates = np.zeros((len(classes), layers + 1))
    for row, (_, tp) in enumerate(classes):
        sizes = sorted(draw(st.sets(st.integers(1, layers), max_size=5)))
        if draw(st.integers(0, 2)):
            rates[row, sizes] = [draw(st.integers(1, 5)) * 12.0 * tp / n for n in sizes]
        else:
            rates[row, sizes] = [draw(st.integers(1, 40)) for _ in sizes]
    price = st.one_of(st.integers(0, 12).map(lambda cents: cents / 10), st.floats(0.01, 9.0))
    return StageTable(
        layers=layers,
        most_stages=draw(st.integers(1, 5)),
        gpus=np.array(counts),
        usd_per_hour=np.array([draw(price) for _ in counts]),
        type=np.array([g for g, _ in classes]),
        tp=np.array([tp for _, tp in classes]),
        tokens_per_s=rates,
        prefill_s=np.where(rates > 0, 1.0, np.inf),
    )


def every_choice(table: StageTable) -> Iterator[tuple[float, float]]:
    """(tokens/s, USD/h) of every plan, by recursion over (class, layers); shares no code with the solvers."""
    kinds = [
        (int(table.type[c]), int(table.tp[c]), n, float(table.tokens_per_s[c, n]))
        for c, n in itertools.product(range(len(table.tp)), range(1, table.layers + 1))
        if table.tokens_per_s[c, n] > 0
    ]

    def extend(
        first: int, left: int, stages: int, used: Counter[int], rate: float
    ) -> Iterator[tuple[float, float]]:
        if not left:
            yield rate, math.fsum(table.usd_per_hour[g] * gpus for g, gpus in used.items())
        for position in range(first, len(kinds) if stages else first):
            g, tp, n, own = kinds[position]
            if n <= left and used[g] + tp <= table.gpus[g]:
                yield from extend(position, left - n, stages - 1, used + Counter({g: tp}), min(rate, own))

    yield from extend(0, table.layers, table.most_stages, Counter(), math.inf)


def front_by_force(table: StageTable) -> list[tuple[float, float]]:
    """(tokens/s, USD/h) of the corners, ascending."""
    corners: list[tuple[float, float]] = []
    for rate, usd in sorted(every_choice(table), key=lambda plan: (-plan[0], plan[1])):
        if not corners or usd < corners[-1][1] * (1 - 1e-12):
            corners.append((rate, usd))
    return corners[::-1]


@settings(deadline=None)
@given(table=tables())
def test_front_and_cheapest_token_equal_brute_force(table: StageTable) -> None:
    expected = front_by_force(table)
    front = exact_front(table)
    assert [p.tokens_per_s for p in front.points] == [rate for rate, _ in expected]
    assert [p.usd_per_hour for p in front.points] == pytest.approx([usd for _, usd in expected], rel=1e-12)
    event("feasible" if expected else "infeasible")
    fast = cheapest_token(table)
    if not expected:
        assert fast is None
        assert front.cheapest_token() is None
        return
    best = min(usd / (3600 * rate) for rate, usd in expected) * 1e6
    point = front.cheapest_token()
    assert fast is not None
    assert point is not None
    assert point.usd_per_million_tokens == pytest.approx(best, rel=1e-12)
    assert fast.point.usd_per_million_tokens == pytest.approx(best, rel=1e-12)
    if best:
        assert fast.point.tokens_per_s == point.tokens_per_s


@settings(deadline=None)
@given(table=tables())
def test_proofs_of_random_tables_hold(table: StageTable) -> None:
    front = exact_front(table)
    assert check_front(front, table) == ()
    fast, slow = cheapest_token(table), certificate_of(front, table)
    assert (fast is None) == (slow is None)
    if fast is not None and slow is not None:
        assert check_certificate(fast.certificate, table) == ()
        assert check_certificate(slow, table) == ()


@settings(deadline=None)
@given(table=tables(), data=st.data())
def test_order_names_and_scale_of_the_pool_do_not_matter(table: StageTable, data: st.DataObject) -> None:
    """Permuted types and scaled prices give the same plans up to the types' numbers."""
    order = data.draw(st.permutations(range(len(table.gpus))))
    factor = data.draw(st.sampled_from([0.5, 2.0, 10.0, 0.001]))
    new = {old: position for position, old in enumerate(order)}
    rows = sorted(range(len(table.tp)), key=lambda row: (new[int(table.type[row])], table.tp[row]))
    moved = replace(
        table,
        gpus=table.gpus[order],
        usd_per_hour=np.array([float(f"{table.usd_per_hour[g] * factor:.15g}") for g in order]),
        type=np.array([new[int(table.type[row])] for row in rows]),
        tp=table.tp[rows],
        tokens_per_s=table.tokens_per_s[rows],
        prefill_s=table.prefill_s[rows],
    )
    here, there = exact_front(table).points, exact_front(moved).points
    assert [point.tokens_per_s for point in here] == [point.tokens_per_s for point in there]
    for a, b in zip(here, there, strict=True):
        assert shape_of(a.choice, table) == shape_of(b.choice, moved)
        assert b.usd_per_hour == pytest.approx(a.usd_per_hour * factor, rel=1e-9)


def shape_of(choice: Choice, table: StageTable) -> Counter[tuple[object, ...]]:
    """A choice without the numbers of its types; types with the same figures are the same."""

    def figures(g: int) -> tuple[object, ...]:
        return int(table.gpus[g]), table.tokens_per_s[table.type == g].tobytes()

    return Counter((figures(int(table.type[c])), int(table.tp[c]), n) for c, n in choice)


@pytest.mark.parametrize("rules", [CORRECTED, DOCUMENTED], ids=lambda rules: rules.name)
def test_every_threshold_of_medium_equals_the_milp(medium: Problem, rules: Rules) -> None:
    table = stage_table(medium, rules)
    thresholds = table.thresholds.tolist()
    assert len(thresholds) == {"corrected": 170, "documented": 131}[rules.name]
    for floor, choice in zip(thresholds, sweep(table, thresholds), strict=True):
        own = math.inf if choice is None else usd_of(choice, table)
        assert own == pytest.approx(least_usd(table, floor), rel=1e-9), floor
        assert choice is None or lay_out(choice, table, medium).tokens_per_s >= floor


def scarce_pool(seed: int) -> StageTable:
    """8 types of 1 to 4 GPUs with prices close together: the cheapest ones run out, so bounds are loose."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, 8)
    classes = [(g, tp) for g, count in enumerate(counts) for tp in (1, 2, 4) if tp <= count]
    speeds = rng.uniform(5, 15, 8)
    rates = np.zeros((len(classes), 25))
    for row, (g, tp) in enumerate(classes):
        sizes = np.arange(2, 13)
        rates[row, sizes] = speeds[g] * tp / sizes
    return StageTable(
        layers=24,
        most_stages=8,
        gpus=counts,
        usd_per_hour=np.round(speeds * rng.uniform(0.8, 1.25, 8), 2),
        type=np.array([g for g, _ in classes]),
        tp=np.array([tp for _, tp in classes]),
        tokens_per_s=rates,
        prefill_s=np.where(rates > 0, 1.0, np.inf),
    )


@pytest.mark.parametrize("seed", [5, 9])
def test_scarce_pools_equal_the_milp(seed: int) -> None:
    table = scarce_pool(seed)
    floors = table.thresholds.tolist()
    costs = [math.inf if c is None else usd_of(c, table) for c in sweep(table, floors)]
    assert costs == pytest.approx([least_usd(table, floor) for floor in floors], rel=1e-9)
